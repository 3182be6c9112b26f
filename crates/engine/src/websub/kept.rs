//! A subscription as a feed's settings keep it. What this program cannot read is left out.

use feedspine_core::{Json, Timestamp};

use super::{Agreement, Lease, Mode, Noticed, Pending, Secret, Setback, SetbackKind, Subscription};

impl Subscription {
    /// As it is kept.
    pub(crate) fn to_json(&self) -> Json {
        let members = [
            (!self.noticed.hubs.is_empty()).then(|| ("noticed", self.noticed.to_json())),
            self.agreement.as_ref().map(|agreement| ("agreement", agreement.to_json())),
            self.setback.as_ref().map(|setback| ("setback", setback.to_json())),
            self.is_read_anew.then(|| ("read_anew", true.into())),
        ];
        Json::object(members.into_iter().flatten())
    }

    /// What is kept.
    pub(crate) fn from_json(kept: &Json) -> Self {
        Self {
            noticed: kept.get("noticed").and_then(Noticed::from_json).unwrap_or_default(),
            agreement: kept.get("agreement").and_then(Agreement::from_json),
            setback: kept.get("setback").and_then(Setback::from_json),
            is_read_anew: is_set(kept, "read_anew"),
        }
    }
}

impl Agreement {
    fn to_json(&self) -> Json {
        let pending = self.pending.map(|pending| {
            Json::object([("mode", pending.mode.as_str().into()), ("since", pending.since.to_string().into())])
        });
        let lease = self.lease.map(|lease| {
            Json::object([("since", lease.since.to_string().into()), ("until", lease.until.to_string().into())])
        });
        Json::object([
            ("hub", self.hub.as_str().into()),
            ("topic", self.topic.as_str().into()),
            ("callback", self.callback.as_str().into()),
            ("token", self.token.as_str().into()),
            ("secret", self.secret.as_str().into()),
            ("pending", pending.into()),
            ("lease", lease.into()),
            ("farewells", u64::from(self.farewells).into()),
            ("forged", self.forged.into()),
            ("repeated", self.repeated.into()),
            ("told", Json::Array(self.told.iter().map(|hash| hash.as_str().into()).collect())),
            ("proven", self.is_proven.into()),
        ])
    }

    fn from_json(kept: &Json) -> Option<Self> {
        let text = |name| kept.get(name).and_then(Json::as_str).map(str::to_owned);
        let secret = |name| text(name).filter(|secret| !secret.is_empty()).map(Secret);
        let pending = |kept: &Json| {
            Some(Pending { mode: Mode::named(kept.get("mode")?.as_str()?)?, since: instant(kept, "since")? })
        };
        let lease = |kept: &Json| Some(Lease { since: instant(kept, "since")?, until: instant(kept, "until")? });
        Some(Self {
            hub: text("hub")?,
            topic: text("topic")?,
            callback: text("callback")?,
            token: secret("token")?,
            secret: secret("secret")?,
            pending: kept.get("pending").and_then(pending),
            lease: kept.get("lease").and_then(lease),
            farewells: number(kept, "farewells").and_then(|count| u32::try_from(count).ok()).unwrap_or(u32::MAX),
            forged: number(kept, "forged").unwrap_or(0),
            repeated: number(kept, "repeated").unwrap_or(0),
            told: kept.get("told").map(texts).unwrap_or_default(),
            is_proven: is_set(kept, "proven"),
        })
    }
}

impl SetbackKind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }
}

impl Setback {
    fn to_json(&self) -> Json {
        Json::object([
            ("kind", self.kind.as_str().into()),
            ("failures", u64::from(self.failures).into()),
            ("again_at", self.again_at.to_string().into()),
            ("why", self.why.as_str().into()),
        ])
    }

    fn from_json(kept: &Json) -> Option<Self> {
        let denied = kept.get("kind")?.as_str()? == SetbackKind::Denied.as_str();
        Some(Self {
            kind: if denied { SetbackKind::Denied } else { SetbackKind::Failed },
            failures: u32::try_from(number(kept, "failures")?).ok()?,
            again_at: instant(kept, "again_at")?,
            why: kept.get("why")?.as_str()?.to_owned(),
        })
    }
}

fn number(kept: &Json, name: &str) -> Option<u64> {
    match kept.get(name)? {
        Json::Number(number) => u64::try_from(number.as_i64()?).ok(),
        _ => None,
    }
}

fn is_set(kept: &Json, name: &str) -> bool {
    kept.get(name) == Some(&Json::Bool(true))
}

fn texts(kept: &Json) -> Vec<String> {
    let Json::Array(texts) = kept else { return Vec::new() };
    texts.iter().filter_map(Json::as_str).map(str::to_owned).collect()
}

fn instant(kept: &Json, name: &str) -> Option<Timestamp> {
    kept.get(name)?.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_reads_back_and_is_not_shown_by_a_program_that_fails() {
        let at: Timestamp = "2026-11-27T12:00:00Z".parse().unwrap();
        let noticed = Noticed { hubs: vec!["https://h.example/".into()], topic: "https://a.example/feed".into() };
        let agreement = Agreement {
            hub: "https://h.example/".into(),
            topic: "https://a.example/feed".into(),
            callback: "https://f.example/base".into(),
            token: Secret::drawn([1, 2]),
            secret: Secret::drawn([3, 4]),
            pending: Some(Pending { mode: Mode::Unsubscribe, since: at }),
            lease: Some(Lease { since: at, until: at.saturating_add_micros(1) }),
            farewells: 2,
            forged: 7,
            repeated: 2,
            told: vec!["00ff".into(), "11ee".into()],
            is_proven: true,
        };
        let bare = Agreement { pending: None, lease: None, ..agreement.clone() };
        let setback = |kind| Setback { failures: 3, again_at: at, why: "no".into(), kind };
        for subscription in [
            Subscription::default(),
            Subscription { noticed: noticed.clone(), ..Subscription::default() },
            Subscription {
                noticed: noticed.clone(),
                agreement: Some(bare),
                setback: Some(setback(SetbackKind::Failed)),
                is_read_anew: false,
            },
            Subscription {
                noticed,
                agreement: Some(agreement),
                setback: Some(setback(SetbackKind::Denied)),
                is_read_anew: true,
            },
        ] {
            assert_eq!(Subscription::from_json(&subscription.to_json()), subscription);
            let told = format!("{subscription:?}");
            assert!(!told.contains("00000003") && !told.contains("00000001"), "{told}");
        }
        for odd in ["null", "7", r#"{"noticed":{},"agreement":{"hub":"x"},"setback":[]}"#] {
            assert!(Subscription::from_json(&Json::parse(odd).unwrap()).is_nothing(), "{odd}");
        }
    }

    #[test]
    fn a_secret_is_long_enough_and_short_enough() {
        // Section 5.1 allows less than 200 bytes.
        assert_eq!(Secret::drawn([0, u128::MAX]).as_str().len(), 64);
    }
}
