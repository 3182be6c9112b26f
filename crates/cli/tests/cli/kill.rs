//! kill -9 at random moments of a collect into SQLite: the store opens, nothing that was reported is lost, and a rerun
//! ends where an undisturbed run ends.

mod held;

use std::fmt::Write;
use std::fs;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::site::{Asked, Reply, Site};
use crate::support::User;
use held::Held;

const FEEDS: usize = 40;
const ITEMS: usize = 10;
/// How often the collect is killed at least, and how often between its first write and its report.
const KILLS: usize = 50;
const KILLS_IN_WINDOW: usize = 30;
/// Where it gives up hitting the window.
const MOST_KILLS: usize = 150;
const SEED: u64 = 0x9E37_79B9_7F4A_7C15;
const SIGKILL: i32 = 9;

/// What came of a collect that was to be killed.
struct Killed {
    /// It had written something when it died.
    wrote: bool,
    /// It ended by itself before it could be killed.
    ended: bool,
    /// The rows that it had reported.
    rows: Vec<String>,
}

impl Killed {
    /// It died between its first write and its report.
    fn in_window(&self) -> bool {
        let reported = self.rows.iter().any(|row| row.starts_with(&format!("{FEEDS} feeds")));
        self.wrote && !self.ended && !reported
    }
}

#[test]
fn kill_9_at_fifty_random_moments_of_a_collect_loses_nothing() {
    let seed = std::env::var("FEEDSPINE_KILL_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(SEED);
    let mut random = Random(seed);
    let turn = Arc::new(AtomicUsize::new(0));
    let site = Site::start({
        let turn = Arc::clone(&turn);
        move |asked| answer(asked, turn.load(Ordering::SeqCst))
    });
    let user = User::new();
    let template = user.home().join("template.db");
    for feed in 0..FEEDS {
        let url = site.url(&format!("/{feed}"));
        let (name, db) = (format!("feed-{feed:02}"), db(&template));
        let ran = user.run(&["add", &url, "--as-is", "--name", &name, "--allow-private", "--db", &db]);
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    collect(&user, &template);
    turn.store(1, Ordering::SeqCst);

    let calm = copy(&template, "calm.db");
    let window = time_window(&user, &calm);
    collect(&user, &calm);
    let calm = Held::of(&calm);
    assert_eq!(calm.rounds(), 3 * FEEDS);

    let (mut kills, mut in_window, mut rows_held) = (0, 0, 0);
    while kills < MOST_KILLS && (kills < KILLS || in_window < KILLS_IN_WINDOW) {
        let store = copy(&template, "disturbed.db");
        // Some die while they begin, most at any moment of their work.
        let after_first_write = kills % 8 != 7;
        let killed = kill_at(&user, &store, after_first_write, random.below(window));
        if killed.ended {
            continue;
        }
        kills += 1;
        in_window += usize::from(killed.in_window());
        let held = Held::of(&store);
        for row in &killed.rows {
            rows_held += usize::from(held.holds(row));
        }
        collect(&user, &store);
        Held::of(&store).assert_ends_like(&calm);
    }
    println!(
        "killed {kills} times (FEEDSPINE_KILL_SEED={seed}): {in_window} between the first write and the report, which \
         are {window:?} apart undisturbed; all of {rows_held} rows reported before a kill were held"
    );
    assert!(kills >= KILLS && in_window >= KILLS_IN_WINDOW, "{in_window} of {kills} kills hit the window");
}

/// Three of four feeds get an item, edit one and take one down; the fourth has nothing new.
fn answer(asked: &Asked, turn: usize) -> Reply {
    let feed: usize = asked.path.trim_start_matches('/').parse().unwrap_or(0);
    let turn = if feed.is_multiple_of(4) { 0 } else { turn };
    let etag = format!("\"{feed}-{turn}\"");
    if asked.if_none_match.as_ref() == Some(&etag) {
        return Reply::status(304);
    }
    let mut items: Vec<(usize, &str)> = (0..ITEMS).map(|item| (item, "as it was")).collect();
    if turn > 0 {
        items[3].1 = "edited";
        items.remove(5);
        items.push((ITEMS, "new"));
    }
    let mut text = String::from("<rss version=\"2.0\"><channel><title>T</title>");
    for (item, words) in items.iter().rev() {
        let day = item + 1;
        write!(
            text,
            "<item><guid isPermaLink=\"false\">{item}</guid><title>Item {item} of feed {feed}</title>\
             <description>{words}</description><pubDate>{day:02} Feb 2026 12:00:00 GMT</pubDate></item>"
        )
        .expect("a string takes all");
    }
    Reply::ok(text + "</channel></rss>").with("ETag", etag)
}

fn db(path: &Path) -> String {
    format!("sqlite:{}", path.display())
}

/// A copy of a store that is closed, without what an earlier copy of that name left.
fn copy(template: &Path, name: &str) -> PathBuf {
    let path = template.with_file_name(name);
    for ending in ["-wal", "-shm"] {
        fs::remove_file(beside(&path, ending)).ok();
        assert!(!beside(template, ending).exists(), "the template is not closed");
    }
    fs::copy(template, &path).expect("the store can be copied");
    path
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn collect(user: &User, store: &Path) {
    let output = command(user, store).output().expect("the binary runs");
    assert!(output.status.success(), "{output:?}");
}

fn command(user: &User, store: &Path) -> Command {
    let mut command = user.command(&["collect", "--db", &db(store)]);
    // Many at once: more of them are half done when the kill comes.
    command.env("FEEDSPINE_FETCH_HOST_IN_FLIGHT", "8");
    command
}

/// How long an undisturbed collect takes from its first write to its end.
fn time_window(user: &User, store: &Path) -> Duration {
    let mut child = spawn(user, store);
    let ended = |child: &mut Child| child.try_wait().expect("the child can be asked").is_some();
    while !wrote(store) && !ended(&mut child) {
        sleep(LOOK);
    }
    let first_write = Instant::now();
    assert!(child.wait().expect("the child ends").success());
    first_write.elapsed()
}

/// How often it is looked whether something was written.
const LOOK: Duration = Duration::from_micros(100);

fn wrote(store: &Path) -> bool {
    fs::metadata(beside(store, "-wal")).is_ok_and(|log| log.len() > 0)
}

fn spawn(user: &User, store: &Path) -> Child {
    command(user, store).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the binary runs")
}

fn kill_at(user: &User, store: &Path, after_first_write: bool, wait: Duration) -> Killed {
    let mut child = spawn(user, store);
    while after_first_write && !wrote(store) && child.try_wait().expect("the child can be asked").is_none() {
        sleep(LOOK);
    }
    sleep(if after_first_write { wait } else { wait / 8 });
    child.kill().expect("the child can be killed");
    let status = child.wait().expect("the child ends");
    let mut reported = String::new();
    child.stdout.take().expect("stdout is piped").read_to_string(&mut reported).expect("stdout is UTF-8");
    // A row that is cut was not reported.
    let whole = reported.rfind('\n').map_or("", |end| &reported[..end]);
    Killed {
        wrote: wrote(store),
        ended: status.signal() != Some(SIGKILL),
        rows: whole.lines().skip(1).map(str::to_owned).collect(),
    }
}

/// xorshift64* (Vigna 2014): the same moments for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: Duration) -> Duration {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32;
        limit.mul_f64(f64::from(u32::try_from(drawn).expect("32 bits are left")) / f64::from(u32::MAX))
    }
}
