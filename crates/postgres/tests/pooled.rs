//! The whole contract through a real PgBouncer that pools transactions: no statement has a name, no setting outlives its
//! transaction.

mod conformance_provider;
mod support;

use std::process::ExitCode;

use feedspine_cluster::Cluster;
use feedspine_testkit::{state, storage};

use conformance_provider::Postgres;
use support::Server;

fn main() -> ExitCode {
    support::with_server("pooled", |_| {
        let cluster = Cluster::start().expect("a server of its own");
        let pooler = cluster.pooler().expect("PgBouncer");
        let server = Server::at(cluster.url_at(pooler.port()));
        let storage = storage::trials(Postgres(server.clone()));
        feedspine_testkit::run(storage.into_iter().chain(state::trials(Postgres(server))))
    })
}
