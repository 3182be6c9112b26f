//! [`Contest`]: sequences drawn from a seed, played on all stores at once, shrunk when stores disagree.

use std::sync::atomic::{AtomicU32, Ordering};

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use crate::contestant::Arena;
use crate::operation::{self, Step};
use crate::sequence::Sequences;
use crate::stage::{Pace, Stage};

/// How long a found sequence is shrunk, in tries and in milliseconds.
const MOST_TRIES: u32 = 4_000;
const MOST_SHRINKING_MS: u32 = 180_000;

/// Between two looks at a store that is dear to read, in sequences that are not looked at closely.
const SELDOM: usize = 12;

/// How much is played.
#[derive(Debug, Clone, Copy)]
pub struct Contest {
    /// Where sequences come from: the same seed gives the same ones, whoever plays them.
    pub seed: u64,
    /// The number of the first sequence.
    pub first: u32,
    /// How many sequences.
    pub sequences: u32,
    /// How many steps each has.
    pub length: usize,
    /// Stores that are dear to read are compared after every step of one sequence in so many, and after one step in
    /// twelve of the others.
    pub closely: u32,
    /// How many are played at once.
    pub workers: usize,
}

/// Stores that do not agree, and the shortest sequence that shows it.
#[derive(Debug)]
pub struct Disagreement {
    /// The seed and number of the sequence that found it.
    pub found_by: (u64, u32),
    /// The steps that are left of it.
    pub steps: Vec<Step>,
    /// What differs after the last of them.
    pub difference: String,
}

impl std::fmt::Display for Disagreement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (seed, number) = self.found_by;
        writeln!(f, "stores disagree after these steps (found by sequence {number} of seed {seed}):")?;
        for step in &self.steps {
            writeln!(f, "  {:?} hand: {:?}", step.hand, step.operation)?;
        }
        write!(f, "{}", self.difference)
    }
}

impl Contest {
    /// Plays all sequences; each worker gets arenas of its own.
    ///
    /// # Errors
    /// The first disagreement that was found.
    pub fn run(&self, arenas: impl Fn() -> Vec<Box<dyn Arena>> + Sync) -> Result<(), Box<Disagreement>> {
        let next = AtomicU32::new(0);
        let work = || {
            let arenas = arenas();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= self.sequences {
                    return Ok(());
                }
                if let Err(found) = self.play(self.first + number, &arenas) {
                    next.store(self.sequences, Ordering::Relaxed);
                    return Err(found);
                }
            }
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..self.workers).map(|_| scope.spawn(work)).collect();
            let ended = workers.into_iter().map(|worker| worker.join().expect("a worker does not panic"));
            ended.fold(Ok(()), Result::and)
        })
    }

    /// Plays the sequence of that number.
    fn play(&self, number: u32, arenas: &[Box<dyn Arena>]) -> Result<(), Box<Disagreement>> {
        let looked_at_closely = number.is_multiple_of(self.closely);
        let pace = if looked_at_closely { Pace::EveryStep } else { Pace::OneStepIn(SELDOM) };
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed.to_le_bytes());
        seed[8..12].copy_from_slice(&number.to_le_bytes());
        let config = Config {
            failure_persistence: None,
            cases: 1,
            max_shrink_iters: MOST_TRIES,
            max_shrink_time: MOST_SHRINKING_MS,
            ..Config::default()
        };
        let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed));
        let sequences = Sequences { of: operation::step(), length: self.length };
        let played = runner.run(&sequences, |steps| play(&steps, arenas, pace).map_err(TestCaseError::fail));
        let (difference, steps) = match played {
            Ok(()) => return Ok(()),
            Err(TestError::Fail(difference, steps)) => (difference.message().to_owned(), steps),
            Err(TestError::Abort(reason)) => (reason.message().to_owned(), Vec::new()),
        };
        Err(Box::new(Disagreement { found_by: (self.seed, number), steps, difference }))
    }
}

/// Plays these steps on empty stores.
///
/// # Errors
/// What differs, and where.
pub fn play(steps: &[Step], arenas: &[Box<dyn Arena>], pace: Pace) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    runtime.block_on(async {
        let mut stage = Stage::new(arenas, pace).await?;
        for (number, step) in steps.iter().enumerate() {
            let done = stage.step(step).await;
            done.map_err(|what| {
                format!("at step {} ({:?} hand: {:?}):\n{what}", number + 1, step.hand, step.operation)
            })?;
        }
        stage.end().await
    })
}
