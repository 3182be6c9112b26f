//! A daemon for ten minutes with half of its feeds hostile: its memory and descriptors stay as they are, and every healthy feed
//! is fetched when it is due.
#![cfg(target_os = "linux")]

use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use feedspine::core::{Feed, Schedule, StateStore, StorageBackend, Timestamp};
use feedspine::{Clock, SystemClock};
use feedspine_sqlite::SqliteStore;

use crate::site::{Reply, Site};
use crate::support::{User, list, rss, text};

const MINUTE: Duration = Duration::from_mins(1);
/// How long it takes, how long it takes to settle, and how long what is compared lasts.
const SOAK: Duration = Duration::from_mins(10);
const SETTLES: Duration = Duration::from_mins(2);
const HEALTHY: usize = 50;
const HOSTILE: usize = 50;
/// Hostile feeds are asked so often, whatever was decided of them.
const HARASSED: Duration = Duration::from_secs(20);
/// A healthy feed may be fetched so long after it is due: a tick, a turn at its host, a busy machine.
const LATE: i64 = 15_000_000;
/// What memory may be more at the end: what an allocator keeps in its pockets.
const GROWTH: u64 = 6_000_000;
/// Connections that are kept for the next request come and go.
const DESCRIPTORS: usize = 12;

/// What a hostile feed answers, by its number.
fn hostile(number: usize) -> Reply {
    match number % 8 {
        0 => Reply::status(500),
        1 => Reply::ok("neither a feed nor a page"),
        2 => Reply::ok("<rss><channel><item><title>cut in the mid"),
        3 => Reply::ok(vec![b' '; 30_000_000]),
        4 => {
            std::thread::sleep(Duration::from_secs(25));
            Reply::ok(rss(&[("late", "Late")]))
        }
        5 => Reply::status(302).with("Location", format!("/hostile/{number}")),
        6 => Reply::status(429).with("Retry-After", "1"),
        _ => Reply::ok(vec![0xFF; 100_000]).with("Content-Encoding", "gzip"),
    }
}

/// What a process takes now.
#[derive(Debug, Clone, Copy)]
struct Taken {
    at: Duration,
    bytes: u64,
    descriptors: usize,
}

fn taken(child: &Child, began: Instant) -> Taken {
    let of = format!("/proc/{}", child.id());
    let status = std::fs::read_to_string(format!("{of}/status")).expect("the daemon runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the kernel counts it");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of kB");
    let descriptors = std::fs::read_dir(format!("{of}/fd")).expect("the daemon runs").count();
    Taken { at: began.elapsed(), bytes: kib * 1_024, descriptors }
}

/// The middle one of what a process took within a minute from then on.
fn around(all: &[Taken], from: Duration) -> Taken {
    let mut within: Vec<Taken> =
        all.iter().filter(|taken| (from..from + MINUTE).contains(&taken.at)).copied().collect();
    within.sort_by_key(|taken| taken.bytes);
    let most = within.iter().map(|taken| taken.descriptors).max().expect("it was looked at");
    Taken { descriptors: most, ..within[within.len() / 2] }
}

#[test]
#[ignore = "long: cargo xtask test --long"]
fn a_daemon_among_hostile_feeds_stays_as_it_is_and_fetches_the_healthy_ones_on_time() {
    let asked = AtomicUsize::new(0);
    let healthy = Site::start_at((Ipv4Addr::new(127, 4, 0, 1), 0).into(), move |_| {
        // Now and then there is something new.
        let number = asked.fetch_add(1, Ordering::SeqCst) / 100;
        Reply::ok(rss(&[(format!("item-{number}").as_str(), "New"), ("old", "Old")]))
    });
    let user = User::new();
    let file = user.home().join("soak.db");
    let db = format!("sqlite:{}", file.display());
    let add = |name: &str, url: &str, more: &[&str]| {
        let words = ["add", url, "--as-is", "--name", name, "--allow-private", "--db", &db, "-q"];
        let added = user.run(&[&words, more].concat());
        assert_eq!(added.code, 0, "{}", added.stderr);
    };
    for number in 0..HEALTHY {
        let rhythm = ["--every", "1m", "--fixed"];
        add(&format!("healthy-{number:02}"), &healthy.url(&format!("/{number}")), &rhythm);
    }
    let mut sites = Vec::new();
    for number in 0..HOSTILE {
        let host = Ipv4Addr::new(127, 4, 1, u8::try_from(number + 1).expect("hosts fit a byte"));
        let site = Site::start_at((host, 0).into(), move |_| hostile(number));
        add(&format!("hostile-{number:02}"), &site.url(&format!("/hostile/{number}")), &[]);
        sites.push(site);
    }

    let mut command = user.command(&["watch", "--allow-private", "--db", &db]);
    let mut daemon = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the binary runs");
    let began = Instant::now();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let seen = runtime.block_on(async {
        let store = SqliteStore::new(&file);
        store.initialize().await.expect("the store opens");
        let feeds = store.feeds().await.expect("the store answers");
        let hostile: Vec<Feed> = feeds.into_iter().filter(|feed| feed.name.as_str().starts_with("hostile")).collect();
        let (mut seen, mut harassed) = (Vec::new(), Instant::now());
        while began.elapsed() < SOAK {
            tokio::time::sleep(Duration::from_secs(2)).await;
            seen.push(taken(&daemon, began));
            if harassed.elapsed() >= HARASSED {
                harassed = Instant::now();
                make_due(&store, &hostile).await;
            }
        }
        StorageBackend::close(&store).await.expect("the store closes");
        seen
    });
    let ended = Command::new("kill").args(["-TERM", &daemon.id().to_string()]).status().expect("kill runs");
    assert!(ended.success());
    let stopping = Instant::now();
    daemon.wait().expect("it was started here");
    assert!(stopping.elapsed() < Duration::from_secs(12), "{:?}", stopping.elapsed());

    let (settled, last) = (around(&seen, SETTLES), around(&seen, SOAK.saturating_sub(MINUTE)));
    assert!(last.bytes <= settled.bytes + GROWTH, "{settled:?} {last:?}");
    assert!(last.descriptors <= settled.descriptors + DESCRIPTORS, "{settled:?} {last:?}");
    for number in 0..HEALTHY {
        on_time(&user, &db, &format!("healthy-{number:02}"));
    }
}

async fn make_due(store: &SqliteStore, feeds: &[Feed]) {
    for feed in feeds {
        let held = store.schedule_of(feed.id).await.expect("the store answers");
        let Some(held) = held else { continue };
        let due = Schedule { due_at: Some(SystemClock.now()), ..held };
        store.set_schedules(&[due]).await.expect("the store takes it");
    }
}

/// Each fetch of a feed began soon after the time that the one before had decided.
fn on_time(user: &User, db: &str, feed: &str) {
    let told = user.ask(&["runs", feed, "-n", "100", "--db", db]);
    let runs = list(&told, "runs");
    assert!((8..=12).contains(&runs.len()), "{feed} was fetched {} times", runs.len());
    let instant = |run: usize, member: &str| -> Timestamp {
        text(&told, &format!("runs.{run}.{member}")).parse().expect("a time")
    };
    // The newest stands first; it may have been given up at the end.
    for run in 1..runs.len() - 1 {
        let late = instant(run, "fetch.started_at").micros_since(instant(run + 1, "next.at"));
        assert!((0..=LATE).contains(&late), "{feed}: {late} us late");
        let ended = text(&told, &format!("runs.{run}.fetch.detail.status"));
        assert!(["captured", "unchanged"].contains(&ended), "{feed}: {ended}");
    }
}
