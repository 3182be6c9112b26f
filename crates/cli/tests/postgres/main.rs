//! The real binary on a real PostgreSQL server: `cargo xtask test` starts one.

#![expect(clippy::unwrap_used, reason = "a test without a harness: a panic is its failure")]

mod care;
mod disturbed;
#[path = "../cli/fleet.rs"]
mod fleet;
mod journey;
#[path = "../../../postgres/tests/proxy/mod.rs"]
mod proxy;
mod refusals;
#[path = "../../../postgres/tests/support/mod.rs"]
mod server;
#[expect(dead_code, reason = "shared with the tests of the cli")]
#[path = "../cli/site.rs"]
mod site;
#[path = "../cli/stories.rs"]
mod stories;
#[path = "../cli/support.rs"]
mod support;
#[path = "../cli/together.rs"]
mod together;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use server::{Place, Server};
use support::User;

fn main() -> ExitCode {
    server::with_server("postgres", |server| {
        let trials = vec![
            trial(&server, "everything_is_kept_on_postgres_alone", journey::everything_is_kept_on_postgres_alone),
            trial(&server, "a_store_is_named_by_flag_environment_or_file", journey::a_store_is_named_in_every_way),
            trial(&server, "a_store_is_looked_after", care::a_store_is_looked_after),
            trial(&server, "a_store_goes_to_a_server_and_comes_back_the_same", care::there_and_back),
            trial(&server, "the_kit_runs_in_schemas_that_are_removed", care::the_kit_runs),
            trial(&server, "a_server_that_is_not_there_is_named", refusals::no_server),
            trial(&server, "a_database_that_is_not_there_is_named", refusals::no_database),
            trial(&server, "a_wrong_password_is_refused_and_never_shown", refusals::wrong_password),
            trial(&server, "a_right_password_is_never_shown", refusals::right_password),
            trial(&server, "what_is_no_address_is_refused", refusals::no_address),
            trial(&server, "four_lists_of_edgar_give_one_record_a_filing", |place| {
                stories::filings_of_four_lists(&user_of(place.url()));
            }),
            trial(&server, "other_keys_are_given_when_that_is_said", |place| {
                stories::other_keys(&user_of(place.url()));
            }),
            trial(&server, "lines_that_were_rejected_pass_later", |place| {
                stories::lines_that_pass_later(&user_of(place.url()));
            }),
            trial(&server, "two_processes_collect_into_one_database", |place| {
                together::two_processes_collect_into(&User::new(), place.url());
            }),
            trial(&server, "four_daemons_share_one_database_through_kills_and_stops", |place| {
                let store = feedspine_postgres::PostgresStore::from_url(place.url()).unwrap();
                fleet::daemons_share(&User::new(), place.url(), &store, 4);
            }),
            own("a_collect_through_restarts_ends_by_itself_and_reports_what_is_stored", disturbed::restarts),
            own("a_collect_through_cuts_ends_by_itself_and_reports_what_is_stored", disturbed::cuts),
        ];
        libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
    })
}

fn trial(server: &Server, name: &str, test: fn(&Place)) -> Trial {
    let server = server.clone();
    Trial::test(name, move || {
        test(&server.place());
        Ok(())
    })
}

/// A test with a server of its own.
fn own(name: &str, test: fn()) -> Trial {
    Trial::test(name, move || {
        test();
        Ok(())
    })
}

/// A user whose configuration names that store.
fn user_of(url: &str) -> User {
    let user = User::new();
    user.file(".config/feedspine/config.toml", format!("db = \"{url}\"\n"));
    user
}

/// Runs statements on the server, beside the binary.
fn execute(place: &Place, statements: &str) {
    beside(place, async |client| client.batch_execute(statements).await.unwrap());
}

/// Asks the server, beside the binary.
fn asked(place: &Place, question: &str) -> Vec<tokio_postgres::Row> {
    beside(place, async |client| client.query(question, &[]).await.unwrap())
}

fn beside<T>(place: &Place, talk: impl AsyncFnOnce(&tokio_postgres::Client) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(place.server(), tokio_postgres::NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        let said = talk(&client).await;
        connection.abort();
        said
    })
}
