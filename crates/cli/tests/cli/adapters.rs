//! The commands of `docs/guides/adapters.md`, over the samples in `examples/feeds`.

use std::path::Path;
use std::process::Command;

use crate::support::{Ran, User, list, number, text};

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the crate is two folders below the top")
}

/// The lines of the guide that are commands.
fn commands(guide: &str) -> impl Iterator<Item = &str> {
    guide.lines().filter_map(|line| line.strip_prefix("    ")).filter(|line| line.starts_with("feedspine "))
}

#[test]
fn every_command_of_the_guide_does_what_it_says() {
    let guide = std::fs::read_to_string(top().join("docs/guides/adapters.md")).unwrap();
    let user = User::new();
    // What is no sample is added and never asked.
    let (samples, others): (Vec<&str>, Vec<&str>) = commands(&guide).partition(|line| !line.contains("https://"));
    // All are added before one of them is collected.
    let (adds, rest): (Vec<&str>, Vec<&str>) = samples.into_iter().partition(|line| line.starts_with("feedspine add "));
    for line in others.iter().chain(&adds).chain(&rest) {
        let mut shell = Command::new("sh");
        user.settle(&mut shell);
        let binary = Path::new(env!("CARGO_BIN_EXE_feedspine")).parent().unwrap();
        let path = std::env::join_paths([binary, Path::new("/usr/bin"), Path::new("/bin")]).unwrap();
        let line =
            if *line == "feedspine collect" { "feedspine collect releases log prices samples files" } else { line };
        let ran = Ran::of(&shell.args(["-c", line]).env("PATH", path).current_dir(top()).output().unwrap());
        assert_eq!(ran.code, 0, "{line}: {ran:?}");
    }
    let releases = user.ask(&["list", "--where", "namespace=releases", "--order", "-key"]);
    let keys: Vec<&str> = list(&releases, "items").iter().map(|record| text(record, "key")).collect();
    assert_eq!(keys, ["v1.2.0", "v1.1.0"]);
    assert_eq!(text(&releases, "items.0.published"), "2026-11-24T12:00:00Z");
    assert_eq!(list(&user.ask(&["list", "--where", "namespace=log"]), "items").len(), 2);
    let prices = user.ask(&["list", "--where", "namespace=prices", "--order", "key"]);
    assert_eq!(text(&prices, "items.0.key"), r#"["ACME","23.11.2026"]"#);
    assert_eq!(text(&prices, "items.0.published"), "2026-11-23T00:00:00Z");
    let samples = user.ask(&["list", "--where", "namespace=samples", "--order", "key"]);
    assert_eq!((text(&samples, "items.0.key"), text(&samples, "items.1.key")), ("prices.csv", "releases.json"));
    assert!(text(&samples, "items.0.content.text").starts_with("symbol;day;close"), "{samples}");
    let rates = user.ask(&["list", "--where", "namespace=rates", "--order", "-key"]);
    assert_eq!((list(&rates, "items").len(), text(&rates, "items.0.key")), (6, r#"["rates","2","USD"]"#));
    let files = user.ask(&["list", "--where", "namespace=files", "--order", "key"]);
    let (listed, read) = (text(&files, "items.1.content.checksum"), text(&samples, "items.0.content.sha256"));
    assert_eq!((text(&files, "items.1.key"), listed), ("prices.csv", read), "SHA256SUMS is that of the samples");
    let filings = user.ask(&["list", "--where", "namespace=sec", "--order", "key"]);
    let keys: Vec<&str> = list(&filings, "items").iter().map(|record| text(record, "key")).collect();
    assert_eq!(keys, ["0009000007-26-000012", "0009000008-26-000003", "0009000009-26-000041"]);
    let seen = user.ask(&["sightings", "0009000009-26-000041"]);
    let shown =
        |place: usize| (text(&seen, &format!("items.{place}.feed")), number(&seen, &format!("items.{place}.version")));
    // The index names the parties that the current filings name.
    assert_eq!([shown(0), shown(1), shown(2)], [("current", 1), ("lighthouse", 2), ("index", 1)]);
    let orders = user.ask(&["list", "--where", "namespace=orders", "--order", "key"]);
    assert_eq!((text(&orders, "items.0.key"), number(&orders, "items.0.version")), ("B-101", 2));
    let shown = user.run(&["feed", "show", "releases"]);
    assert!(shown.stdout.contains("json  dates=epoch_s  items=data.releases  key=tag"), "{shown:?}");
}

#[test]
fn an_option_that_is_not_known_is_refused_with_the_nearest() {
    let user = User::new();
    let ran = user.run(&["add", "https://api.example/", "--adapter", "json", "--option", "itms=$.a"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran:?}");
    assert!(ran.stderr.contains("no option itms") && ran.stderr.contains("did you mean items?"), "{ran:?}");
}
