//! The server that tests use, and a fresh schema for each store.

use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use feedspine_cluster::URL_VARIABLE;
use libtest_mimic::{Arguments, Completion, Trial};

/// The server that tests use.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    url: String,
    /// Whether stores keep prepared statements.
    prepared: &'static str,
}

impl Server {
    /// The server at that address, which has no settings of its own.
    pub(crate) fn at(url: impl Into<String>) -> Self {
        Self { url: url.into(), prepared: "off" }
    }

    /// The same, without a pooler between.
    fn directly(self) -> Self {
        Self { prepared: "on", ..self }
    }

    /// Room for a store that no other test sees.
    pub(crate) fn place(&self) -> Place {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_nanos();
        let schema = format!("t{now:x}_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        // Small pools: many stores are open at once.
        let url = format!("{}?schema={schema}&pool_size=4&prepared={}", self.url, self.prepared);
        Place { server: self.url.clone(), schema, url }
    }
}

/// A schema of its own, dropped with this value.
#[derive(Debug)]
pub(crate) struct Place {
    server: String,
    schema: String,
    url: String,
}

impl Place {
    /// Its address.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The server, for a connection beside the store's.
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// The schema.
    pub(crate) fn schema(&self) -> &str {
        &self.schema
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let (server, drop) = (self.server().to_owned(), format!("DROP SCHEMA IF EXISTS {} CASCADE", self.schema()));
        // On a thread of its own: values are dropped inside runtimes too.
        let clean = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                if let Ok((client, connection)) = tokio_postgres::connect(&server, tokio_postgres::NoTls).await {
                    let connection = tokio::spawn(connection);
                    let _ = client.batch_execute(&drop).await;
                    connection.abort();
                }
            });
        });
        let _ = clean.join();
    }
}

/// Runs tests with the server that the environment names. Without one nothing is started: the test is shown as skipped,
/// and fails where every test is demanded.
pub(crate) fn with_server(name: &str, test: impl FnOnce(Server) -> ExitCode) -> ExitCode {
    if let Ok(url) = std::env::var(URL_VARIABLE) {
        return test(Server::at(url).directly());
    }
    let reason = format!("SKIPPED: no server in {URL_VARIABLE}; `cargo xtask test` starts one");
    let demanded = feedspine_cluster::all_demanded();
    let trial =
        Trial::ignorable_test(
            name,
            move || {
                if demanded { Err(reason.into()) } else { Ok(Completion::ignored_with(reason)) }
            },
        );
    libtest_mimic::run(&Arguments::from_args(), vec![trial]).exit_code()
}
