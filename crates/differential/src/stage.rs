//! [`Stage`]: all stores of one sequence, and how they are compared.

use feedspine_core::{NaturalKey, RecordName, Result, StorageBackend, StorageError};
use feedspine_testkit::Failure;
use feedspine_testkit::storage::calls::{Call, Holdings, Scope, events, exported, first_difference, follow, happened};

use crate::contestant::{Arena, Contestant, Followed, Reference};
use crate::operation::{Hand, Operation, Step};
use crate::teller::Teller;

/// What the memory backend is called in a disagreement.
const REFERENCE: &str = "the reference";

/// After which steps the stores are compared that are dear to read. All others are after every step, and all of them
/// wholly at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Each.
    EveryStep,
    /// One of so many.
    OneStepIn(usize),
}

impl Pace {
    fn looks(self, is_dear: bool, taken: usize) -> bool {
        match self {
            Self::OneStepIn(steps) if is_dear => taken.is_multiple_of(steps),
            _ => true,
        }
    }
}

/// All stores, which hold the same.
pub(crate) struct Stage<'a> {
    teller: Teller,
    reference: Reference,
    contestants: Vec<Contestant<'a>>,
    /// How many steps were taken.
    taken: usize,
    pace: Pace,
}

impl<'a> Stage<'a> {
    pub(crate) async fn new(arenas: &'a [Box<dyn Arena>], pace: Pace) -> Result<Self, String> {
        let mut contestants = Vec::new();
        for arena in arenas {
            contestants.push(Contestant::new(&**arena).await.map_err(|error| told(arena.name(), &error))?);
        }
        let reference = Reference::new().await.map_err(|error| told(REFERENCE, &error))?;
        Ok(Self { teller: Teller::default(), reference, contestants, taken: 0, pace })
    }

    /// Does a step to all stores and compares what they answer and hold.
    pub(crate) async fn step(&mut self, step: &Step) -> Result<(), String> {
        self.taken += 1;
        let calls = self.teller.calls(&step.operation, &self.reference.store).await;
        let calls = calls.map_err(|error| told(REFERENCE, &error))?;
        for call in &calls {
            let right = call.make(&self.reference.store).await;
            for contestant in &mut self.contestants {
                let name = contestant.name();
                let store = contestant.hand(step.hand).await.map_err(|error| told(name, &error))?;
                let found = call.make(&*store).await;
                contestant.named.extend(named(call));
                if found != right {
                    return Err(format!("{name} answers {call:#?}\n  with: {found:?}\n  not:  {right:?}"));
                }
            }
        }
        match &step.operation {
            Operation::Reopen(farewell) => {
                for contestant in &mut self.contestants {
                    let name = contestant.name();
                    contestant.reopen(step.hand, *farewell).await.map_err(|error| told(name, &error))?;
                }
            }
            Operation::Ask(question) => {
                self.reference.walk.ask(question);
                self.contestants.iter_mut().for_each(|contestant| contestant.walk.ask(question));
                return self.look_on(step).await;
            }
            Operation::NextPage => return self.look_on(step).await,
            _ => {}
        }
        self.compare(step.hand).await
    }

    /// Reads the next page of the last question.
    async fn look_on(&mut self, step: &Step) -> Result<(), String> {
        let right = self.reference.walk.next(&self.reference.store).await;
        for contestant in &mut self.contestants {
            let name = contestant.name();
            let store = contestant.hand(step.hand).await.map_err(|error| told(name, &error))?;
            let found = contestant.walk.next(&*store).await;
            if found != right {
                return Err(format!("{name} answers\n  with: {found:#?}\n  not:  {right:#?}"));
            }
        }
        Ok(())
    }

    /// Compares what each store holds that it is time to look at.
    async fn compare(&mut self, hand: Hand) -> Result<(), String> {
        let right = self.reference.holdings(&self.teller.scope()).await?;
        let (taken, pace) = (self.taken, self.pace);
        for contestant in self.contestants.iter_mut().filter(|contestant| pace.looks(contestant.is_dear(), taken)) {
            let name = contestant.name();
            let store = contestant.hand(hand).await.map_err(|error| told(name, &error))?;
            let changed = contestant.changed(&right);
            let found = changed.read(&*store).await.map_err(unread(name))?;
            let difference = match found.difference(&right.within(&changed)) {
                None => self.reference.compare(contestant, &*store).await?,
                different => different,
            };
            if let Some(difference) = difference {
                return Err(format!("{name} holds something else: {difference}"));
            }
            contestant.held = right.clone();
            contestant.named.clear();
        }
        Ok(())
    }

    /// Compares everything that the contract lets one read, the change log from its beginning, and closes the stores.
    pub(crate) async fn end(mut self) -> Result<(), String> {
        let scope = self.teller.scope();
        let right = self.reference.holdings(&scope).await?;
        for mut contestant in self.contestants.drain(..) {
            let name = contestant.name();
            let store = contestant.hand(Hand::First).await.map_err(|error| told(name, &error))?;
            let found = scope.read(&*store).await.map_err(unread(name))?;
            contestant.log = Followed::default();
            let difference = match found.difference(&right) {
                None => self.reference.compare(&mut contestant, &*store).await?,
                different => different,
            };
            if let Some(difference) = difference {
                return Err(format!("{name} holds something else at the end: {difference}"));
            }
            contestant.close().await.map_err(|error| told(name, &error))?;
        }
        Ok(())
    }
}

impl Reference {
    async fn holdings(&self, scope: &Scope) -> Result<Holdings, String> {
        scope.read(&self.store).await.map_err(unread(REFERENCE))
    }

    /// Compares the changes that the contestant was not asked for before, all that happened to their records, and all rows
    /// where it exports them.
    async fn compare(
        &self,
        contestant: &mut Contestant<'_>,
        store: &dyn StorageBackend,
    ) -> Result<Option<String>, String> {
        let name = contestant.name();
        let found = follow(store, &contestant.log.after).await.map_err(unread(name))?;
        let right = follow(&self.store, &contestant.log.reference).await.map_err(unread(REFERENCE))?;
        contestant.log.advance(&found, &right);
        // A record that is gone is found by the log only.
        let happened = (
            happened(store, &found).await.map_err(unread(name))?,
            happened(&self.store, &right).await.map_err(unread(REFERENCE))?,
        );
        let difference = first_difference("changes", &events(found), &events(right))
            .or_else(|| first_difference("changes of records", &happened.0, &happened.1));
        if difference.is_some() {
            return Ok(difference);
        }
        let Some(rows) = exported(store).await.map_err(unread(name))? else { return Ok(None) };
        let right = exported(&self.store).await.map_err(unread(REFERENCE))?.unwrap_or_default();
        Ok(first_difference("exported rows", &rows, &right))
    }
}

fn told(what: &str, error: &StorageError) -> String {
    format!("{what}: {:?}, {error}", error.kind())
}

fn unread(name: &str) -> impl Fn(Failure) -> String + '_ {
    move |failure| format!("{name} cannot be read: {failure}")
}

/// The keys that a call names.
fn named(call: &Call) -> Vec<NaturalKey> {
    match call {
        Call::Ingest(batch) => batch.items.iter().map(|item| item.key.clone()).collect(),
        Call::Put(writes) => writes.iter().map(|write| write.key.clone()).collect(),
        Call::Delete(doomed, _) => doomed
            .iter()
            .filter_map(|doomed| match &doomed.name {
                RecordName::Key(key) => Some(key.clone()),
                RecordName::Id(_) => None,
            })
            .collect(),
        Call::Observe(seen) => seen.iter().map(|sighting| sighting.key.clone()).collect(),
    }
}
