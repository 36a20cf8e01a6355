//! The promises of a journal's file: nothing is lost that is whole, nothing is read that was not written.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use bytes::Bytes;
use tempfile::TempDir;

use super::{Build, Journal, Key, Record, export};
use crate::error::ErrorKind;

const ONE: Build = Build([1; 16]);
const OTHER: Build = Build([2; 16]);

fn home() -> (TempDir, PathBuf) {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("job.journal");
    (home, path)
}

fn key(n: u8) -> Key {
    [n; 16]
}

/// What call `n` gives: as long as it is large, so that a record of another call never looks the same.
fn value(n: u8) -> Bytes {
    let mut bytes = Vec::new();
    crate::wire::encode_value(&vec![u32::from(n); usize::from(n)], &mut bytes).unwrap();
    bytes.into()
}

fn record(n: u8) -> Record {
    let mut args = Vec::new();
    crate::wire::encode_value(&n, &mut args).unwrap();
    Record { key: key(n), function: "job::f", index: n.into(), args: args.into(), value: value(n) }
}

fn open(path: &Path) -> Journal<u8> {
    Journal::open(path, false, ONE, |_| {}).unwrap()
}

/// Writes the results of some calls.
fn write(path: &Path, calls: impl IntoIterator<Item = u8>) {
    let mut journal = open(path);
    journal.queue().push(calls.into_iter().map(|n| (record(n), n)));
    journal.close().unwrap();
}

/// How many of each call are found, all of them right.
fn counts(journal: &mut Journal<u8>) -> BTreeMap<u8, usize> {
    let mut counts = BTreeMap::new();
    for n in 0..=u8::MAX {
        while let Some(found) = journal.take(&key(n)) {
            assert_eq!(found, value(n), "a wrong result of {n}");
            *counts.entry(n).or_default() += 1;
        }
    }
    counts
}

#[test]
fn what_was_written_is_found_again_as_often_as_it_was_written() {
    let (_home, path) = home();
    write(&path, [1, 2, 2]);
    write(&path, [2, 3, 0]);
    let mut journal = open(&path);
    assert_eq!(journal.len(), 6);
    assert_eq!(counts(&mut journal), BTreeMap::from([(0, 1), (1, 1), (2, 3), (3, 1)]));
}

#[test]
fn results_are_handed_on_once_they_are_in_the_file() {
    let (_home, path) = home();
    let (tell, told) = mpsc::channel();
    let there = path.clone();
    let mut journal = Journal::open(&path, false, ONE, move |results: Vec<u8>| {
        // Another reader finds them already.
        tell.send((results, export(&there, std::io::sink()).unwrap())).unwrap();
    })
    .unwrap();
    let mut all = Vec::new();
    for n in 1..=3 {
        journal.queue().push([(record(n), n)]);
        let (results, lines) = told.recv().unwrap();
        all.extend(results);
        assert_eq!(lines, all.len() as u64);
    }
    assert_eq!(all, [1, 2, 3]);
    journal.close().unwrap();
}

#[test]
fn a_journal_has_one_writer() {
    let (_home, path) = home();
    let mut first = open(&path);
    let error = Journal::<u8>::open(&path, false, ONE, |_| {}).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.message().contains("in use") && error.hint().is_some(), "{error:?}");
    first.close().unwrap();
    open(&path);
}

#[test]
fn another_build_is_used_or_starts_over() {
    let (_home, path) = home();
    write(&path, [1, 2]);
    let mut journal = Journal::<u8>::open(&path, false, OTHER, |_| {}).unwrap();
    assert_eq!(counts(&mut journal).len(), 2);
    journal.queue().push([(record(3), 3)]);
    journal.close().unwrap();
    // Some of it is of the build before.
    let mut journal = Journal::<u8>::open(&path, true, OTHER, |_| {}).unwrap();
    assert_eq!(journal.len(), 0);
    journal.queue().push([(record(4), 4)]);
    journal.close().unwrap();
    let mut journal = Journal::<u8>::open(&path, true, OTHER, |_| {}).unwrap();
    assert_eq!(counts(&mut journal), BTreeMap::from([(4, 1)]));
}

#[test]
fn what_is_no_journal_is_told_and_left_alone() {
    let (home, path) = home();
    for other in [&b"a diary"[..], &[0; 4096], b"faast journal\r\n", b"SQLite format 3\0"] {
        let is_beginning = other.starts_with(b"faast");
        fs::write(&path, other).unwrap();
        match Journal::<u8>::open(&path, false, ONE, |_| {}) {
            Ok(_) => assert!(is_beginning, "{other:?}"),
            Err(error) => {
                assert!(!is_beginning && error.kind() == ErrorKind::Io, "{error:?}");
                assert!(error.message().contains("no journal") && error.hint().is_some(), "{error:?}");
                assert_eq!(fs::read(&path).unwrap(), other);
            }
        }
    }
    for impossible in [home.path().to_owned(), home.path().join("no folder").join("journal")] {
        let error = Journal::<u8>::open(&impossible, false, ONE, |_| {}).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
    }
}

#[test]
fn a_journal_of_another_version_is_told_and_left_alone() {
    use sha2::Digest as _;
    let (_home, path) = home();
    write(&path, [1]);
    let mut bytes = fs::read(&path).unwrap();
    bytes[16] = 2;
    let check = sha2::Sha256::digest(&bytes[..36]);
    bytes[36..44].copy_from_slice(&check[..8]);
    fs::write(&path, &bytes).unwrap();
    let error = Journal::<u8>::open(&path, false, ONE, |_| {}).unwrap_err();
    assert!(error.message().contains("version 2") && error.hint().is_some(), "{error:?}");
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

/// Results of which journals are damaged in the tests below.
const CALLS: std::ops::Range<u8> = 0..9;

/// Opens a damaged file: an error that says what is wrong, or results that are right and of which at most `lost` are
/// missing. Then it is as good as new.
fn survives(path: &Path, lost: usize, what: &str) -> bool {
    let mut journal = match Journal::<u8>::open(path, false, ONE, |_| {}) {
        Ok(journal) => journal,
        Err(error) => {
            let told = ["no journal", "damaged", "version"].iter().any(|word| error.message().contains(word));
            assert!(told && error.kind() == ErrorKind::Io, "{what}: {error:?}");
            return false;
        }
    };
    let found = counts(&mut journal);
    assert!(found.values().all(|count| *count == 1), "{what}: {found:?}");
    assert!(found.len() + lost >= CALLS.len(), "{what}: only {found:?} are left");
    let missing: Vec<u8> = CALLS.filter(|n| !found.contains_key(n)).collect();
    journal.queue().push(missing.iter().map(|n| (record(*n), *n)));
    journal.close().unwrap();
    assert_eq!(counts(&mut open(path)).len(), CALLS.len(), "{what}: it does not recover");
    true
}

#[test]
fn a_journal_cut_anywhere_keeps_every_result_before_the_cut() {
    let (home, path) = home();
    write(&path, CALLS);
    let whole = fs::read(&path).unwrap();
    let ends: Vec<usize> = (0..whole.len()).filter(|at| whole[*at..].starts_with(&[0xfa, 0xa5, 0x1a, 0x0e])).collect();
    assert_eq!(ends.len(), CALLS.len() + 1);
    let torn = home.path().join("torn");
    for len in 0..=whole.len() {
        fs::write(&torn, &whole[..len]).unwrap();
        // The first record says the build; a result is whole if the next one could begin.
        let kept = ends.iter().skip(2).filter(|end| **end <= len).count() + usize::from(len == whole.len());
        assert!(survives(&torn, CALLS.len() - kept, &format!("cut to {len}")));
    }
}

#[test]
fn a_byte_flipped_anywhere_costs_one_result_at_most() {
    let (home, path) = home();
    write(&path, CALLS);
    let whole = fs::read(&path).unwrap();
    let damaged = home.path().join("damaged");
    let mut refused = 0;
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(&damaged, &bytes).unwrap();
        refused += usize::from(!survives(&damaged, 1, &format!("byte {at}")));
    }
    // Without its header nothing of it can be told from damage.
    assert_eq!(refused, 44);
}

#[test]
fn damage_of_any_kind_gives_no_wrong_result() {
    let (home, path) = home();
    write(&path, CALLS);
    let whole = fs::read(&path).unwrap();
    let damaged = home.path().join("damaged");
    let mut opened = 0;
    for seed in 0..500 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut bytes = whole.clone();
        for _ in 0..rng.usize(1..4) {
            let from = rng.usize(44..bytes.len());
            let to = (from + rng.usize(0..200)).min(bytes.len());
            match rng.u8(..4) {
                0 => bytes[from..to].fill(0),
                1 => rng.fill(&mut bytes[from..to]),
                2 => drop(bytes.drain(from..to)),
                // A piece of itself, where it was not written.
                _ => {
                    let piece = whole[from.min(whole.len())..to.min(whole.len())].to_vec();
                    let at = rng.usize(44..=bytes.len());
                    bytes.splice(at..at, piece);
                }
            }
            if bytes.len() <= 44 {
                break;
            }
        }
        fs::write(&damaged, &bytes).unwrap();
        opened += usize::from(survives(&damaged, CALLS.len(), &format!("seed {seed}")));
    }
    assert_eq!(opened, 500);
}

#[test]
fn a_result_that_holds_a_journal_is_no_journal() {
    let (_home, path) = home();
    write(&path, CALLS);
    let mut record = record(200);
    record.value = fs::read(&path).unwrap().into();
    let mut journal = open(&path);
    journal.queue().push([(record, 200)]);
    journal.close().unwrap();
    // The head of that result is lost, so that what it holds is looked through.
    let before = fs::read(&path).unwrap().len();
    let mut bytes = fs::read(&path).unwrap();
    let at = (0..before).filter(|at| bytes[*at..].starts_with(&[0xfa, 0xa5, 0x1a, 0x0e])).nth(CALLS.len() + 1).unwrap();
    bytes[at + 20] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert_eq!(open(&path).len(), CALLS.len());
}

#[test]
fn only_its_owner_can_read_a_journal() {
    use std::os::unix::fs::PermissionsExt as _;
    let (_home, path) = home();
    write(&path, [1]);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn an_export_has_a_line_for_each_result() {
    let (_home, path) = home();
    let mut long = record(3);
    long.args = vec![0; 5000].into();
    let mut journal = open(&path);
    journal.queue().push([(record(2), 2), (long, 3)]);
    journal.close().unwrap();
    let mut lines = Vec::new();
    assert_eq!(export(&path, &mut lines).unwrap(), 2);
    let lines = String::from_utf8(lines).unwrap();
    let lines: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        lines,
        [
            serde_json::json!({ "function": "job::f", "input": 2, "arguments": [2], "value": [2, 2] }),
            serde_json::json!({ "function": "job::f", "input": 3, "arguments": null, "value": [3, 3, 3] }),
        ]
    );
}
