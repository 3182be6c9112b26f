//! Every key that can be configured: its name, its variable, its meaning, and where its value goes.

use std::time::Duration;

use clap::ValueEnum;
use feedspine::core::Json;
use feedspine::{Allow, CallbackBaseError, HostRate, Interval};
use toml::Value;

use super::Config;
use crate::printer::ColorChoice;
use crate::secrets::without_password;

/// One key.
pub(super) struct Key {
    /// As it is written in the file, with dots for tables.
    pub(super) name: &'static str,
    /// Its environment variable.
    pub(super) env: &'static str,
    /// What its value is, to go on after "`name` is".
    pub(super) meaning: &'static str,
    kind: Kind,
    set: fn(&mut Config, &Value) -> Result<(), String>,
    pub(super) show: fn(&Config) -> Json,
}

/// How the text of an environment variable is read.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Bool,
    Number,
    /// With commas between.
    Numbers,
    /// With commas between.
    Texts,
}

/// All keys.
pub(super) const KEYS: &[Key] = &[
    Key {
        name: "db",
        env: "FEEDSPINE_DB",
        meaning: "the store's URL, such as \"sqlite:/path/to/feeds.db\" or \"postgres://USER@HOST/DATABASE\"",
        kind: Kind::Text,
        set: |config, value| match text(value)? {
            "" => Err(expected("a store's URL", value)),
            url => {
                url.clone_into(&mut config.db);
                Ok(())
            }
        },
        show: |config| without_password(&config.db).into(),
    },
    Key {
        name: "output.color",
        env: "FEEDSPINE_OUTPUT_COLOR",
        meaning: "\"auto\", \"always\" or \"never\"",
        kind: Kind::Text,
        set: |config, value| ColorChoice::from_str(text(value)?, false).map(|color| config.color = color),
        show: |config| config.color.to_possible_value().map(|word| word.get_name().to_owned()).into(),
    },
    Key {
        name: "fetch.user_agent",
        env: "FEEDSPINE_FETCH_USER_AGENT",
        meaning: "what requests call themselves; a way to reach you belongs in it",
        kind: Kind::Text,
        set: |config, value| match text(value)? {
            agent if agent.is_empty() || !agent.chars().all(|c| c == ' ' || c.is_ascii_graphic()) => {
                Err("expected visible ASCII characters".to_owned())
            }
            agent => {
                agent.clone_into(&mut config.engine.user_agent);
                Ok(())
            }
        },
        show: |config| config.engine.user_agent.as_str().into(),
    },
    Key {
        name: "fetch.allow_private",
        env: "FEEDSPINE_FETCH_ALLOW_PRIVATE",
        meaning: "whether every feed may be at a private address and any port",
        kind: Kind::Bool,
        set: |config, value| {
            value.as_bool().map(|on| config.engine.allow_private = on).ok_or_else(|| expected("true or false", value))
        },
        show: |config| config.engine.allow_private.into(),
    },
    Key {
        name: "fetch.allow",
        env: "FEEDSPINE_FETCH_ALLOW",
        meaning: "a list of networks and hosts that may be asked though they are private, at any port, such as \"10.1.0.0/16\", \"nas.lan\" or \"nas.lan:8081\"",
        kind: Kind::Texts,
        set: |config, value| {
            let allowed = list(value)?.iter().map(|value| allowed(text(value)?));
            allowed.collect::<Result<_, _>>().map(|allowed| config.engine.allow = allowed)
        },
        show: |config| config.engine.allow.iter().map(ToString::to_string).collect::<Vec<_>>().into(),
    },
    Key {
        name: "fetch.ports",
        env: "FEEDSPINE_FETCH_PORTS",
        meaning: "a list of the ports that may be asked",
        kind: Kind::Numbers,
        set: |config, value| {
            let ports = list(value)?.iter().map(|port| number(port, 1..=u64::from(u16::MAX)));
            let ports = ports.map(|port| port.and_then(|port| u16::try_from(port).map_err(|error| error.to_string())));
            ports.collect::<Result<_, _>>().map(|ports| config.engine.ports = ports)
        },
        show: |config| Json::Array(config.engine.ports.iter().map(|port| u64::from(*port).into()).collect()),
    },
    Key {
        name: "fetch.max_body_bytes",
        env: "FEEDSPINE_FETCH_MAX_BODY_BYTES",
        meaning: "the most bytes that a document may have, received and decoded",
        kind: Kind::Number,
        set: |config, value| {
            let most = number(value, 1..=1 << 30)?;
            (config.engine.limits.wire_bytes, config.engine.limits.body_bytes) = (most, most);
            Ok(())
        },
        show: |config| config.engine.limits.body_bytes.into(),
    },
    Key {
        name: "fetch.timeout_ms",
        env: "FEEDSPINE_FETCH_TIMEOUT_MS",
        meaning: "how many milliseconds one fetch may take",
        kind: Kind::Number,
        set: |config, value| {
            config.engine.limits.total = Duration::from_millis(number(value, 1..=3_600_000)?);
            Ok(())
        },
        show: |config| millis(config.engine.limits.total),
    },
    Key {
        name: "fetch.concurrency",
        env: "FEEDSPINE_FETCH_CONCURRENCY",
        meaning: "how many feeds are collected at once",
        kind: Kind::Number,
        set: |config, value| {
            config.engine.concurrency = small(value, 1..=1_000)?;
            Ok(())
        },
        show: |config| (config.engine.concurrency as u64).into(),
    },
    Key {
        name: "fetch.host_in_flight",
        env: "FEEDSPINE_FETCH_HOST_IN_FLIGHT",
        meaning: "how many requests one host gets at once",
        kind: Kind::Number,
        set: |config, value| {
            config.engine.host_rate.in_flight = small(value, 1..=100)?;
            Ok(())
        },
        show: |config| (config.engine.host_rate.in_flight as u64).into(),
    },
    Key {
        name: "fetch.host_interval_ms",
        env: "FEEDSPINE_FETCH_HOST_INTERVAL_MS",
        meaning: "the least milliseconds between the starts of two requests to one host",
        kind: Kind::Number,
        set: |config, value| {
            config.engine.host_rate.interval = Duration::from_millis(number(value, 0..=3_600_000)?);
            Ok(())
        },
        show: |config| millis(config.engine.host_rate.interval),
    },
    Key {
        name: "fetch.domain_rates",
        env: "FEEDSPINE_FETCH_DOMAIN_RATES",
        meaning: "a list of domains whose hosts share a rate of their own, such as \"sec.gov=8/s\" or \"example.org=1/min\"",
        kind: Kind::Texts,
        set: |config, value| {
            for value in list(value)? {
                let (domain, interval) = domain_rate(text(value)?).ok_or_else(|| {
                    expected("a domain and how often it is asked, such as \"example.org=1/min\"", value)
                })?;
                let HostRate { in_flight, .. } = config.engine.host_rate;
                let rate = config.engine.domain_rates.entry(domain).or_insert(HostRate { in_flight, interval });
                rate.interval = interval;
            }
            Ok(())
        },
        show: |config| config.engine.domain_rates.iter().map(shown_rate).collect::<Vec<_>>().into(),
    },
    Key {
        name: "schedule.default_every",
        env: "FEEDSPINE_SCHEDULE_DEFAULT_EVERY",
        meaning: "the time between two fetches of a feed of which nothing else is said, such as \"60m\"",
        kind: Kind::Text,
        set: |config, value| {
            config.engine.schedule.default_every = interval(value)?;
            Ok(())
        },
        show: |config| config.engine.schedule.default_every.to_string().into(),
    },
    Key {
        name: "schedule.floor",
        env: "FEEDSPINE_SCHEDULE_FLOOR",
        meaning: "the shortest time between two fetches of a feed whose server says that its answers are stale sooner than in schedule.default_every, such as \"10m\"",
        kind: Kind::Text,
        set: |config, value| {
            config.engine.schedule.floor = interval(value)?;
            Ok(())
        },
        show: |config| config.engine.schedule.floor.to_string().into(),
    },
    Key {
        name: "schedule.ceiling",
        env: "FEEDSPINE_SCHEDULE_CEILING",
        meaning: "the longest time between two fetches that a server, a document or silence can bring about, such as \"24h\"",
        kind: Kind::Text,
        set: |config, value| {
            config.engine.schedule.ceiling = interval(value)?;
            Ok(())
        },
        show: |config| config.engine.schedule.ceiling.to_string().into(),
    },
    Key {
        name: "watch.lease_seconds",
        env: "FEEDSPINE_WATCH_LEASE_SECONDS",
        meaning: "the seconds after which a daemon that died or stands still is replaced by others that share its store",
        kind: Kind::Number,
        set: |config, value| {
            config.lease = Duration::from_secs(number(value, 5..=3_600)?);
            Ok(())
        },
        show: |config| config.lease.as_secs().into(),
    },
    Key {
        name: "watch.grace_seconds",
        env: "FEEDSPINE_WATCH_GRACE_SECONDS",
        meaning: "the seconds that fetches under way may take to end when a daemon is stopped",
        kind: Kind::Number,
        set: |config, value| {
            config.grace = Duration::from_secs(number(value, 1..=3_600)?);
            Ok(())
        },
        show: |config| config.grace.as_secs().into(),
    },
    Key {
        name: "websub.callback",
        env: "FEEDSPINE_WEBSUB_CALLBACK",
        meaning: "the public URL under which hubs reach `feedspine serve`, such as \"https://feeds.example.org\"; empty: none is asked",
        kind: Kind::Text,
        set: |config, value| {
            let base = text(value)?;
            let read = |base: &str| base.parse().map_err(|error: CallbackBaseError| error.to_string());
            config.engine.websub_callback = if base.is_empty() { None } else { Some(read(base)?) };
            Ok(())
        },
        show: |config| config.engine.websub_callback.as_ref().map(ToString::to_string).into(),
    },
    Key {
        name: "captures.keep",
        env: "FEEDSPINE_CAPTURES_KEEP",
        meaning: "how long the bytes are kept that fetches bring: \"all\" for ever, \"none\", a number of days such as \"90d\", or how much of each feed, such as \"64MiB\"",
        kind: Kind::Text,
        set: |config, value| {
            config.engine.keep = text(value)?.parse()?;
            Ok(())
        },
        show: |config| config.engine.keep.to_string().into(),
    },
];

/// A key that another one has replaced: what it says is not taken for nothing.
pub(super) struct Former {
    pub(super) name: &'static str,
    pub(super) env: &'static str,
    pub(super) now: &'static str,
    /// How it is said now.
    pub(super) hint: &'static str,
}

/// All of them.
pub(super) const FORMER: &[Former] = &[
    Former {
        name: "rejects.keep_mib",
        env: "FEEDSPINE_REJECTS_KEEP_MIB",
        now: "captures.keep",
        hint: "say keep = \"64MiB\" under [captures] for what keep_mib = 64 said, \"none\" for 0, or nothing: all is kept",
    },
    Former {
        name: "fetch.networks",
        env: "FEEDSPINE_FETCH_NETWORKS",
        now: "fetch.allow",
        hint: "say allow = [\"10.1.0.0/16\"] under [fetch], or FEEDSPINE_FETCH_ALLOW, for the same networks; hosts may stand among them",
    },
];

/// The units in which rates are written, in seconds.
const UNITS: [(&str, u32); 3] = [("s", 1), ("min", 60), ("h", 3_600)];

/// The place of a key that is known to be there.
pub(super) fn index(name: &str) -> usize {
    KEYS.iter().position(|key| key.name == name).expect("the key is one of the table")
}

impl Key {
    /// Puts a value where it belongs.
    pub(super) fn apply(&self, config: &mut Config, value: &Value) -> Result<(), String> {
        (self.set)(config, value)
    }

    /// Reads the text of an environment variable.
    pub(super) fn value_of(&self, text: &str) -> Result<Value, String> {
        let number = |text: &str| {
            let number = text.trim().parse::<i64>();
            number.map(Value::from).map_err(|_| format!("expected a whole number, found {text:?}"))
        };
        let parts = || text.split(',').map(str::trim).filter(|part| !part.is_empty());
        match self.kind {
            Kind::Text => Ok(Value::from(text)),
            Kind::Number => number(text),
            Kind::Bool => match text.trim() {
                "true" | "1" => Ok(Value::from(true)),
                "false" | "0" => Ok(Value::from(false)),
                _ => Err(format!("expected true or false, found {text:?}")),
            },
            Kind::Numbers => parts().map(number).collect::<Result<_, _>>().map(Value::Array),
            Kind::Texts => Ok(Value::Array(parts().map(Value::from).collect())),
        }
    }
}

fn text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| expected("a text", value))
}

fn list(value: &Value) -> Result<&Vec<Value>, String> {
    value.as_array().ok_or_else(|| expected("a list", value))
}

fn interval(value: &Value) -> Result<Interval, String> {
    text(value)?.parse().map_err(|error| format!("{error}"))
}

fn number(value: &Value, range: std::ops::RangeInclusive<u64>) -> Result<u64, String> {
    let number = value.as_integer().and_then(|number| u64::try_from(number).ok());
    let fitting = number.filter(|number| range.contains(number));
    fitting.ok_or_else(|| expected(&format!("a whole number from {} to {}", range.start(), range.end()), value))
}

fn small(value: &Value, range: std::ops::RangeInclusive<u64>) -> Result<usize, String> {
    number(value, range).and_then(|number| usize::try_from(number).map_err(|error| error.to_string()))
}

/// Reads `sec.gov=8/s`: the domain, and the least time between two requests.
fn domain_rate(text: &str) -> Option<(String, Duration)> {
    let (domain, rate) = text.split_once('=')?;
    let (times, unit) = rate.trim().split_once('/')?;
    let (_, seconds) = UNITS.into_iter().find(|(name, _)| *name == unit.trim())?;
    let times: u32 = times.trim().parse().ok().filter(|times| (1..=1_000).contains(times))?;
    let domain = domain.trim().trim_matches('.').to_ascii_lowercase();
    let is_name = !domain.is_empty() && domain.chars().all(|c| c.is_ascii_graphic() && !"/?#@".contains(c));
    is_name.then(|| (domain, Duration::from_secs(seconds.into()) / times))
}

/// In the greatest unit that has a whole number of them, as it was written.
fn shown_rate((domain, rate): (&String, &HostRate)) -> String {
    let nanos = rate.interval.as_nanos().max(1);
    let times = |seconds: u32| {
        let unit = u128::from(seconds) * 1_000_000_000;
        let times = (unit + nanos / 2) / nanos;
        (times > 0 && unit / times == nanos).then_some(times)
    };
    let written = UNITS.into_iter().find_map(|(unit, seconds)| Some(format!("{domain}={}/{unit}", times(seconds)?)));
    written.unwrap_or_else(|| format!("{domain}=1/{:?}", rate.interval))
}

fn allowed(text: &str) -> Result<Allow, String> {
    text.parse().map_err(|error| format!("{error}"))
}

fn expected(what: &str, found: &Value) -> String {
    format!("expected {what}, found {found}")
}

fn millis(duration: Duration) -> Json {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_of_a_domain_is_shown_as_it_was_written() {
        for (text, millis) in [("sec.gov=8/s", 125), ("example.org=1/min", 60_000), ("a.example=7/h", 514_285)] {
            let (domain, interval) = domain_rate(text).unwrap();
            assert_eq!(interval.as_millis(), millis, "{text}");
            assert_eq!(shown_rate((&domain, &HostRate { in_flight: 1, interval })), text);
        }
        for text in ["sec.gov", "sec.gov=8", "sec.gov=0/s", "=8/s", "sec.gov=8/day", "http://sec.gov=8/s"] {
            assert_eq!(domain_rate(text), None, "{text}");
        }
    }

    #[test]
    fn the_variable_of_a_key_follows_from_its_name() {
        for key in KEYS {
            let expected = format!("FEEDSPINE_{}", key.name.replace('.', "_").to_uppercase());
            assert_eq!(key.env, expected);
        }
    }
}
