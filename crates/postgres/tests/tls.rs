//! TLS with a real server, its certificate made here: what is trusted connects, all else is refused in words.

#![expect(clippy::unwrap_used, reason = "a test without a harness: a panic is its failure")]

mod support;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use feedspine_cluster::Cluster;
use feedspine_core::{ErrorKind, Selection, StorageBackend, StorageError};
use feedspine_postgres::PostgresStore;
use libtest_mimic::{Arguments, Failed, Trial};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use support::Server;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_postgres::NoTls;

fn main() -> ExitCode {
    support::with_server("tls", |_| {
        let place = Arc::new(Encrypted::start());
        let trials = vec![
            trial(&place, "a_trusted_server_is_spoken_to_in_secret", async |place| {
                for mode in ["", "&sslmode=verify-full", "&sslmode=require", "&sslmode=verify-ca"] {
                    let asked = format!("sslrootcert={}{mode}", place.authority());
                    assert!(place.is_encrypted("localhost", &asked).await, "{mode}");
                }
            }),
            trial(&place, "a_server_of_another_authority_is_refused", async |place| {
                let error = place.refusal("localhost", &format!("sslrootcert={}", place.stranger())).await;
                assert!(error.to_string().contains("UnknownIssuer"), "{error}");
            }),
            trial(&place, "a_server_of_another_name_is_refused", async |place| {
                let error = place.refusal("127.0.0.1", &format!("sslrootcert={}", place.authority())).await;
                assert!(error.to_string().contains("not valid for name"), "{error}");
            }),
            trial(&place, "a_server_that_knows_no_tls_is_refused_when_it_is_asked_for", async |place| {
                let plain = Cluster::start().unwrap();
                let url = format!("{}?sslmode=require&sslrootcert={}", plain.url(), place.authority());
                let error = refusal_of(&url).await;
                assert!(error.to_string().contains("server does not support TLS"), "{error}");
            }),
            trial(&place, "a_handshake_that_breaks_off_is_a_connection_that_broke", async |place| {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                let port = listener.local_addr().unwrap().port();
                tokio::spawn(async move {
                    while let Ok((mut stream, _)) = listener.accept().await {
                        // A request for TLS, granted; then nothing more.
                        let mut request = [0; 8];
                        stream.read_exact(&mut request).await.unwrap();
                        stream.write_all(b"S").await.unwrap();
                    }
                });
                let url = format!("{}?sslrootcert={}", place.cluster.url_at(port), place.authority());
                let error = PostgresStore::from_url(&url).unwrap().initialize().await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
            }),
            trial(&place, "without_a_wish_this_machine_is_spoken_to_openly", async |place| {
                for mode in ["pool_size=2", "sslmode=disable"] {
                    assert!(!place.is_encrypted("localhost", mode).await, "{mode}");
                }
            }),
            trial(&place, "a_mode_that_may_fall_back_is_refused", async |place| {
                for mode in ["prefer", "allow"] {
                    let url = place.url("localhost", &format!("sslmode={mode}"));
                    assert_eq!(PostgresStore::from_url(&url).unwrap_err().kind(), ErrorKind::Invalid, "{mode}");
                }
            }),
        ];
        libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
    })
}

fn trial(place: &Arc<Encrypted>, name: &str, test: impl AsyncFn(&Encrypted) + Send + 'static) -> Trial {
    let place = Arc::clone(place);
    Trial::test(name, move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.map_err(Failed::from)?.block_on(test(&place));
        Ok(())
    })
}

/// A server with a certificate for `localhost`, and the authorities that did and did not sign it.
struct Encrypted {
    cluster: Cluster,
    folder: TempDir,
}

impl Encrypted {
    fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let cluster = Cluster::start().unwrap();
        let (authority, stranger) = (authority("ours"), authority("theirs"));
        std::fs::write(folder.path().join("authority.pem"), authority.pem()).unwrap();
        std::fs::write(folder.path().join("stranger.pem"), stranger.pem()).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = certificate.signed_by(&key, &authority).unwrap();
        cluster.encrypt(&certificate.pem(), &key.serialize_pem()).unwrap();
        Self { cluster, folder }
    }

    fn authority(&self) -> String {
        self.folder.path().join("authority.pem").display().to_string()
    }

    fn stranger(&self) -> String {
        self.folder.path().join("stranger.pem").display().to_string()
    }

    fn url(&self, host: &str, asked: &str) -> String {
        format!("{}?{asked}", self.cluster.url().replace("127.0.0.1", host))
    }

    async fn refusal(&self, host: &str, asked: &str) -> StorageError {
        refusal_of(&self.url(host, asked)).await
    }

    /// Whether all connections of a store at that address are encrypted, as the server sees them.
    async fn is_encrypted(&self, host: &str, asked: &str) -> bool {
        let place = Server::at(self.cluster.url().replace("127.0.0.1", host)).place();
        let url = format!("{}&application_name={}&{asked}", place.url(), place.schema());
        let store = PostgresStore::from_url(&url).unwrap();
        store.initialize().await.unwrap();
        assert_eq!(store.count(&Selection::everything()).await.unwrap(), 0);
        let (client, connection) = tokio_postgres::connect(place.server(), NoTls).await.unwrap();
        tokio::spawn(connection);
        let seen = "SELECT bool_and(s.ssl) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid)
                    WHERE a.application_name = $1";
        let encrypted = client.query_one(seen, &[&place.schema()]).await.unwrap().get(0);
        store.close().await.unwrap();
        encrypted
    }
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// What a store at that address is refused with: at once, with a hint, and for good.
async fn refusal_of(url: &str) -> StorageError {
    let began = Instant::now();
    let error = PostgresStore::from_url(url).unwrap().initialize().await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("sslrootcert")), "{error}");
    error
}
