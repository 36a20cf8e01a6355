//! The functions of an executable, found by their marks, and what is missing among them.

use std::collections::BTreeMap;

use faast_core::function::{self, mark};
use faast_core::provider::FunctionId;
use memchr::memmem::Finder;

/// How many names an error shows of each side.
const SHOWN: usize = 6;

/// Names and signatures of functions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table(BTreeMap<String, u64>);

impl Table {
    /// The functions of this program.
    pub(crate) fn of_this_program() -> Self {
        Self::of(function::all().map(function::FunctionEntry::id))
    }

    /// The functions of an executable.
    pub(crate) fn read(executable: &[u8]) -> Self {
        let finder = Finder::new(mark::PREFIX);
        Self::of(finder.find_iter(executable).filter_map(|at| mark::read(&executable[at..])))
    }

    fn of(functions: impl Iterator<Item = FunctionId>) -> Self {
        Self(functions.map(|id| (id.name.into_owned(), id.signature)).collect())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, signature)| (name.as_str(), *signature))
    }

    /// What `other` lacks of these functions, in words; `None` if it has all of them.
    pub(crate) fn missing_in(&self, other: &Self) -> Option<String> {
        let lacks = |name: &str| !other.0.contains_key(name);
        let differs = |name: &str, signature| other.0.get(name).is_some_and(|it| *it != signature);
        let missing: Vec<_> = self.iter().filter(|(name, _)| lacks(name)).map(|(name, _)| name).collect();
        let changed: Vec<_> =
            self.iter().filter(|(name, signature)| differs(name, *signature)).map(|(name, _)| name).collect();
        let mut parts = Vec::new();
        if !missing.is_empty() {
            let has: Vec<_> = other.iter().map(|(name, _)| name).collect();
            parts.push(format!("does not have {}, which this program has; it has {}", names(&missing), names(&has)));
        }
        if !changed.is_empty() {
            parts.push(format!("has {} with other parameters, result or version than this program", names(&changed)));
        }
        (!parts.is_empty()).then(|| parts.join(", and "))
    }
}

fn names(all: &[&str]) -> String {
    let shown: Vec<_> = all.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    match all.len() {
        0 => "no functions".into(),
        length if length > SHOWN => format!("{} and {} more", shown.join(", "), length - SHOWN),
        _ => shown.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(functions: &[(&str, u64)]) -> Table {
        Table(functions.iter().map(|(name, signature)| ((*name).to_owned(), *signature)).collect())
    }

    #[test]
    fn an_executable_with_all_functions_and_more_lacks_nothing() {
        let client = table(&[("job::run", 1)]);
        assert_eq!(client.missing_in(&table(&[("job::run", 1), ("job::other", 2)])), None);
    }

    #[test]
    fn missing_functions_are_named_with_what_is_there() {
        let client = table(&[("job::run", 1), ("job::walk", 1)]);
        let text = client.missing_in(&table(&[("other::fly", 1)])).unwrap();
        assert_eq!(text, "does not have `job::run`, `job::walk`, which this program has; it has `other::fly`");
        assert!(client.missing_in(&table(&[])).unwrap().ends_with("it has no functions"));
    }

    #[test]
    fn a_function_with_another_signature_is_not_the_function() {
        let text = table(&[("job::run", 1)]).missing_in(&table(&[("job::run", 2)])).unwrap();
        assert!(text.starts_with("has `job::run` with other parameters"), "{text}");
    }

    #[test]
    fn long_tables_are_cut() {
        let functions: Vec<_> = (0..100).map(|i| format!("job::f{i:02}")).collect();
        let functions: Vec<_> = functions.iter().map(|name| (name.as_str(), 0)).collect();
        let text = table(&functions).missing_in(&table(&[])).unwrap();
        assert!(text.contains("`job::f05` and 94 more") && !text.contains("f06"), "{text}");
    }

    #[test]
    fn marks_are_found_anywhere_and_half_of_one_is_none() {
        const RUN: [u8; mark::len("job::run")] = mark::write("job::run", 7);
        const WALK: [u8; mark::len("job::walk")] = mark::write("job::walk", 8);
        let bytes = [b"\0\0".as_slice(), &RUN, &RUN[..20], &WALK, mark::PREFIX].concat();
        assert_eq!(Table::read(&bytes), table(&[("job::run", 7), ("job::walk", 8)]));
    }
}
