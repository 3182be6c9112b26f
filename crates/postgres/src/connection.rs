//! [`Connection`]: one connection to the server, and the statements that it keeps there.
//!
//! A statement that is kept has a name on the server. Behind a pooler of transactions, names belong to whichever server
//! connection the pooler hands out next, where another client may have given the same name to another statement. So
//! unless the address says otherwise, a connection keeps statements only where nothing can stand between: when the server
//! names the very two ends, addresses and ports, that our own socket has. A pooler, a proxy or translated addresses
//! differ in at least one of them.

use std::collections::HashMap;
use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::Deref;
use std::sync::{Mutex, PoisonError};

use deadpool::managed::{Manager, Metrics, RecycleError, RecycleResult};
use feedspine_core::StorageError;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, TargetSessionAttrs};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Config, NoTls, Socket, Statement};

use crate::bind::Param;
use crate::error::{Fault, Outcome};
use crate::settings::{Prepared, Settings, Transport};
use crate::tls::Verified;

/// Statements that a connection keeps at most: what writes and looks up needs some 60, each filter of a list is another.
const MOST_KEPT: usize = 500;

/// PostgreSQL's own port.
const DEFAULT_PORT: u16 = 5_432;

/// A connection; closed when it is dropped.
pub(crate) struct Connection {
    client: Client,
    driver: JoinHandle<()>,
    /// By their text; `None` where no statement may outlive its transaction.
    kept: Option<Mutex<HashMap<String, Kept>>>,
    /// Nothing stands between: what is set stays set.
    direct: bool,
}

/// A statement that the server knows by a name.
#[derive(Clone)]
struct Kept {
    kinds: Vec<Type>,
    statement: Statement,
}

impl Connection {
    /// Whether it was made with the settings of [`Connector`], which then hold for as long as it does.
    pub(crate) fn has_settings(&self) -> bool {
        self.direct
    }

    /// The statement as the server keeps it, prepared now if it is asked for the first time; `None` when it keeps none.
    pub(crate) async fn kept(
        &self,
        text: &str,
        values: &[Param<'_>],
    ) -> Result<Option<Statement>, tokio_postgres::Error> {
        let Some(kept) = &self.kept else { return Ok(None) };
        let kinds = || values.iter().map(|(_, kind)| kind);
        {
            let kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            match kept.get(text) {
                Some(held) if held.kinds.iter().eq(kinds()) => return Ok(Some(held.statement.clone())),
                Some(_) => return Ok(None),
                None if kept.len() >= MOST_KEPT => return Ok(None),
                None => {}
            }
        }
        let kinds: Vec<Type> = kinds().cloned().collect();
        let statement = self.client.prepare_typed(text, &kinds).await?;
        let made = Kept { kinds, statement: statement.clone() };
        kept.lock().unwrap_or_else(PoisonError::into_inner).insert(text.to_owned(), made);
        Ok(Some(statement))
    }
}

impl Deref for Connection {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // The socket is closed at once, whatever is under way: the server rolls back.
        self.driver.abort();
    }
}

/// Makes connections, all to one address.
pub(crate) struct Connector {
    config: Config,
    tls: Option<Verified>,
    prepared: Prepared,
    /// Statements that make the settings of a connection that nothing stands before.
    settings: String,
}

impl Connector {
    pub(crate) fn new(settings: &Settings, session: String) -> Result<Self, StorageError> {
        let tls = match &settings.transport {
            Transport::Plain => None,
            Transport::Verified { roots } => Some(Verified::new(roots.as_deref())?),
        };
        Ok(Self { config: settings.config.clone(), tls, prepared: settings.prepared, settings: session })
    }

    async fn connect<T>(&self, mut tls: T) -> Outcome<Connection>
    where
        T: MakeTlsConnect<Socket> + MakeTlsConnect<TcpStream>,
        <T as MakeTlsConnect<Socket>>::Stream: Send + 'static,
        <T as MakeTlsConnect<TcpStream>>::Stream: Send + 'static,
        <T as MakeTlsConnect<TcpStream>>::Error: Into<Box<dyn Error + Send + Sync>>,
        <<T as MakeTlsConnect<TcpStream>>::TlsConnect as TlsConnect<TcpStream>>::Future: Send,
    {
        let kept = |keeps: bool| keeps.then(Mutex::default);
        let host = match only_host(&self.config) {
            Some(host) if self.prepared == Prepared::Auto => host,
            _ => {
                let (client, driver) = self.config.connect(tls).await?;
                let keeps = kept(self.prepared == Prepared::On);
                return Ok(Connection { client, driver: tokio::spawn(drive(driver)), kept: keeps, direct: false });
            }
        };
        let stream = self.dial(host).await.map_err(Fault::Unreached)?;
        let ends = Ends::of_socket(&stream).map_err(Fault::Unreached)?;
        let tls = MakeTlsConnect::<TcpStream>::make_tls_connect(&mut tls, host.0)
            .map_err(|error| Fault::Unreached(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        let (client, driver) = self.config.connect_raw(stream, tls).await?;
        let driver = tokio::spawn(drive(driver));
        let direct = Ends::told_by(&client).await? == Some(ends);
        let connection = Connection { client, driver, kept: kept(direct), direct };
        if direct {
            connection.batch_execute(&self.settings).await?;
        }
        Ok(connection)
    }

    /// Opens a socket with the settings that the driver would give it.
    async fn dial(&self, host: (&str, u16)) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        let socket = SockRef::from(&stream);
        #[cfg(target_os = "linux")]
        socket.set_tcp_user_timeout(self.config.get_tcp_user_timeout().copied())?;
        if self.config.get_keepalives() {
            let mut keep_alive = TcpKeepalive::new().with_time(self.config.get_keepalives_idle());
            if let Some(interval) = self.config.get_keepalives_interval() {
                keep_alive = keep_alive.with_interval(interval);
            }
            if let Some(retries) = self.config.get_keepalives_retries() {
                keep_alive = keep_alive.with_retries(retries);
            }
            socket.set_tcp_keepalive(&keep_alive)?;
        }
        Ok(stream)
    }
}

impl Manager for Connector {
    type Type = Connection;
    type Error = Fault;

    async fn create(&self) -> Outcome<Connection> {
        match &self.tls {
            Some(tls) => self.connect(tls.clone()).await,
            None => self.connect(NoTls).await,
        }
    }

    async fn recycle(&self, connection: &mut Connection, _: &Metrics) -> RecycleResult<Fault> {
        if connection.is_closed() { Err(RecycleError::message("the connection is closed")) } else { Ok(()) }
    }
}

/// Moves what is said and answered until the connection ends. Whoever asks last is told why it ended.
async fn drive<S, T>(driver: tokio_postgres::Connection<S, T>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let _ = driver.await;
}

/// The host and port of an address that names one host, by a name or number, and no wish about which server answers.
/// For any other the driver has to choose, and does not say what it chose.
fn only_host(config: &Config) -> Option<(&str, u16)> {
    let [Host::Tcp(name)] = config.get_hosts() else { return None };
    let plain = config.get_hostaddrs().is_empty() && config.get_target_session_attrs() == TargetSessionAttrs::Any;
    let port = config.get_ports().first().copied().unwrap_or(DEFAULT_PORT);
    plain.then_some((name.as_str(), port))
}

/// The two ends of a TCP connection, as one of them sees it.
#[derive(Debug, PartialEq, Eq)]
struct Ends {
    client: (IpAddr, u16),
    server: (IpAddr, u16),
}

impl Ends {
    fn of_socket(stream: &TcpStream) -> io::Result<Self> {
        let end = |address: SocketAddr| (address.ip().to_canonical(), address.port());
        Ok(Self { client: end(stream.local_addr()?), server: end(stream.peer_addr()?) })
    }

    /// As the server sees them; `None` when it was not asked over TCP.
    async fn told_by(client: &Client) -> Outcome<Option<Self>> {
        let asked = "SELECT host(inet_client_addr()), inet_client_port(), host(inet_server_addr()), inet_server_port()";
        let rows = client.query_typed(asked, &[]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let end = |address: usize, port: usize| -> Outcome<Option<(IpAddr, u16)>> {
            let (address, port): (Option<&str>, Option<i32>) = (row.try_get(address)?, row.try_get(port)?);
            let address = address.and_then(|address| address.parse::<IpAddr>().ok());
            Ok(address.map(|address| address.to_canonical()).zip(port.and_then(|port| u16::try_from(port).ok())))
        };
        Ok(end(0, 1)?.zip(end(2, 3)?).map(|(client, server)| Self { client, server }))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_peer_that_vanished_is_noticed_by_every_socket() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let settings = Settings::from_url(&format!("postgres://u@127.0.0.1:{port}/x?keepalives=0")).unwrap();
        let (idle, interval) = (Duration::from_secs(30), Duration::from_secs(10));
        // Those that the driver makes.
        let config = &settings.config;
        assert_eq!((config.get_keepalives(), config.get_keepalives_idle()), (true, idle));
        assert_eq!((config.get_keepalives_interval(), config.get_keepalives_retries()), (Some(interval), Some(3)));
        assert_eq!(config.get_tcp_user_timeout(), Some(&idle));
        // Those that are made here.
        let stream = Connector::new(&settings, String::new()).unwrap().dial(("127.0.0.1", port)).await.unwrap();
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().unwrap() && stream.nodelay().unwrap());
        #[cfg(target_os = "linux")]
        {
            assert_eq!(socket.tcp_keepalive_time().unwrap(), idle);
            assert_eq!(socket.tcp_keepalive_interval().unwrap(), interval);
            assert_eq!(socket.tcp_keepalive_retries().unwrap(), 3);
            assert_eq!(socket.tcp_user_timeout().unwrap(), Some(idle));
        }
    }

    #[test]
    fn only_an_address_of_one_host_is_dialled_here() {
        let host = |url: &str| {
            let config: Config = url.parse().unwrap();
            only_host(&config).map(|(name, port)| (name.to_owned(), port))
        };
        assert_eq!(host("postgres://u@db.example/x"), Some(("db.example".to_owned(), DEFAULT_PORT)));
        assert_eq!(host("postgres://u@127.0.0.1:6000/x"), Some(("127.0.0.1".to_owned(), 6_000)));
        for other in [
            "postgres://u@one,two/x",
            "postgres://u@%2Frun%2Fpostgresql/x",
            "postgres://u@one/x?target_session_attrs=read-write",
            "host=one hostaddr=127.0.0.1",
        ] {
            assert_eq!(host(other), None, "{other}");
        }
    }
}
