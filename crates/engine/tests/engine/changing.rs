//! Operators who change one feed at the same time: none undoes what another did.

use std::sync::Arc;

use feedspine::core::{Feed, FeedName, FeedStatus, MemoryStore, StateStore};
use feedspine::ops::{AddFeed, ImportOpml, OpError, OpErrorKind, PolicySays, Rekey, SetAddress, SetPolicy};
use feedspine::{Engine, RhythmChoice};

use crate::bent::{Bent, Change};
use crate::support::{name, settings};

const ADDRESS: &str = "http://127.0.0.1:1/a.xml";

/// What an operator asks for.
#[derive(Debug, Clone, Copy)]
enum Asked {
    Rename,
    Pause,
    Resume,
    Remove,
    Retag,
    Policy,
    Address,
    Opml,
}

const ALL: [Asked; 8] = [
    Asked::Rename,
    Asked::Pause,
    Asked::Resume,
    Asked::Remove,
    Asked::Retag,
    Asked::Policy,
    Asked::Address,
    Asked::Opml,
];

impl Asked {
    async fn of(self, engine: &Engine, feed: &FeedName) -> Result<(), OpError> {
        match self {
            Self::Rename => engine.rename(feed, name("renamed")).await.map(drop),
            Self::Pause => engine.pause(feed).await.map(drop),
            Self::Resume => engine.resume(feed).await.map(drop),
            Self::Remove => engine.remove(feed).await.map(drop),
            Self::Retag => engine.retag(feed, &["wires".parse().unwrap()], &[]).await.map(drop),
            Self::Policy => {
                let says = PolicySays::Options(vec!["every=15m".to_owned()]);
                let request = SetPolicy { feed: feed.clone(), says, rekey: Rekey::Refuse };
                engine.set_policy(&request).await.map(drop)
            }
            Self::Address => {
                let address = "http://127.0.0.1:1/b.xml".to_owned();
                engine.set_address(&SetAddress { feed: feed.clone(), address, allow_private: false }).await.map(drop)
            }
            Self::Opml => {
                let outline = format!("<opml version='2.0'><body><outline xmlUrl='{ADDRESS}'/></body></opml>");
                let tags = vec!["wires".parse().unwrap()];
                let list =
                    ImportOpml { bytes: outline.into_bytes(), name: "list".to_owned(), tags, allow_private: false };
                engine.import_opml(list).await.map(drop)
            }
        }
    }

    /// Whether it was done to that feed.
    fn is_done(self, feed: &Feed) -> bool {
        match self {
            Self::Rename => feed.name == name("renamed"),
            Self::Pause => feed.status == FeedStatus::Paused,
            Self::Resume => feed.status == FeedStatus::Active,
            Self::Remove => feed.status == FeedStatus::Removed,
            Self::Retag | Self::Opml => feed.settings.as_str().contains("wires"),
            Self::Policy => !RhythmChoice::of(feed).is_default(),
            Self::Address => feed.address.ends_with("/b.xml"),
        }
    }
}

/// A feed, and a store that others change.
async fn begin(asked: Asked) -> (Arc<Bent>, Engine, Feed) {
    let store = Arc::new(MemoryStore::new());
    let state = Bent::over(store.clone());
    let engine = Engine::open(store, state.clone(), settings()).await.unwrap();
    let mut feed = engine.add(AddFeed::new(ADDRESS)).await.unwrap().feed;
    if matches!(asked, Asked::Resume) {
        feed = engine.pause(&feed.name).await.unwrap();
    }
    (state, engine, feed)
}

fn allowed(feed: Feed) -> Feed {
    Feed { allow_private: !feed.allow_private, ..feed }
}

#[tokio::test]
async fn what_an_operator_asks_for_is_done_and_so_is_what_another_did_meanwhile() {
    for asked in ALL {
        let (state, engine, feed) = begin(asked).await;
        state.meanwhile(&[allowed as Change]);
        asked.of(&engine, &feed.name).await.unwrap_or_else(|error| panic!("{asked:?}: {error}"));
        let now = state.feeds().await.unwrap().remove(0);
        assert!(state.to_come() == 0 && now.allow_private && asked.is_done(&now), "{asked:?}: {now:?}");
    }
}

#[tokio::test]
async fn a_feed_that_others_change_without_end_is_told_with_the_next_step() {
    for asked in ALL.into_iter().filter(|asked| !matches!(asked, Asked::Opml)) {
        let (state, engine, feed) = begin(asked).await;
        state.meanwhile(&[allowed as Change; 5]);
        let error = asked.of(&engine, &feed.name).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (OpErrorKind::Failed, "feed.changed_meanwhile"), "{asked:?}");
        assert!(error.hint().is_some_and(|hint| hint.contains("ask again")), "{asked:?}: {error:?}");
        let now = state.feeds().await.unwrap().remove(0);
        assert!(now.allow_private && !asked.is_done(&now), "{asked:?}: {now:?}");
    }
}

#[tokio::test]
async fn a_feed_that_another_removed_meanwhile_stays_removed() {
    for asked in ALL {
        let (state, engine, feed) = begin(asked).await;
        let removed: Change = |feed| Feed { status: FeedStatus::Removed, ..feed };
        state.meanwhile(&[removed]);
        let answer = asked.of(&engine, &feed.name).await;
        let code = answer.as_ref().err().map(OpError::code);
        assert_eq!(code, if matches!(asked, Asked::Opml) { None } else { Some("feed.unknown") }, "{asked:?}");
        assert_eq!(state.feeds().await.unwrap(), [removed(feed)], "{asked:?}");
    }
}

#[tokio::test]
async fn an_address_is_allowed_to_be_private_only_while_the_feed_is_there() {
    let (state, engine, feed) = begin(Asked::Address).await;
    let moved: Change = |feed| Feed { address: "http://10.0.0.1/".to_owned(), ..feed };
    state.meanwhile(&[moved]);
    let request = AddFeed { allow_private: true, ..AddFeed::new(ADDRESS) };
    let error = engine.add(request).await.unwrap_err();
    assert_eq!(error.code(), "feed.changed_meanwhile");
    assert_eq!(state.feeds().await.unwrap(), [moved(feed)]);
}
