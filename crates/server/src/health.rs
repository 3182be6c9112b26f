//! How feeds are, for whoever watches over this process.

use std::time::Duration;

use feedspine::core::Json;
use feedspine::ops::{HealthReport, Light, ToJson};
use feedspine::{Engine, OpError};
use hyper::StatusCode;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::answers::{self, Answer};

/// Whoever asks again within so long is told the same, be it that nothing is known: all feeds are judged for an answer.
const SAME_FOR: Duration = Duration::from_secs(30);

/// What was told last, and when.
#[derive(Debug, Default)]
pub(crate) struct Health(Mutex<Option<(Instant, Result<Judged, OpError>)>>);

/// How all feeds are together.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Judged {
    light: Light,
    document: Json,
}

impl Health {
    /// `{"light": "amber", "counts": {"red": 0, "amber": 1, "green": 7}}`; 503 when a feed is red, or nothing is known.
    pub(crate) async fn answer(&self, engine: &Engine) -> Answer {
        let judged = match self.judged(engine).await {
            Ok(judged) => judged,
            Err(error) => return answers::failed(&error),
        };
        let status = if judged.light == Light::Red { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
        answers::json(status, &judged.document)
    }

    /// One asks the store, and all who wait are told.
    async fn judged(&self, engine: &Engine) -> Result<Judged, OpError> {
        let mut told = self.0.lock().await;
        if let Some((at, judged)) = &*told
            && at.elapsed() < SAME_FOR
        {
            return judged.clone();
        }
        let judged = engine.health(None).await.map(|report| Judged::of(&report));
        *told = Some((Instant::now(), judged.clone()));
        judged
    }
}

impl Judged {
    fn of(report: &HealthReport) -> Self {
        let light = report.feeds.iter().map(|feed| feed.light).max().unwrap_or(Light::Green);
        let counts = report.to_json().get("counts").cloned();
        let document = Json::object([("light", light.as_str().into()), ("counts", counts.into())]);
        Self { light, document }
    }
}

#[cfg(test)]
mod tests {
    use feedspine::ops::{FeedHealth, Freshness};

    use super::*;

    fn report(lights: &[Light]) -> HealthReport {
        let feed = |light: &Light| FeedHealth {
            feed: "a".parse().unwrap(),
            light: *light,
            freshness: Freshness::Unknown,
            reasons: Vec::new(),
            answered_at: None,
            last_new: None,
            due_at: None,
        };
        HealthReport { feeds: lights.iter().map(feed).collect() }
    }

    #[test]
    fn the_worst_feed_decides_the_colour() {
        use Light::{Amber, Green, Red};
        for (lights, light, counts) in [
            (&[][..], Green, r#"{"amber":0,"green":0,"red":0}"#),
            (&[Green, Green], Green, r#"{"amber":0,"green":2,"red":0}"#),
            (&[Green, Amber, Green], Amber, r#"{"amber":1,"green":2,"red":0}"#),
            (&[Amber, Red, Green], Red, r#"{"amber":1,"green":1,"red":1}"#),
        ] {
            let judged = Judged::of(&report(lights));
            let document = format!(r#"{{"counts":{counts},"light":"{}"}}"#, light.as_str());
            assert_eq!((judged.light, judged.document.to_canonical()), (light, document));
        }
    }
}
