//! `feedspine serve`: a hub on loopback is asked, comes back to it, tells of new items, and is forged.

mod hub;

use std::io::{BufRead, BufReader, Lines};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use feedspine::core::{Content, Feed, Json, StateStore, StorageBackend};
use feedspine_sqlite::SqliteStore;

use crate::site::{Reply, Site};
use crate::support::{Ran, User, list, number, text};
use hub::{Answered, Hub, http, signature, tell, until, verify};

/// A document of these items, each always of the same date: what a hub tells is what the feed lists.
fn rss(items: &[(&str, &str)]) -> String {
    let item = |(guid, title): &(&str, &str)| {
        let day = guid.bytes().next().map_or(1, |letter| letter - b'a' + 1);
        format!(
            "<item><guid>{guid}</guid><title>{title}</title><pubDate>{day:02} Feb 2026 12:00:00 GMT</pubDate></item>"
        )
    };
    let items: Vec<String> = items.iter().map(item).collect();
    format!("<rss version=\"2.0\"><channel><title>Test</title>{}</channel></rss>", items.concat())
}

/// The hub is at another port than the feed, of whose own origin alone it is said that it may be private.
const HUBS_ALLOWED: &str = "[fetch]\nallow = [\"127.0.0.1/32\"]\n";

/// A feed that names a hub, and what it lists.
struct Origin {
    site: Site,
    items: Arc<Mutex<Vec<(&'static str, &'static str)>>>,
}

impl Origin {
    fn start(hub: &str) -> Self {
        let items = Arc::new(Mutex::new(vec![("a", "A")]));
        let (listed, hub) = (Arc::clone(&items), hub.to_owned());
        let site = Site::start(move |_| {
            let link = format!("<{hub}>; rel=\"hub\", </feed>; rel=\"self\"");
            Reply::ok(rss(&listed.lock().expect("nobody panicked"))).with("Link", link)
        });
        Self { site, items }
    }

    fn lists(&self, items: &[(&'static str, &'static str)]) {
        *self.items.lock().expect("nobody panicked") = items.to_vec();
    }
}

/// A server that runs beside the test.
struct Served {
    child: Child,
}

impl Served {
    /// One that hubs reach at that port, once it is ready.
    fn start(user: &User, port: u16, callback: Option<&str>) -> Self {
        let (child, mut lines) = Self::spawn(user, port, callback, &["--json"]);
        let begun = |line: &String| line.contains(r#""event":"begun""#);
        lines.by_ref().map_while(Result::ok).find(begun).expect("it begins");
        Self::keeping(user, child, lines)
    }

    /// The same, which tells people.
    fn start_for_people(user: &User, port: u16, callback: &str) -> Self {
        let listens = || std::fs::read_to_string(user.home().join("log")).unwrap_or_default();
        let before = listens().matches("listening at").count();
        let (child, lines) = Self::spawn(user, port, Some(callback), &[]);
        until(|| listens().matches("listening at").count() > before);
        Self::keeping(user, child, lines)
    }

    fn spawn(user: &User, port: u16, callback: Option<&str>, more: &[&str]) -> (Child, Lines<BufReader<ChildStdout>>) {
        let listen = format!("127.0.0.1:{port}");
        let mut command = user.command(&[&["serve", "--listen", &listen, "-vv"], more].concat());
        if let Some(callback) = callback {
            command.env("FEEDSPINE_WEBSUB_CALLBACK", callback);
        }
        command.env("FEEDSPINE_DB", db(user)).stdout(Stdio::piped());
        let log = std::fs::OpenOptions::new().create(true).append(true).open(user.home().join("log"));
        let mut child = command.stderr(log.expect("the home can be written")).spawn().expect("the binary runs");
        let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        (child, lines)
    }

    /// What it tells is in the file `told` once it has ended.
    fn keeping(user: &User, child: Child, lines: Lines<BufReader<ChildStdout>>) -> Self {
        let home = user.home().to_owned();
        std::thread::spawn(move || {
            let told: Vec<String> = lines.map_while(Result::ok).collect();
            std::fs::write(home.join("told"), told.join("\n")).ok();
        });
        Self { child }
    }

    /// Asks it to end; it does so at once, as nothing is under way.
    fn stop(mut self) {
        let began = Instant::now();
        let signalled = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(signalled.expect("kill runs").success());
        assert!(self.child.wait().expect("it was started here").success());
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // One that is gone already was stopped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn db(user: &User) -> String {
    format!("sqlite:{}", user.home().join("feeds.db").display())
}

fn ask(user: &User, words: &[&str]) -> Json {
    user.ask(&[words, &["--db", &db(user)]].concat())
}

fn run(user: &User, words: &[&str]) -> Ran {
    let ran = user.run(&[words, &["--db", &db(user)]].concat());
    assert_eq!(ran.code, 0, "{words:?}: {ran:?}");
    ran
}

fn state(user: &User) -> String {
    text(&ask(user, &["websub", "news"]), "feeds.0.state").to_owned()
}

fn items(user: &User) -> usize {
    list(&ask(user, &["list"]), "items").len()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has ports");
    listener.local_addr().expect("it is bound").port()
}

/// Changes what is kept of the feed, while nobody else does.
fn rewrite(user: &User, change: impl Fn(&str) -> String) {
    let store = SqliteStore::new(user.home().join("feeds.db"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        store.initialize().await.expect("the store opens");
        let held = store.feeds().await.expect("the store answers").remove(0);
        let settings = Content::parse(&change(held.settings.as_str())).expect("it is JSON");
        let feed = Feed { settings, ..held.clone() };
        assert!(store.replace_feed(&held, &feed).await.expect("the store takes it"));
        StorageBackend::close(&store).await.expect("the store closes");
    });
}

#[test]
fn a_hub_tells_of_new_items_and_nobody_else_does() {
    let (user, hub, port) = (User::new(), Hub::start(), free_port());
    let origin = Origin::start(&hub.url());
    let feed = origin.site.url("/feed");
    run(&user, &["add", &feed, "--name", "news", "--allow-private", "--as-is"]);
    let (own, public) = (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{port}/base"));
    // All commands are configured alike, as those of one user are.
    user.file(".config/feedspine/config.toml", format!("{HUBS_ALLOWED}[websub]\ncallback = \"{public}\"\n"));
    let served = Served::start(&user, port, None);
    let form = hub.form(1);
    until(|| state(&user) == "verified");
    assert_eq!((form["hub.mode"].as_str(), form["hub.topic"].as_str()), ("subscribe", feed.as_str()));
    assert!(form["hub.callback"].starts_with(&format!("{public}/websub/")), "{form:?}");

    // Nobody else is told anything.
    let nobody = Answered { status: 404, body: String::new() };
    assert_eq!(verify(&form, "http://127.0.0.1/other"), nobody);
    let stranger = format!("{own}/websub/{}", "0".repeat(64));
    assert_eq!(http("POST", &stranger, &[], b"x").status, 410);
    assert_eq!(http("GET", &format!("{stranger}?hub.mode=subscribe&hub.challenge=x"), &[], b"").status, 404);
    assert_eq!(http("DELETE", &form["hub.callback"], &[], b"").status, 405);
    let health = http("GET", &format!("{own}/health"), &[], b"");
    let green = r#"{"counts":{"amber":0,"green":1,"red":0},"light":"green"}"#;
    assert_eq!((health.status, health.body.trim()), (200, green));

    // What was not signed with the secret is not taken, whatever it says.
    let document = rss(&[("b", "B")]);
    let forged = signature("another secret", &document);
    for headers in [&[][..], &[("X-Hub-Signature", forged.as_str())], &[("X-Hub-Signature", "sha256=")]] {
        assert_eq!(http("POST", &form["hub.callback"], headers, document.as_bytes()).status, 202);
    }
    assert_eq!((items(&user), number(&ask(&user, &["websub"]), "feeds.0.forged")), (1, 3));

    // What the hub tells is stored once, though it is told again and found later.
    assert_eq!(tell(&form, &document).status, 202);
    assert_eq!(items(&user), 2);
    assert_eq!(tell(&form, &document).status, 202);
    origin.lists(&[("b", "B"), ("a", "A")]);
    let collected = ask(&user, &["collect", "news"]);
    assert_eq!((number(&collected, "counts.new"), number(&collected, "counts.changed")), (0, 0));
    assert_eq!(number(&collected, "counts.withdrawn") + number(&collected, "counts.gaps"), 0);
    let explained = text(&ask(&user, &["explain", "news"]), "next.why").to_owned();
    assert!(explained.contains("a hub tells of what is new: it is asked after 24 h, as a backup"), "{explained}");
    // What it was late for is known too.
    origin.lists(&[("c", "C"), ("b", "B"), ("a", "A")]);
    assert_eq!(number(&ask(&user, &["collect", "news"]), "counts.new"), 1);
    assert_eq!(tell(&form, &rss(&[("c", "C")])).status, 202);
    let websub = ask(&user, &["websub"]);
    let tally = ["announced", "found", "near_misses", "deliveries"];
    let tally = tally.map(|figure| number(&websub, &format!("feeds.0.tally.{figure}")));
    assert_eq!((tally, number(&websub, "feeds.0.repeated")), ([1, 1, 1, 2], 1));
    for words in [&["show", "b"][..], &["history", "b"]] {
        let shown = run(&user, words).stdout;
        assert!(shown.contains(&format!("pushed by {}", hub.url())), "{shown}");
    }
    assert_eq!(text(&ask(&user, &["show", "b"]), "pushed.hub"), hub.url());
    assert_eq!(text(&ask(&user, &["runs"]), "runs.0.pushed.hub"), hub.url());
    assert_eq!(text(&ask(&user, &["runs"]), "runs.0.fetch.detail.status"), "captured");
    let bytes = text(&ask(&user, &["runs"]), "runs.0.captured.body").to_owned();
    assert_eq!(bytes.len(), 64, "the body is kept");

    // What was pushed is read again and checked as anything else is.
    let replayed = ask(&user, &["replay", "news"]);
    assert_eq!(replayed.get("counts").map(ToString::to_string).as_deref(), Some(r#"{"same":8}"#));
    run(&user, &["db", "verify"]);

    // A word that there is something makes it due.
    let due = |user: &User| text(&ask(user, &["explain", "news"]), "next.at").to_owned();
    let before = due(&user);
    assert_eq!(tell(&form, "there is something new").status, 202);
    assert!(due(&user) < before, "{before} {}", due(&user));
    served.stop();

    // Nobody may read what the hub signs with, or where it tells.
    let secrets = [form["hub.secret"].clone(), form["hub.callback"].rsplit('/').next().unwrap_or_default().to_owned()];
    let mut shown = vec![std::fs::read_to_string(user.home().join("log")).expect("there is a log")];
    until(|| user.home().join("told").exists());
    let told = std::fs::read_to_string(user.home().join("told")).expect("there is one");
    // What was stored has a line each, and nothing else that was told.
    let pushed = told.lines().filter(|line| line.contains(r#""event":"pushed""#)).map(|line| {
        let pushed = Json::parse(line).expect("a line is one document");
        (text(&pushed, "feed").to_owned(), text(&pushed, "outcome").to_owned(), number(&pushed, "counts.new"))
    });
    let of_news = |new| ("news".to_owned(), "captured".to_owned(), new);
    assert_eq!(pushed.collect::<Vec<_>>(), [of_news(1), of_news(0)]);
    shown.push(told);
    for words in [&["feed", "show", "news"][..], &["feed", "list"], &["websub"], &["runs"], &["explain", "news"]] {
        shown.push(run(&user, words).stdout);
        shown.push(ask(&user, words).to_canonical());
    }
    for shown in shown {
        assert!(!secrets.iter().any(|secret| shown.contains(secret)), "{shown}");
    }
}

#[test]
fn a_subscription_outlives_its_process_is_renewed_denied_and_ended() {
    let (user, hub, port) = (User::new(), Hub::start(), free_port());
    let origin = Origin::start(&hub.url());
    let feed = origin.site.url("/feed");
    run(&user, &["add", &feed, "--name", "news", "--allow-private", "--as-is"]);
    user.file(".config/feedspine/config.toml", HUBS_ALLOWED);
    let public = format!("http://127.0.0.1:{port}");
    let served = Served::start(&user, port, Some(&public));
    let form = hub.form(1);
    until(|| state(&user) == "verified");
    served.stop();

    let served = Served::start_for_people(&user, port, &public);
    assert_eq!(tell(&form, &rss(&[("b", "B")])).status, 202);
    assert_eq!((items(&user), hub.forms().len(), state(&user).as_str()), (2, 1, "verified"));
    served.stop();
    let told = || std::fs::read_to_string(user.home().join("told")).unwrap_or_default();
    until(|| told().contains("news captured, 1 new; pushed by its hub"));

    // Its lease is nearly over.
    let until_at = text(&ask(&user, &["websub"]), "feeds.0.until").to_owned();
    let soon = text(&ask(&user, &["runs"]), "runs.0.fetch.started_at").to_owned();
    let soon = soon.parse::<feedspine::core::Timestamp>().expect("a time").saturating_add_micros(300_000_000);
    rewrite(&user, |settings| {
        let (before, lease) = settings.split_once(r#""lease":{"#).expect("there is a lease");
        let (_, behind) = lease.split_once('}').expect("it ends");
        format!(r#"{before}"lease":{{"since":"2026-01-01T00:00:00Z","until":"{soon}"}}{behind}"#)
    });
    let served = Served::start(&user, port, Some(&public));
    let renewed = hub.form(2);
    assert_eq!(renewed, form);
    until(|| *text(&ask(&user, &["websub"]), "feeds.0.until") > *until_at);
    assert_eq!(tell(&form, &rss(&[("c", "C")])).status, 202);
    assert_eq!(items(&user), 3);

    // Of another topic nobody can be denied.
    let denial = |topic: &str| format!("{}?hub.mode=denied&hub.topic={topic}&hub.reason=enough", form["hub.callback"]);
    assert_eq!(http("GET", &denial("http://127.0.0.1/other"), &[], b"").status, 404);
    assert_eq!(state(&user), "verified");
    assert_eq!(http("GET", &denial(&feed), &[], b"").status, 200);
    assert_eq!(state(&user), "denied");
    assert_eq!(text(&ask(&user, &["websub"]), "feeds.0.why"), "the hub denied it: enough");
    assert_eq!(tell(&form, &rss(&[("d", "D")])).status, 410);
    served.stop();

    // A day later it is asked anew, under another address; and no more once the feed is paused.
    let again_at = text(&ask(&user, &["websub"]), "feeds.0.again_at").to_owned();
    rewrite(&user, |settings| settings.replace(&again_at, "2026-01-01T00:00:00Z"));
    let served = Served::start(&user, port, Some(&public));
    let anew = hub.form(3);
    assert!(anew["hub.callback"] != form["hub.callback"] && anew["hub.secret"] != form["hub.secret"]);
    until(|| state(&user) == "verified");
    run(&user, &["feed", "pause", "news"]);
    let ended = hub.form(4);
    assert_eq!((ended["hub.mode"].as_str(), &ended["hub.callback"]), ("unsubscribe", &anew["hub.callback"]));
    until(|| state(&user) == "unwanted");
    assert_eq!(tell(&anew, &rss(&[("e", "E")])).status, 410);
    assert_eq!(items(&user), 3);
    served.stop();
}

#[test]
fn hubs_are_asked_only_where_that_is_wanted_and_allowed() {
    let (user, port) = (User::new(), free_port());
    // The feed may be at a private address; what it names may not.
    let hub = Hub::start_at(Ipv4Addr::new(127, 0, 0, 9));
    let origin = Origin::start(&hub.url());
    run(&user, &["add", &origin.site.url("/feed"), "--name", "news", "--allow-private", "--as-is"]);
    let served = Served::start(&user, port, None);
    until(|| list(&ask(&user, &["websub"]), "feeds").len() == 1);
    assert_eq!(state(&user), "noticed");
    let told = run(&user, &["websub"]);
    assert!(told.stderr.contains("websub.callback"), "{told:?}");
    served.stop();

    let public = format!("http://127.0.0.1:{port}");
    let served = Served::start(&user, port, Some(&public));
    until(|| state(&user) == "failed");
    let why = text(&ask(&user, &["websub"]), "feeds.0.why").to_owned();
    assert!(why.contains("127.0.0.9 is a private address"), "{why}");
    served.stop();
    run(&user, &["feed", "set", "news", "websub=false"]);
    assert_eq!(state(&user), "unwanted");
    assert_eq!(hub.forms(), Vec::new());
    let refused = user.run(&["feed", "set", "news", "websub=perhaps", "--db", &db(&user)]);
    assert_eq!(refused.code, 2, "{refused:?}");
}
