//! [`Sequences`]: sequences of one length that shrink to short ones.
//!
//! proptest's own `vec` of a fixed length never grows shorter, and one of a variable length is half as long on average.
//! This one takes out large pieces first, which is what brings sixty steps down to three in few tries.

use proptest::strategy::{NewTree, Strategy, ValueTree};
use proptest::test_runner::TestRunner;

/// So many values of a strategy.
#[derive(Debug, Clone)]
pub(crate) struct Sequences<S> {
    /// What they are made of.
    pub(crate) of: S,
    /// How many.
    pub(crate) length: usize,
}

/// A sequence on its way to a shorter one.
#[derive(Debug)]
pub(crate) struct Shrinking<T> {
    elements: Vec<Element<T>>,
    phase: Phase,
    /// What the last try changed, to be taken back when it went too far.
    last: Option<Try>,
}

#[derive(Debug)]
struct Element<T> {
    tree: T,
    kept: bool,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    /// Pieces of that size are taken out, from that element on.
    Removing {
        size: usize,
        at: usize,
        again: bool,
    },
    /// Elements are made simpler, from that one on.
    Simplifying {
        at: usize,
    },
    Done,
}

#[derive(Debug)]
enum Try {
    Removed(Vec<usize>),
    Simplified(usize),
}

impl<S: Strategy> Strategy for Sequences<S> {
    type Tree = Shrinking<S::Tree>;
    type Value = Vec<S::Value>;

    fn new_tree(&self, runner: &mut TestRunner) -> NewTree<Self> {
        let mut elements = Vec::with_capacity(self.length);
        for _ in 0..self.length {
            elements.push(Element { tree: self.of.new_tree(runner)?, kept: true });
        }
        let phase = Phase::Removing { size: (self.length / 2).max(1), at: 0, again: false };
        Ok(Shrinking { elements, phase, last: None })
    }
}

impl<T: ValueTree> ValueTree for Shrinking<T> {
    type Value = Vec<T::Value>;

    fn current(&self) -> Self::Value {
        self.elements.iter().filter(|element| element.kept).map(|element| element.tree.current()).collect()
    }

    fn simplify(&mut self) -> bool {
        loop {
            match self.phase {
                Phase::Removing { size, at, again } => {
                    if let Some(removed) = self.piece(at, size) {
                        let next = removed.last().expect("a piece is not empty") + 1;
                        self.phase = Phase::Removing { size, at: next, again };
                        self.keep(&removed, false);
                        self.last = Some(Try::Removed(removed));
                        return true;
                    }
                    self.phase = match size {
                        1 if again => Phase::Done,
                        1 => Phase::Simplifying { at: 0 },
                        _ => Phase::Removing { size: size / 2, at: 0, again },
                    };
                }
                Phase::Simplifying { at } => {
                    let Some(element) = self.elements.get_mut(at) else {
                        // Simpler elements may need less before them.
                        self.phase = Phase::Removing { size: 1, at: 0, again: true };
                        continue;
                    };
                    if element.kept && element.tree.simplify() {
                        self.last = Some(Try::Simplified(at));
                        return true;
                    }
                    self.phase = Phase::Simplifying { at: at + 1 };
                }
                Phase::Done => return false,
            }
        }
    }

    fn complicate(&mut self) -> bool {
        match self.last.take() {
            // What was there before is known to fail: the next try follows at once.
            Some(Try::Removed(removed)) => {
                self.keep(&removed, true);
                self.simplify()
            }
            Some(Try::Simplified(at)) => {
                if self.elements[at].tree.complicate() {
                    self.last = Some(Try::Simplified(at));
                    return true;
                }
                self.phase = Phase::Simplifying { at: at + 1 };
                self.simplify()
            }
            None => false,
        }
    }
}

impl<T> Shrinking<T> {
    /// The next so many elements that are still there, from `at` on.
    fn piece(&self, at: usize, size: usize) -> Option<Vec<usize>> {
        let kept = (at..self.elements.len()).filter(|place| self.elements[*place].kept);
        Some(kept.take(size).collect::<Vec<_>>()).filter(|piece| !piece.is_empty())
    }

    fn keep(&mut self, places: &[usize], kept: bool) {
        for place in places {
            self.elements[*place].kept = kept;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::test_runner::{Config, TestError, TestRunner};

    use super::*;

    fn shrunk(fails: impl Fn(&[u32]) -> bool) -> (Vec<u32>, usize) {
        let strategy = Sequences { of: 0..1_000_u32, length: 60 };
        let tries = std::cell::Cell::new(0);
        let config = Config { failure_persistence: None, max_shrink_iters: 10_000, ..Config::default() };
        let failed = TestRunner::new(config).run(&strategy, |sequence| {
            tries.set(tries.get() + 1);
            if fails(&sequence) { Err(proptest::test_runner::TestCaseError::fail("found")) } else { Ok(()) }
        });
        let Err(TestError::Fail(_, sequence)) = failed else { panic!("nothing failed: {failed:?}") };
        (sequence, tries.get())
    }

    #[test]
    fn a_fault_of_one_step_shrinks_to_that_step_at_its_simplest() {
        let (sequence, tries) = shrunk(|sequence| sequence.iter().any(|number| *number >= 100));
        assert_eq!(sequence, [100]);
        assert!(tries < 100, "{tries}");
    }

    #[test]
    fn a_fault_of_two_steps_far_apart_keeps_both() {
        let (sequence, _) = shrunk(|sequence| {
            let large = sequence.iter().position(|number| *number >= 500);
            large.is_some_and(|place| sequence[place..].iter().any(|number| *number < 500))
        });
        assert_eq!(sequence.len(), 2);
        assert_eq!(sequence[0], 500);
    }

    #[test]
    fn a_sequence_that_always_fails_shrinks_to_nothing() {
        assert_eq!(shrunk(|_| true).0, [] as [u32; 0]);
    }
}
