//! The names of a table's columns: one for each, whatever its first row says.

use std::collections::{BTreeMap, BTreeSet};

use super::records::Record;
use crate::warning::Warnings;

/// The columns' names, and those that several columns were given. A column without a name, or with one that a column
/// before it has, gets one of its own, which is told: no field is lost for it.
pub(super) fn names(first: &Record, delimiter: u8, warnings: &mut Warnings) -> (Vec<String>, BTreeSet<String>) {
    let said: Vec<&str> = first.fields.iter().map(|name| name.trim()).collect();
    let mut taken: BTreeSet<String> = said.iter().map(|name| (*name).to_owned()).collect();
    // How often each name was given a number.
    let mut numbered: BTreeMap<&str, usize> = BTreeMap::new();
    let mut names = Vec::with_capacity(said.len());
    let (line, between) = (first.line, char::from(delimiter));
    for (place, name) in (1_usize..).zip(&said) {
        let last = match numbered.get_mut(name) {
            Some(last) => last,
            None if name.is_empty() => numbered.entry(name).or_insert(0),
            None => {
                numbered.insert(name, 1);
                names.push((*name).to_owned());
                continue;
            }
        };
        let base = if name.is_empty() { "column" } else { name };
        let own = loop {
            *last = if name.is_empty() { place.max(*last + 1) } else { *last + 1 };
            let own = format!("{base}_{last}");
            if taken.insert(own.clone()) {
                break own;
            }
        };
        warnings.add("csv.header", || {
            let fault = if name.is_empty() { "no name".to_owned() } else { format!("the name {name:?} of another") };
            format!("line {line}: column {place} has {fault} and is called {own:?} (the delimiter is {between:?})")
        });
        names.push(own);
    }
    let doubled = numbered.into_iter().filter(|(name, last)| *last > 1 && !name.is_empty());
    (names, doubled.map(|(name, _)| name.to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_has_a_name_of_its_own() {
        for (said, expected, told) in [
            (&["id", " t "][..], &["id", "t"][..], 0),
            (&["", "id", ""], &["column_1", "id", "column_3"], 2),
            (&["t", "t", "t_2", "t"], &["t", "t_3", "t_2", "t_4"], 2),
            (&["column_2", ""], &["column_2", "column_3"], 1),
        ] {
            let first = Record { line: 1, bytes: 0, fields: said.iter().map(|name| (*name).to_owned()).collect() };
            let mut warnings = Warnings::default();
            let (names, doubled) = names(&first, b',', &mut warnings);
            assert_eq!(names, expected);
            assert_eq!(doubled.contains("t"), said.iter().filter(|name| **name == "t").count() > 1);
            assert!(!doubled.contains(""));
            assert_eq!(warnings.into_vec().first().map_or(0, |warning| warning.count), told, "{said:?}");
        }
    }
}
