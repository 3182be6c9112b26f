//! Where the store is and how it is reached: read from one address.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use feedspine_core::StorageError;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

/// The schema used when the address names none.
const DEFAULT_SCHEMA: &str = "feedspine";
/// Connections when the address says nothing: two cores' worth of writers and as many readers; more gained nothing.
const DEFAULT_POOL_SIZE: usize = 8;
const DEFAULT_ACQUIRE: Duration = Duration::from_secs(10);
const DEFAULT_CONNECT: Duration = Duration::from_secs(10);
const DEFAULT_STATEMENT: Duration = Duration::from_secs(30);

/// The name of the schema that holds a store: `^[a-z_][a-z0-9_]{0,62}$`, so that it never needs quoting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaName(String);

impl SchemaName {
    /// Checks a name.
    ///
    /// # Errors
    /// `Invalid`: another form, or a name that PostgreSQL keeps for itself.
    pub fn new(name: &str) -> Result<Self, StorageError> {
        let bytes = name.as_bytes();
        let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'_';
        let shaped = bytes.len() <= 63 && bytes.iter().all(plain) && bytes.first().is_some_and(|b| !b.is_ascii_digit());
        if shaped && !name.starts_with("pg_") && name != "information_schema" {
            return Ok(Self(name.to_owned()));
        }
        Err(StorageError::invalid(format!("not a schema name for a store: {name:?}"))
            .with_hint("use 1 to 63 of a-z, 0-9 and _, beginning with a letter or _, but not with pg_"))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How the server's certificate is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Transport {
    /// No encryption: unix sockets, this machine, or because the address says so.
    Plain,
    /// TLS, the certificate checked against the host's name and these roots; `None` are the machine's own.
    Verified { roots: Option<PathBuf> },
}

/// The settings that are ours.
const OWN_SETTINGS: &str = "schema, pool_size, acquire_timeout, statement_timeout, prepared, sslmode, sslrootcert";

/// Whether a connection keeps statements on the server, which then parses and plans them once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Prepared {
    /// Where the server's end of the connection turns out to be the other end of ours.
    #[default]
    Auto,
    /// Always: nothing that pools transactions stands between, or it knows how to keep them.
    On,
    /// Never.
    Off,
}

/// Where the store is and how it is reached.
#[derive(Clone)]
pub struct Settings {
    pub(crate) config: Config,
    pub(crate) transport: Transport,
    pub(crate) schema: SchemaName,
    pub(crate) pool_size: usize,
    pub(crate) acquire: Duration,
    pub(crate) statement: Duration,
    pub(crate) prepared: Prepared,
}

/// Nothing secret is shown.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("hosts", &self.config.get_hosts())
            .field("database", &self.config.get_dbname())
            .field("schema", &self.schema)
            .field("pool_size", &self.pool_size)
            .finish_non_exhaustive()
    }
}

/// What of an address is ours to read; the driver reads the rest.
#[derive(Debug, Default)]
struct Own {
    schema: Option<String>,
    pool_size: Option<usize>,
    acquire: Option<Duration>,
    statement: Option<Duration>,
    prepared: Prepared,
    ssl_mode: Option<String>,
    ssl_root_cert: Option<PathBuf>,
}

impl Settings {
    /// Reads `postgres://USER:PASSWORD@HOST:PORT/DATABASE?name=value&…`.
    ///
    /// Beside what libpq knows (`host`, `connect_timeout`, `application_name`, …): `schema` (`feedspine`), `pool_size`
    /// (8), `acquire_timeout` (10, seconds to wait for a free connection), `statement_timeout` (30, seconds), `prepared`
    /// (`auto`: statements are kept on the server where it says that no pooler stands between; `on`: always, also over a
    /// unix socket, which says nothing; `off`: never), `sslmode` (`disable` or `verify-full`; the default is `verify-full`
    /// for every host but this machine) and `sslrootcert` (a PEM file; the default are the machine's own roots).
    ///
    /// # Errors
    /// `Invalid`, without repeating the address, which may hold a password.
    pub fn from_url(url: &str) -> Result<Self, StorageError> {
        let (place, query) = url.split_once('?').unwrap_or((url, ""));
        let mut own = Own::default();
        let mut rest = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if !own.take(name, value)? {
                rest.push(pair);
            }
        }
        let driver_url = if rest.is_empty() { place.to_owned() } else { format!("{place}?{}", rest.join("&")) };
        let config = Config::from_str(&driver_url).map_err(|error| {
            match unknown_setting(place, &rest) {
                Some(name) => {
                    StorageError::invalid(format!("the address's {name} is no setting, or not what it takes"))
                        .with_hint(format!("settings are {OWN_SETTINGS}, and what libpq knows"))
                }
                None => StorageError::invalid("not an address of a PostgreSQL database")
                    .with_hint("write postgres://USER@HOST/DATABASE"),
            }
            .with_source(error)
        })?;
        Self::assemble(config, &own)
    }

    fn assemble(mut config: Config, own: &Own) -> Result<Self, StorageError> {
        let transport = own.transport(&config)?;
        config.ssl_mode(if transport == Transport::Plain { SslMode::Disable } else { SslMode::Require });
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(DEFAULT_CONNECT);
        }
        if config.get_application_name().is_none() {
            config.application_name("feedspine");
        }
        // A peer that vanished is noticed within a minute, and within 30 s when it owes us an acknowledgement.
        config.keepalives(true).keepalives_idle(Duration::from_secs(30));
        config.keepalives_interval(Duration::from_secs(10)).keepalives_retries(3);
        config.tcp_user_timeout(Duration::from_secs(30));
        Ok(Self {
            config,
            transport,
            schema: SchemaName::new(own.schema.as_deref().unwrap_or(DEFAULT_SCHEMA))?,
            pool_size: own.pool_size.unwrap_or(DEFAULT_POOL_SIZE),
            acquire: own.acquire.unwrap_or(DEFAULT_ACQUIRE),
            statement: own.statement.unwrap_or(DEFAULT_STATEMENT),
            prepared: own.prepared,
        })
    }
}

/// The name of the setting that the driver refuses at a place that it takes.
fn unknown_setting<'a>(place: &str, settings: &[&'a str]) -> Option<&'a str> {
    Config::from_str(place).ok()?;
    let refused = settings.iter().find(|setting| Config::from_str(&format!("{place}?{setting}")).is_err())?;
    refused.split('=').next()
}

impl Own {
    /// Takes a setting that is ours; false when it is not.
    fn take(&mut self, name: &str, value: &str) -> Result<bool, StorageError> {
        let wrong = || StorageError::invalid(format!("the address's {name} is not what it takes: {value:?}"));
        let seconds = || value.parse().ok().filter(|s| *s > 0).map(Duration::from_secs).ok_or_else(wrong);
        match name {
            "schema" => self.schema = Some(value.to_owned()),
            "pool_size" => {
                let size = value.parse().ok().filter(|size| (1..=1_000).contains(size));
                self.pool_size = Some(size.ok_or_else(wrong)?);
            }
            "acquire_timeout" => self.acquire = Some(seconds()?),
            "statement_timeout" => self.statement = Some(seconds()?),
            "prepared" => {
                self.prepared = match value {
                    "auto" => Prepared::Auto,
                    "on" => Prepared::On,
                    "off" => Prepared::Off,
                    _ => return Err(wrong()),
                }
            }
            "sslmode" => self.ssl_mode = Some(value.to_owned()),
            "sslrootcert" => self.ssl_root_cert = Some(value.replace("%2F", "/").into()),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn transport(&self, config: &Config) -> Result<Transport, StorageError> {
        let roots = self.ssl_root_cert.clone();
        let near = || roots.is_none() && config.get_hosts().iter().all(is_this_machine);
        match self.ssl_mode.as_deref() {
            Some("disable") => Ok(Transport::Plain),
            None if near() => Ok(Transport::Plain),
            None | Some("verify-full" | "require" | "verify-ca") => Ok(Transport::Verified { roots }),
            Some(other) => {
                Err(StorageError::invalid(format!("the address's sslmode is not one we keep to: {other:?}"))
                    .with_hint("use verify-full, or disable where nobody can listen"))
            }
        }
    }
}

fn is_this_machine(host: &Host) -> bool {
    match host {
        #[cfg(unix)]
        Host::Unix(_) => true,
        Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_all() {
        let settings = Settings::from_url(
            "postgres://me:secret@127.0.0.1:5433/news?schema=mine&pool_size=3&acquire_timeout=2&application_name=x",
        )
        .unwrap();
        assert_eq!(settings.schema.as_str(), "mine");
        assert_eq!((settings.pool_size, settings.acquire), (3, Duration::from_secs(2)));
        assert_eq!(settings.prepared, Prepared::Auto);
        assert_eq!(settings.config.get_ports(), [5433]);
        assert_eq!(settings.config.get_application_name(), Some("x"));
        assert!(!format!("{settings:?}").contains("secret"));
    }

    #[test]
    fn other_machines_are_reached_by_verified_tls_unless_the_address_says_otherwise() {
        let transport = |url: &str| Settings::from_url(url).unwrap().transport;
        assert_eq!(transport("postgres://localhost/x"), Transport::Plain);
        assert_eq!(transport("postgres://%2Frun%2Fpostgresql/x"), Transport::Plain);
        assert_eq!(transport("postgres://db.example/x"), Transport::Verified { roots: None });
        assert_eq!(transport("postgres://db.example/x?sslmode=disable"), Transport::Plain);
        let roots = Some(PathBuf::from("/ca.pem"));
        assert_eq!(transport("postgres://localhost/x?sslrootcert=/ca.pem"), Transport::Verified { roots });
    }

    #[test]
    fn what_cannot_be_meant_is_refused_without_showing_the_address() {
        for wrong in [
            "postgres://u:secret@h/x?schema=Mixed",
            "postgres://u:secret@h/x?schema=pg_own",
            "postgres://u:secret@h/x?schema=a%22b",
            "postgres://u:secret@h/x?pool_size=0",
            "postgres://u:secret@h/x?acquire_timeout=soon",
            "postgres://u:secret@h/x?prepared=maybe",
            "postgres://u:secret@h/x?sslmode=prefer",
            "postgres://u:secret@h:port/x",
        ] {
            let error = Settings::from_url(wrong).unwrap_err();
            assert_eq!(error.kind(), feedspine_core::ErrorKind::Invalid, "{wrong}");
            assert!(!format!("{error:?}").contains("secret"), "{error:?}");
        }
    }

    #[test]
    fn a_setting_that_is_none_is_named() {
        for (setting, name) in [("schmea=x", "schmea"), ("keepalives=often", "keepalives"), ("x", "x")] {
            let url = format!("postgres://u:secret@h/x?pool_size=2&{setting}");
            let error = Settings::from_url(&url).unwrap_err();
            assert!(error.to_string().contains(&format!("the address's {name} is no setting")), "{error}");
        }
    }
}
