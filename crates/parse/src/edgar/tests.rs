use feedspine_core::Namespace;

use super::words::{Accession, cik, day};
use super::*;
use crate::document::Input;
use crate::error::ParseError;
use crate::limits::Limits;

fn sec() -> Namespace {
    "sec".parse().unwrap()
}

fn input(body: &str) -> Input<'_> {
    Input {
        bytes: body.as_bytes(),
        content_type: None,
        base: Some("https://data.sec.gov/submissions/CIK0000000007.json"),
    }
}

fn contents(page: &EdgarPage) -> Vec<&str> {
    page.candidates.iter().map(|candidate| candidate.content.as_str()).collect()
}

fn keys(page: &EdgarPage) -> Vec<&str> {
    page.candidates.iter().map(|candidate| candidate.key.key()).collect()
}

#[test]
fn an_accession_number_is_one_however_it_is_written() {
    for text in ["0000320193-24-000123", "000032019324000123", " 0000320193-24-000123 "] {
        assert_eq!(Accession::read(text).unwrap().to_string(), "0000320193-24-000123", "{text}");
    }
    for path in [
        "edgar/data/320193/0000320193-24-000123.txt",
        "https://www.sec.gov/Archives/edgar/data/320193/000032019324000123/0000320193-24-000123-index.htm",
    ] {
        assert_eq!(Accession::of_path(path).unwrap().to_string(), "0000320193-24-000123", "{path}");
    }
    for text in ["", "0000320193-24-00012", "00003201932400012x", "0000320193/24/000123", "٠٠٠٠٣٢٠١٩٣24000123"]
    {
        assert_eq!(Accession::read(text), None, "{text}");
    }
}

#[test]
fn ciks_and_days_are_one_however_they_are_written() {
    assert_eq!((cik("320193"), cik("0000320193")), (Some("0000320193".into()), Some("0000320193".into())));
    assert_eq!((cik(""), cik("12345678901"), cik("A")), (None, None, None));
    for (text, told) in [
        ("20241101", Some("2024-11-01")),
        ("2024-11-01", Some("2024-11-01")),
        ("940103", Some("1994-01-03")),
        ("2024-02-30", None),
        ("2024/11/01", None),
    ] {
        assert_eq!(day(text).as_deref(), told, "{text}");
    }
}

/// An entry as EDGAR writes it.
fn entry(form: &str, party: &str, accession: &str, accepted: &str, more: &str) -> String {
    format!(
        "<entry><title>{form} - {party}</title>\
         <link rel=\"alternate\" type=\"text/html\" href=\"https://www.sec.gov/Archives/edgar/data/7/x/{accession}-index.htm\"/>\
         <summary type=\"html\"> &lt;b&gt;Filed:&lt;/b&gt; 2026-11-24 &lt;b&gt;AccNo:&lt;/b&gt; {accession} \
         &lt;b&gt;Size:&lt;/b&gt; 12 KB{more}</summary><updated>{accepted}</updated>\
         <category scheme=\"https://www.sec.gov/\" label=\"form type\" term=\"{form}\"/>\
         <id>urn:tag:sec.gov,2008:accession-number={accession}</id></entry>"
    )
}

fn atom(entries: &[String]) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"ISO-8859-1\" ?><feed xmlns=\"http://www.w3.org/2005/Atom\">\
         <title>Latest Filings - Tue, 24 Nov 2026 10:00:00 EST</title>{}</feed>",
        entries.concat()
    )
}

#[test]
fn the_entries_of_a_filing_are_one_filing_with_its_parties_over_pages() {
    let at = "2026-11-24T09:58:00-05:00";
    let report = "&lt;br&gt;Item 2.02: Results of Operations&lt;br&gt;Item 9.01: Exhibits";
    let first = atom(&[
        entry("8-K", "Example - North (Holdings) Inc. (0000000007) (Filer)", "0000000007-26-000002", at, report),
        entry("4", "Doe John (0000000009) (Reporting)", "0000000009-26-000001", at, ""),
    ]);
    let second = atom(&[
        entry("4", "Example &amp; Co (0000000007) (Issuer)", "0000000009-26-000001", at, ""),
        entry("SC 13G", "Fund LP (0000000008) (Filed by)", "0000000008-26-000001", "2026-11-24T09:00:00-05:00", ""),
        "<entry><title>no filing</title><id>urn:x</id></entry>".to_owned(),
    ]);
    let mut current = EdgarCurrent::default();
    assert_eq!(current.add(&input(&first), &Limits::default()).unwrap().count, 2);
    assert_eq!(current.add(&input(&second), &Limits::default()).unwrap().count, 3);
    let page = current.finish(&sec(), false);
    assert_eq!(
        contents(&page)[..2],
        [
            r#"{"accepted":"2026-11-24T09:58:00-05:00","accession":"0000000007-26-000002","ciks":["0000000007"],"filed":"2026-11-24","form":"8-K","items":["2.02","9.01"],"link":"https://www.sec.gov/Archives/edgar/data/7/x/0000000007-26-000002-index.htm","names":{"0000000007":"Example - North (Holdings) Inc."},"parties":[{"cik":"0000000007","role":"filer"}],"size":"12 KB","summary":"Filed: 2026-11-24 AccNo: 0000000007-26-000002 Size: 12 KB\nItem 2.02: Results of Operations\nItem 9.01: Exhibits","title":"8-K: Example - North (Holdings) Inc."}"#,
            r#"{"accepted":"2026-11-24T09:58:00-05:00","accession":"0000000009-26-000001","ciks":["0000000007","0000000009"],"filed":"2026-11-24","form":"4","link":"https://www.sec.gov/Archives/edgar/data/7/x/0000000009-26-000001-index.htm","names":{"0000000007":"Example & Co","0000000009":"Doe John"},"parties":[{"cik":"0000000007","role":"issuer"},{"cik":"0000000009","role":"reporting"}],"size":"12 KB","summary":"Filed: 2026-11-24 AccNo: 0000000009-26-000001 Size: 12 KB","title":"4: Example & Co"}"#,
        ]
    );
    assert!(contents(&page)[2].contains(r#""parties":[{"cik":"0000000008","role":"filed_by"}]"#));
    assert_eq!(page.candidates[0].published.unwrap().to_string(), "2026-11-24T14:58:00Z");
    assert_eq!((page.rejects[0].code.as_str(), page.rejects[0].ordinal), ("key.missing", 3));
}

#[test]
fn the_last_filing_of_a_list_that_goes_on_is_left_out_unless_it_is_alone() {
    let at = "2026-11-24T09:58:00-05:00";
    let one = entry("4", "A (0000000001) (Issuer)", "0000000001-26-000001", at, "");
    let two = entry("4", "B (0000000002) (Issuer)", "0000000002-26-000001", at, "");
    for (entries, goes_on, expected) in [
        (vec![&one, &two], true, vec!["0000000001-26-000001"]),
        (vec![&one, &two], false, vec!["0000000001-26-000001", "0000000002-26-000001"]),
        (vec![&one], true, vec!["0000000001-26-000001"]),
    ] {
        let mut current = EdgarCurrent::default();
        let entries: Vec<String> = entries.into_iter().cloned().collect();
        current.add(&input(&atom(&entries)), &Limits::default()).unwrap();
        assert_eq!(keys(&current.finish(&sec(), goes_on)), expected);
    }
}

const INDEX: &str = "\
Description:           Master Index of EDGAR Dissemination Feed
Last Data Received:    November 24, 2026

CIK|Company Name|Form Type|Date Filed|File Name
--------------------------------------------------------------------------------
7|Example | Co|4|20261123|edgar/data/7/0000000009-26-000001.txt
8|FUND LP|10-K|20261124|edgar/data/8/0000000008-26-000007.txt
9|DOE JOHN|4|20261123|edgar/data/9/0000000009-26-000001.txt
8|FUND LP|10-K/A|20261124|edgar/data/8/0000000008-26-000007.txt
this is no line
9|DOE JOHN|4|20261399|edgar/data/9/0000000009-26-000002.txt
";

#[test]
fn the_lines_of_a_filing_are_one_filing_newest_first_and_a_wrong_line_costs_itself() {
    let mut index = EdgarIndex::read(&input(INDEX), 10).unwrap();
    assert_eq!(index.count(), 4);
    let (first, last) = index.next_page(&sec(), 1);
    assert!(!last && first.rejects.is_empty());
    assert_eq!(
        contents(&first),
        [
            r#"{"accession":"0000000008-26-000007","ciks":["0000000008"],"filed":"2026-11-24","form":"10-K","forms":["10-K","10-K/A"],"link":"https://www.sec.gov/Archives/edgar/data/8/000000000826000007/0000000008-26-000007-index.htm","names":{"0000000008":"FUND LP"},"parties":[{"cik":"0000000008"}],"title":"10-K: FUND LP"}"#
        ]
    );
    let (second, last) = index.next_page(&sec(), 9);
    assert!(last);
    assert!(contents(&second)[0].contains(r#""names":{"0000000007":"Example | Co","0000000009":"DOE JOHN"}"#));
    assert!(contents(&second)[0].contains(r#""parties":[{"cik":"0000000007"},{"cik":"0000000009"}]"#));
    assert_eq!(second.candidates[0].published.unwrap().to_string(), "2026-11-23T00:00:00Z");
    let told: Vec<(u32, &str)> = second.rejects.iter().map(|reject| (reject.ordinal, reject.reason.as_str())).collect();
    assert_eq!(told, [(12, "line 10: it has no five fields with | between them"), (13, "line 11: its date is no day")]);
    assert_eq!((first.candidates[0].ordinal, second.candidates[0].ordinal), (10, 11));
}

#[test]
fn an_index_without_filings_is_one_and_other_things_are_none() {
    let empty: String = INDEX.split_inclusive('\n').take(5).collect();
    let (page, last) = EdgarIndex::read(&input(&empty), 0).unwrap().next_page(&sec(), 9);
    assert!(last && page.candidates.is_empty());
    let by_form = "Form Type   Company Name      CIK         Date Filed  File Name\n----\n10-K  A  7  20261124  x\n";
    for (body, told) in [
        (by_form, "the one that is read is called master.idx"),
        ("<html>Not found</html>", "there is no line CIK|Company Name|"),
        (" ", "there is no text in it"),
    ] {
        let error = EdgarIndex::read(&input(body), 0).unwrap_err();
        assert!(error.to_string().contains(told), "{error}");
    }
    let rss = "<rss version='2.0'><channel><item><title>x</title></item></channel></rss>";
    let error = EdgarCurrent::default().add(&input(rss), &Limits::default()).unwrap_err();
    assert_eq!(error.code(), "adapter.document");
}

const SUBMISSIONS: &str = r#"{"cik":"7","name":"Example Inc.","tickers":["EXM"],"filings":{"recent":{
    "accessionNumber":["0000000007-26-000002","0000000009-26-000001","0000000007-26-000002","x"],
    "filingDate":["2026-11-24","2026-11-23","2026-11-24",""],"reportDate":["2026-11-20","","2026-11-20",""],
    "acceptanceDateTime":["2026-11-24T14:58:00.000Z","2026-11-23T20:00:00.000Z","2026-11-24T14:58:00.000Z",""],
    "form":["8-K","4","8-K","4"],"items":["2.02,9.01","","2.02,9.01",""],"size":[12345678901234567890,1,2,3],
    "primaryDocument":["a.htm","b.xml","a.htm",""],"core_type":["8-K","4","8-K","4"],"act":["34"]},
    "files":[{"name":"CIK0000000007-submissions-001.json","filingCount":2,"filingFrom":"1994-01-26","filingTo":"2015-05-13"},
             {"name":"../elsewhere.json"},{"name":7}]}}"#;

#[test]
fn submissions_are_read_by_columns_and_name_their_archives() {
    let read = read_edgar_submissions(&input(SUBMISSIONS), &sec(), None, 0, &Limits::default()).unwrap();
    assert_eq!(
        contents(&read.page),
        [
            r#"{"accepted":"2026-11-24T14:58:00.000Z","accession":"0000000007-26-000002","ciks":["0000000007"],"details":{"primaryDocument":"a.htm","reportDate":"2026-11-20","size":12345678901234567890},"filed":"2026-11-24","form":"8-K","items":["2.02","9.01"],"link":"https://www.sec.gov/Archives/edgar/data/7/000000000726000002/0000000007-26-000002-index.htm","more":{"core_type":"8-K"},"names":{"0000000007":"Example Inc."},"parties":[{"cik":"0000000007"}],"title":"8-K: Example Inc."}"#,
            r#"{"accepted":"2026-11-23T20:00:00.000Z","accession":"0000000009-26-000001","ciks":["0000000007"],"details":{"primaryDocument":"b.xml","reportDate":"","size":1},"filed":"2026-11-23","form":"4","link":"https://www.sec.gov/Archives/edgar/data/7/000000000926000001/0000000009-26-000001-index.htm","more":{"core_type":"4"},"names":{"0000000007":"Example Inc."},"parties":[{"cik":"0000000007"}],"title":"4: Example Inc."}"#,
        ]
    );
    assert_eq!(read.page.rejects[0].code, "key.missing");
    assert_eq!(read.page.warnings[0].code, "edgar.columns");
    assert_eq!(read.archives.len(), 1);
    assert_eq!(read.archives[0].name, "CIK0000000007-submissions-001.json");
    let archive = r#"{"accessionNumber":["0000000007-94-000001"],"form":["10-K"],"filingDate":["1994-01-26"]}"#;
    let read = read_edgar_submissions(&input(archive), &sec(), read.company.as_ref(), 3, &Limits::default()).unwrap();
    assert!(contents(&read.page)[0].contains("Example Inc."));
    assert_eq!(read.page.candidates[0].ordinal, 3);
    // An archive that stands alone says by its name whose it is.
    let read = read_edgar_submissions(&input(archive), &sec(), None, 0, &Limits::default()).unwrap();
    assert!(contents(&read.page)[0].contains(r#""parties":[{"cik":"0000000007"}]"#));
}

#[test]
fn what_is_no_submissions_and_no_folder_is_told() {
    for body in ["[]", "{}", r#"{"filings":{"recent":[]}}"#, r#"{"accessionNumber":"x"}"#] {
        let error = read_edgar_submissions(&input(body), &sec(), None, 0, &Limits::default()).unwrap_err();
        assert_eq!(error.code(), "adapter.document", "{body}");
    }
    let cut = read_edgar_submissions(&input(&SUBMISSIONS[..200]), &sec(), None, 0, &Limits::default());
    assert_eq!(cut.unwrap_err(), ParseError::JsonTruncated);
    assert_eq!(read_edgar_days(&input("{}")).unwrap_err().code(), "adapter.document");
}

#[test]
fn a_folder_lists_the_master_index_of_each_day_once() {
    let file = |name: &str, at: &str| {
        format!(r#"{{"last-modified":"{at}","name":"{name}","type":"file","href":"{name}","size":"612 KB"}}"#)
    };
    let files = [
        file("form.20261124.idx", "1"),
        file("master.20261124.idx", "11/24/2026 10:05:33 PM"),
        file("master.20261123.idx.gz", "2"),
        file("master.20261123.idx", "3"),
        file("master.20261123.idx.Z", "4"),
        file("master.tomorrow.idx", "5"),
        file("master.980102.idx", "6"),
    ];
    let listing = format!(r#"{{"directory":{{"item":[{}],"name":"daily-index/"}}}}"#, files.join(","));
    let days = read_edgar_days(&input(&listing)).unwrap();
    let told: Vec<(&str, &str, &str)> =
        days.iter().map(|day| (day.day.as_str(), day.name.as_str(), day.changed.as_str())).collect();
    assert_eq!(
        told,
        [
            ("1998-01-02", "master.980102.idx", "6 612 KB"),
            ("2026-11-23", "master.20261123.idx", "3 612 KB"),
            ("2026-11-24", "master.20261124.idx", "11/24/2026 10:05:33 PM 612 KB"),
        ]
    );
}
