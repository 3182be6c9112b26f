//! The server that tests use, and a fresh schema for each store.

use std::hash::{BuildHasher, RandomState};
use std::process::ExitCode;

use feedspine_cluster::URL_VARIABLE;
use libtest_mimic::{Arguments, Completion, Trial};

/// The server that tests use.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    url: String,
}

impl Server {
    /// The server at that address, which has no settings of its own.
    pub(crate) fn at(url: impl Into<String>) -> Self {
        Self { url: url.into() }
    }

    /// Room for a store that no other test sees.
    pub(crate) fn place(&self) -> Place {
        let schema = format!("test_{:016x}", RandomState::new().hash_one(0));
        // Small pools: many stores are open at once.
        let url = format!("{}?schema={schema}&pool_size=4", self.url);
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
        return test(Server::at(url));
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
