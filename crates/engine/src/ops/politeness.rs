//! How polite we were: from the ledger, what each host was asked, how often, and what conditional requests saved it.

use std::collections::BTreeMap;

use feedspine_core::{Json, MAX_PAGE, PageRequest, Timestamp};

use super::json::instant;
use super::{OpError, ToJson};
use crate::Engine;
use crate::ledger::{self, HostFigures};
use crate::settings::HostRates;

/// Which time is looked at.
#[derive(Debug, Clone, Copy)]
pub struct PolitenessOf {
    /// Fetches that began then or later.
    pub since: Timestamp,
}

/// How each host was asked.
#[derive(Debug, Clone)]
pub struct Politeness {
    /// From when on.
    pub since: Timestamp,
    /// Until when.
    pub until: Timestamp,
    /// The hosts, by name.
    pub hosts: BTreeMap<String, HostFigures>,
    /// The least time between two requests that each host's rate allows, in microseconds; hosts of a domain that has a rate
    /// of its own share it.
    pub allowed_gap_us: BTreeMap<String, u64>,
    /// The same as it is now, in microseconds, for hosts that said lately that they were asked too often.
    pub learned_gap_us: BTreeMap<String, u64>,
}

impl ToJson for HostFigures {
    fn to_json(&self) -> Json {
        Json::object([
            ("requests", self.requests.into()),
            ("not_modified", self.not_modified.into()),
            ("refused", self.refused.into()),
            ("unanswered", self.unanswered.into()),
            ("wire_bytes", self.wire_bytes.into()),
            ("saved_bytes", self.saved_bytes.into()),
            ("most_per_second", self.most_per_second.into()),
            ("most_per_minute", self.most_per_minute.into()),
            ("shortest_gap_us", self.shortest_gap_us.into()),
        ])
    }
}

impl ToJson for Politeness {
    fn to_json(&self) -> Json {
        let host = |(host, figures): (&String, &HostFigures)| {
            let mut members = match figures.to_json() {
                Json::Object(members) => members,
                _ => BTreeMap::new(),
            };
            members.insert("host".to_owned(), host.as_str().into());
            members.insert("allowed_gap_us".to_owned(), self.allowed_gap_us.get(host).copied().into());
            members.insert("learned_gap_us".to_owned(), self.learned_gap_us.get(host).copied().into());
            Json::Object(members)
        };
        Json::object([
            ("since", instant(self.since)),
            ("until", instant(self.until)),
            ("hosts", Json::Array(self.hosts.iter().map(host).collect())),
        ])
    }
}

impl Engine {
    /// How each host was asked.
    ///
    /// # Errors
    /// What the control plane's store says.
    pub async fn politeness(&self, request: &PolitenessOf) -> Result<Politeness, OpError> {
        let until = self.now();
        let mut counting = ledger::Politeness::default();
        let mut page = PageRequest::first(MAX_PAGE);
        // The bodies that 304s saved may have come long before: they are looked for as far back again as was asked for.
        let earliest = request.since.saturating_add_micros(-until.micros_since(request.since).max(0));
        'all: loop {
            let read = self.fetches(None, &page).await?;
            for fetch in &read.items {
                let started_at = fetch.intent.started_at;
                if started_at >= request.since {
                    counting.count(fetch);
                } else if started_at < earliest || !counting.saves() {
                    break 'all;
                } else {
                    counting.look_back(fetch);
                }
            }
            match read.next {
                Some(next) => page.after = Some(next),
                None => break,
            }
        }
        let rates = HostRates::of(self.settings());
        let hosts = counting.finish();
        let gap = |host: &String| u64::try_from(rates.shared_by(host).1.interval.as_micros()).unwrap_or(u64::MAX);
        let allowed_gap_us = hosts.keys().map(|host| (host.clone(), gap(host))).collect();
        self.leave_alone(&self.state().feeds().await?, &self.state().schedules().await?);
        let fetcher = self.fetcher();
        let now = |host: &String| u64::try_from(fetcher.interval_of(host).as_micros()).unwrap_or(u64::MAX);
        let slowed = hosts.keys().filter(|host| fetcher.slowed(host).is_some());
        let learned_gap_us = slowed.map(|host| (host.clone(), now(host))).collect();
        Ok(Politeness { since: request.since, until, hosts, allowed_gap_us, learned_gap_us })
    }
}
