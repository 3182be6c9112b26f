//! Dates in many dialects, and texts that are none.

use super::*;

fn instant(text: &str) -> String {
    read_date(text).map_or_else(|error| error.to_string(), |reading| reading.at.to_string())
}

#[test]
fn the_dialects_of_mail_are_read() {
    for (text, expected) in [
        ("Tue, 03 Mar 2020 04:05:06 +0130", "2020-03-03T02:35:06Z"),
        ("3 Mar 20 04:05 GMT", "2020-03-03T04:05:00Z"),
        ("Tuesday, 03-Mar-20 04:05:06 EST", "2020-03-03T09:05:06Z"),
        ("Tue Mar  3 04:05:06 2020", "2020-03-03T04:05:06Z"),
        ("Tue Mar 03 04:05:06 +0100 2020", "2020-03-03T03:05:06Z"),
        ("Tue Mar 03 04:05:06 CET 2020", "2020-03-03T03:05:06Z"),
        ("Tue Mar 3 04:05:06 2020 +0100", "2020-03-03T03:05:06Z"),
        ("Tue Mar 3 04:05:06 2020 +01:00", "2020-03-03T03:05:06Z"),
        ("04:05 2020-03-06", "2020-03-06T04:05:00Z"),
        ("Tue , \t 3 mAr\t2020\r\n 04:05:06\t -05:00", "2020-03-03T09:05:06Z"),
        ("Tue(it rained), 3(rd) Mar(ch (so they say)) 2020 04:05:06 +0000(GMT", "2020-03-03T04:05:06Z"),
        ("March 3rd, 2020 4:05 PM", "2020-03-03T16:05:00Z"),
        ("Mon, 1 Sept 2025 10:00:00 BST", "2025-09-01T09:00:00Z"),
        ("Tue, 03 Mar 2020 24:00:00 GMT", "2020-03-04T00:00:00Z"),
        ("Tue, 03 Mar 2020 12:30 am", "2020-03-03T00:30:00Z"),
        ("Tue, 03 Mar 2020 04:05:06 GMT+02:00", "2020-03-03T02:05:06Z"),
        ("Tue, 03 Mar 2020 04:05:06 Etc/UTC", "2020-03-03T04:05:06Z"),
        ("Mon, 01 Jan 49 00:00:00 GMT", "2049-01-01T00:00:00Z"),
        ("Mon, 01 Jan 50 00:00:00 GMT", "1950-01-01T00:00:00Z"),
        ("Fri, 2020/03/03 04:05:06 PST", "2020-03-03T12:05:06Z"),
    ] {
        assert_eq!(instant(text), expected, "{text}");
    }
}

#[test]
fn the_shapes_of_iso_8601_are_read() {
    for (text, expected) in [
        ("2020-03-03T04:05:06Z", "2020-03-03T04:05:06Z"),
        ("2020-03-03t04:05:06.123456789z", "2020-03-03T04:05:06.123456Z"),
        ("2020-03-03T04:05:06.5+01:00", "2020-03-03T03:05:06.500000Z"),
        ("2020-03-03 04:05:06 -0230", "2020-03-03T06:35:06Z"),
        ("2020-03-03 T 04:05:06", "2020-03-03T04:05:06Z"),
        ("2020-03-03 04:05:06 +0000 UTC", "2020-03-03T04:05:06Z"),
        ("20200303T040506Z", "2020-03-03T04:05:06Z"),
        ("2020-03-03T0405+01:00", "2020-03-03T03:05:00Z"),
        ("2020-03-03", "2020-03-03T00:00:00Z"),
        ("2020-03", "2020-03-01T00:00:00Z"),
        ("2020", "2020-01-01T00:00:00Z"),
        ("2020-063", "2020-03-03T00:00:00Z"),
        ("2020366", "2020-12-31T00:00:00Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
    ] {
        assert_eq!(instant(text), expected, "{text}");
    }
}

#[test]
fn other_languages_are_read() {
    for (text, expected) in [
        ("mar, 3 mars 2020 04:05:06 +0100", "2020-03-03T03:05:06Z"),
        ("mar, 15 nov 2022 04:05:06 +0000", "2022-11-15T04:05:06Z"),
        ("Di, 03 Mär 2020 04:05:06 MEZ", "2020-03-03T03:05:06Z"),
        ("3 de agosto de 2020 04:05 UTC", "2020-08-03T04:05:00Z"),
        ("Вт, 03 мар 2020 04:05:06 MSK", "2020-03-03T01:05:06Z"),
        ("Τρι, 03 Μάρ 2020 04:05:06 EET", "2020-03-03T02:05:06Z"),
        ("2020-március-3T4:05+01:00", "2020-03-03T03:05:00Z"),
        ("2020년 03월 03일 04:05:06", "2020-03-02T19:05:06Z"),
        ("2020-03-03 오후 4:05:06", "2020-03-03T07:05:06Z"),
        ("03.12.2020 04:05", "2020-12-03T04:05:00Z"),
        ("25/12/2020", "2020-12-25T00:00:00Z"),
        ("12/25/2020", "2020-12-25T00:00:00Z"),
    ] {
        assert_eq!(instant(text), expected, "{text}");
    }
}

#[test]
fn a_missing_or_unknown_zone_is_flagged() {
    for (text, assumed) in [
        ("2020-03-03T04:05:06", true),
        ("2020-03-03", true),
        ("Tue, 03 Mar 2020 04:05:06 XYZ", true),
        ("Tue, 03 Mar 2020 04:05:06 K", true),
        ("Tue, 03 Mar 2020 04:05:06 America/Los_Angeles", true),
        ("Tue, 03 Mar 2020 04:05:06 Z", false),
        ("Tue, 03 Mar 2020 04:05:06 -0000", false),
    ] {
        assert_eq!(read_date(text).unwrap().zone_assumed, assumed, "{text}");
    }
}

#[test]
fn what_is_no_date_stays_unread() {
    for text in [
        "",
        "today",
        "1704067200",
        "1704067200000",
        "Tue, 03 zzz 2020 04:05:06 GMT",
        "Tue, 03 Mar zz 04:05:06 GMT",
        "Tue, 03 Mar 2020 1:2:3:4 GMT",
        "Tue, 03 Mar 2020 25:00:00 GMT",
        "Tue, 03 Mar 2020 04:05:06 +2560",
        "Tue, 03 Mar 2020 04:05:06 +zz:00",
        "2020-03-03-01",
        "2020-03-03T04:xx:00Z",
        "2020-xx-03",
        "-001-01-01",
        "03/04/2020",
        "start=2020-03-03;end=2020-03-04",
        "٢٠٢٤-01-01",
    ] {
        assert_eq!(read_date(text), Err(DateError::Unreadable), "{text}");
    }
    for text in
        ["2020-02-30", "31 Jun 2020 00:00:00 GMT", "0000-01-01", "01 Jan 99999 00:00:00 GMT", "9999-12-31T23:59:60Z"]
    {
        assert_eq!(read_date(text), Err(DateError::Range), "{text}");
    }
}

#[test]
fn a_comment_bomb_is_not_looked_at() {
    let bomb = format!("{}{}Mon, 01 Jan 2024 00:00:00 +0000", "(".repeat(50_000), ")".repeat(50_000));
    assert_eq!(read_date(&bomb), Err(DateError::Unreadable));
}
