//! What `--help` says beyond a line for each word.

pub(super) const AFTER_HELP: &str = "\
Exit codes:
  0    done
  1    failed: something stood in the way; the message says what, the hint what to do
  2    wrong usage or configuration, or more than this feedspine can do: a store or a file of a newer one
  3    some feeds failed, the others are done
  5    no such thing: a feed, a record, a store, or a file that was named; of no store `db info` tells, with 0
  130  interrupted by Ctrl-C; 143 by another program

Begin with:
  feedspine demo                              what it does, without a network
  feedspine add https://example.org/feed.xml
  feedspine collect
  feedspine list --order -published --limit 10";

/// What is said of a backend, when this program was built with it.
macro_rules! when_built_with {
    ($name:ident, $feature:literal, $words:literal) => {
        #[cfg(feature = $feature)]
        macro_rules! $name {
            () => {
                $words
            };
        }
        #[cfg(not(feature = $feature))]
        macro_rules! $name {
            () => {
                ""
            };
        }
    };
}

when_built_with!(postgres_help, "postgres", "postgres://USER@HOST/DATABASE, ");
when_built_with!(duckdb_help, "duckdb", "duckdb:PATH, ");

pub(super) const DB_HELP: &str = concat!(
    "The store: sqlite:PATH, ",
    postgres_help!(),
    duckdb_help!(),
    "or memory: for one that is gone when the command ends [env: FEEDSPINE_DB]"
);
pub(super) const COLOR_HELP: &str = "When to use colours [env: FEEDSPINE_OUTPUT_COLOR, NO_COLOR]";
pub(super) const CONFIG_HELP: &str = "Read this configuration instead of the user's [env: FEEDSPINE_CONFIG]";

pub(super) const AFTER_ADD_HELP: &str = "\
An address that looks like a feed's (/feed.xml, ?format=rss) is taken as it stands. Any other is asked: what is
there may be a feed, or a page that names some. When there are several, they are listed and nothing is added.

Examples:
  feedspine add https://example.org/feed.xml
  feedspine add https://example.org --first --tag news/world";

pub(super) const AFTER_SET_HELP: &str = "\
What can be said:
  key           id, link or content; or a place in the item, or several
  fold_case     true: A and a in keys are the same
  volatile      a place whose changes make no version
  every         how often it is fetched: 15m, 2h, 1d
  cron          at which times in UTC it is, instead: '0 */2 * * *'
  adaptive      false: as often whatever it brings; true: more rarely while it brings little
  follow_moves  false: it stays where it is, whatever permanent redirects say
  websub        false: hubs that it names are not asked to tell of it
  headers, cookie, basic, bearer, user_agent, proxy, tls, ca, http
                how its server is asked (docs/guides/fetching.md)

All other options of its adapter can be said too (docs/guides/adapters.md).

No record ever gets another key. What would give other keys to the items of a feed that has records is refused, and
said what it would do; with --rekey the items that it still lists are stored once more under their new keys, and the
records of before stay as they are.

Examples:
  feedspine feed set news volatile=comments
  feedspine feed set news key=link --rekey
  feedspine feed set news key=
  feedspine feed set news every=15m
  feedspine feed set news --url https://example.org/feed";

pub(super) const AFTER_INGEST_HELP: &str = "\
Lines are stored in their order, in bounded memory; one that is no item is rejected with its number. The same lines
again change nothing, unless a key stands in several of them: each is then a version again.

Examples:
  feedspine add push:orders --option key=number
  feedspine ingest orders < orders.jsonl
  tail -f events.jsonl | feedspine ingest events";

pub(super) const AFTER_RETRY_HELP: &str = "\
What a reject was read from is kept: a document, or the line or row alone, in the store itself (`feedspine
captures`), as long as captures.keep says. What passes now is stored as seen when the body was fetched; nothing is
said of other items. The same again changes nothing. The list of rejects stays as it is.

What becomes of a reject:
  new, changed, unchanged  it was stored
  held                     it was stored before
  overtaken                its record holds what was read later
  held_back                its record churns: it was counted, not kept
  rejected                 it is still no item
  gone                     the body is read otherwise now
  no_body                  the body is not there
  failed                   it could not be stored

Examples:
  feedspine rejects retry
  feedspine rejects retry news --code key";

pub(super) const AFTER_LIST_HELP: &str = "\
Conditions are FIELD SIGN VALUE, or FIELD alone: it is there. All must hold.
  fields  id, namespace, key, key_rule, layer, version, published, updated, first_seen, recorded_at,
          content.PATH, metadata.PATH
  signs   =  !=  <  <=  >  >=  ~ (contains)  ^= (begins with)

Examples:
  feedspine list --where content.title~rust --order -published
  feedspine list --where 'published>=2026-01-01T00:00:00Z' --where namespace=news
  feedspine list --where 'version>1' --json";

pub(super) const AFTER_SQL_HELP: &str = "\
Views: records, versions, sightings, observations, changes, rejects; `SELECT * FROM records LIMIT 1`
shows what each has. Files can be asked too, and joined: SELECT * FROM 'x.parquet'

Examples:
  feedspine sql \"SELECT kind, count(*) FROM changes GROUP BY kind\"
  feedspine sql \"SELECT content->>'$.title' FROM records ORDER BY published DESC LIMIT 10\"";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use feedspine::{RequestChoice, RhythmChoice};

    use crate::arguments::Arguments;

    /// Where the second column of a line begins; `None` of one that has none, such as an example.
    fn column(line: &str) -> Option<usize> {
        let first = line.len() - line.trim_start().len();
        if first == 0 || line.trim_start().starts_with("feedspine") {
            return None;
        }
        if first > 2 {
            return Some(first);
        }
        let gap = first + line[first..].find("  ")?;
        Some(gap + line[gap..].len() - line[gap..].trim_start().len())
    }

    fn check_columns(command: &clap::Command, checked: &mut usize) {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        for block in help.split("\n\n") {
            let mut columns: Vec<usize> = block.lines().filter_map(column).collect();
            columns.dedup();
            assert!(columns.len() <= 1, "{}: {columns:?}\n{block}", command.get_name());
            *checked += columns.len();
        }
        command.get_subcommands().for_each(|command| check_columns(command, checked));
    }

    #[test]
    fn columns_of_every_help_are_aligned() {
        let mut checked = 0;
        check_columns(&Arguments::command(), &mut checked);
        assert!(checked >= 5, "{checked} blocks with columns");
        assert_eq!(column("  new, changed  it was stored"), Some(16));
        assert_eq!(column("                how its server is asked"), Some(16));
        assert_eq!(column("  headers, cookie"), None);
    }

    #[test]
    fn all_that_can_be_said_of_how_a_server_is_asked_is_named_where_it_can_be_said() {
        let mut all = Arguments::command();
        let mut help = |path: &[&str]| {
            let mut command = &mut all;
            for name in path {
                command = command.find_subcommand_mut(name).unwrap();
            }
            command.render_long_help().to_string()
        };
        let set = help(&["feed", "set"]);
        for name in RequestChoice::NAMES.iter().chain(&RhythmChoice::NAMES) {
            assert!(set.contains(name), "{name}: {set}");
        }
        for command in ["add", "diagnose"] {
            let told = help(&[command]);
            for name in RequestChoice::NAMES {
                assert!(told.contains(name), "{name}: {told}");
            }
        }
    }
}
