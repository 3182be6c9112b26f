//! Whole worlds in little time: daemons that share a store, hosts that behave as hosts do, and faults everywhere, on a clock
//! that moves when all wait. A seed is a world: the same one goes the same way each time.
//!
//! `FEEDSPINE_SEED=N cargo test -p feedspine --lib simulation` plays one world again, `FEEDSPINE_SEEDS=N` plays that many.

mod faults;
mod judge;
mod random;
mod world;

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use feedspine_core::{HolderId, MemoryStore, StateStore, StorageBackend};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::ops::{AddFeed, Watch, WatchReport};
use crate::schedule::Bounds;
use crate::{Engine, HostRate, OpError, Settings};
use faults::{Faults, Faulty};
use random::Random;
use world::{DaemonWire, World};

thread_local! {
    static HERE: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is a simulated world.
pub(crate) fn is_here() -> bool {
    HERE.get()
}

const LEASE: Duration = Duration::from_secs(90);
const TICK: Duration = Duration::from_secs(20);
/// How often feeds are fetched: that they meet what happens.
const EVERY: &str = "2m";
/// How long things happen, and how long all is well then.
const TROUBLED: Duration = Duration::from_hours(2);
const CALM: Duration = Duration::from_mins(40);
/// Worlds that are played each time.
const SEEDS: u64 = 1_000;

/// A daemon of the world; another takes its place when it dies.
struct Daemon {
    number: usize,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<WatchReport, OpError>>,
    faults: Arc<Faults>,
}

/// One world, from its seed to its end.
struct Play {
    world: Arc<World>,
    store: Arc<MemoryStore>,
    random: Random,
    daemons: Vec<Daemon>,
    born: usize,
}

impl Play {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let world = Arc::new(World::new(&mut random));
        Self { world, store: Arc::new(MemoryStore::new()), random, daemons: Vec::new(), born: 0 }
    }

    fn settings(&mut self) -> Settings {
        Settings {
            host_rate: HostRate { in_flight: 2, interval: Duration::from_secs(1) },
            clock: self.world.clone(),
            chance: Arc::new(random::Seeded::new(self.random.number())),
            schedule: Bounds { default_every: EVERY.parse().expect("an interval"), ..Bounds::default() },
            ..Settings::default()
        }
    }

    async fn add_feeds(&mut self) {
        let settings = self.settings();
        let engine = Engine::open(self.store.clone(), self.store.clone(), settings).await.expect("memory opens");
        for address in self.world.addresses() {
            engine.add(AddFeed::new(address)).await.expect("each address is new");
        }
    }

    async fn start_daemon(&mut self) {
        self.born += 1;
        let number = self.born;
        let faults = Arc::new(Faults::new(self.random.number()));
        let store = Arc::new(Faulty::new(self.store.clone(), Arc::clone(&faults), number.is_multiple_of(2)));
        let storage: Arc<dyn StorageBackend> = store.clone();
        let state: Arc<dyn StateStore> = store;
        let settings = self.settings();
        let engine = Engine::open(storage, state, settings).await.expect("no fault hits an opening");
        engine.fetcher().ask_of(Arc::new(DaemonWire::new(Arc::clone(&self.world), Arc::clone(&faults), number)));
        let (stop, stopped) = oneshot::channel();
        let holder = HolderId(format!("daemon {number}"));
        let request = Watch { lease: LEASE, tick: TICK, ..Watch::new(holder) };
        let task =
            tokio::spawn(async move { engine.watch(&request, &|_| {}, async move { drop(stopped.await) }).await });
        self.daemons.push(Daemon { number, stop: Some(stop), task, faults });
    }

    /// Lets things happen to daemons, hosts and the store.
    async fn trouble(&mut self) {
        let mut left = TROUBLED;
        while !left.is_zero() {
            let wait = Duration::from_secs(self.random.within(5..300)).min(left);
            sleep(wait).await;
            left -= wait;
            match self.random.within(0..10) {
                0 => self.kill().await,
                1 | 2 => self.stop_one().await,
                3..6 => self.freeze(),
                6 => self.world.jump(&mut self.random),
                7 => self.world.cut_network(Duration::from_secs(self.random.within(60..600))),
                8 => self.store_trouble(),
                _ => {}
            }
        }
    }

    async fn kill(&mut self) {
        let at = self.random.index(self.daemons.len());
        let daemon = self.daemons.swap_remove(at);
        daemon.task.abort();
        // What it had under way is gone with it.
        let _ = daemon.task.await;
        self.world.killed(daemon.number);
        self.start_daemon().await;
    }

    async fn stop_one(&mut self) {
        let at = self.random.index(self.daemons.len());
        let daemon = self.daemons.swap_remove(at);
        stop(daemon).await;
        self.start_daemon().await;
    }

    /// One stands still for longer than its leases last, as on SIGSTOP.
    fn freeze(&mut self) {
        let span = Duration::from_secs(self.random.within(20..300));
        let at = self.random.index(self.daemons.len());
        self.daemons[at].faults.freeze(span);
    }

    fn store_trouble(&mut self) {
        let span = Duration::from_secs(self.random.within(10..300));
        let one_in = self.random.within(2..40);
        self.daemons.iter().for_each(|daemon| daemon.faults.fail_one_in(one_in, span));
    }

    async fn play(&mut self) {
        self.add_feeds().await;
        for _ in 0..self.random.within(1..5) {
            self.start_daemon().await;
        }
        self.trouble().await;
        self.world.calm_down();
        self.daemons.iter().for_each(|daemon| daemon.faults.end());
        sleep(CALM).await;
    }

    async fn end(&mut self) {
        for daemon in std::mem::take(&mut self.daemons) {
            stop(daemon).await;
        }
    }
}

async fn stop(mut daemon: Daemon) {
    if let Some(stop) = daemon.stop.take() {
        let _ = stop.send(());
    }
    // One that the store failed has said so; another takes its place.
    let _ = daemon.task.await.expect("no daemon panics");
}

/// Plays a world; what went wrong, if anything did, and the story of it.
fn play(seed: u64) -> (Result<(), String>, String) {
    HERE.set(true);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let told = runtime.expect("a runtime").block_on(async {
        let mut play = Play::new(seed);
        play.play().await;
        let judged = judge::judge(&play.world, &play.store).await;
        play.end().await;
        (judged, play.world.story())
    });
    HERE.set(false);
    told
}

fn number_in(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}

/// Plays every second world from that one on, so that two tests play all of them side by side.
fn play_all(from: u64) {
    let seeds = match number_in("FEEDSPINE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number_in("FEEDSPINE_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds.filter(|seed| seed % 2 == from) {
        let (judged, story) = play(seed);
        if let Err(broken) = judged {
            panic!("{broken}\nFEEDSPINE_SEED={seed} plays it again\n{story}");
        }
    }
}

#[test]
fn whatever_happens_hosts_are_spared_and_nothing_is_lost_or_doubled() {
    play_all(0);
}

#[test]
fn whatever_else_happens_hosts_are_spared_and_nothing_is_lost_or_doubled() {
    play_all(1);
}

#[test]
fn a_seed_is_a_world() {
    for seed in 0..5 {
        assert_eq!(play(seed), play(seed), "seed {seed}");
    }
}
