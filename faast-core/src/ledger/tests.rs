//! Promises of the ledger, a kill in the middle of a line included.

use std::time::{Duration, SystemTime};

use super::*;

fn cache(folder: &tempfile::TempDir) -> Arc<CacheFolder> {
    Arc::new(CacheFolder::at(folder.path().join("aws")))
}

fn ledger(folder: &tempfile::TempDir) -> Ledger {
    Ledger::new(cache(folder), "d1".into())
}

fn ranked(kind: &str, rank: u32) -> Resource {
    Resource { rank, ..Resource::new(kind, "faast-d1") }
}

fn cut(path: &Path, bytes: u64) {
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.set_len(file.metadata().unwrap().len() - bytes).unwrap();
}

#[test]
fn a_deployment_that_makes_nothing_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(&folder);
    ledger.deleted(&ranked("role", 0));
    ledger.close();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn an_intent_is_on_disk_with_all_that_deleting_needs() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(&folder);
    let expires = Some(SystemTime::UNIX_EPOCH + Duration::new(1_790_000_000, 7));
    let queue = Resource { region: "us-west-2".into(), expires, rank: 3, ..Resource::new("queue", "a \"b\"\n") };
    ledger.intent(&queue);
    assert_eq!(Ledger::read(&ledger.path()).unwrap(), [queue]);
}

#[test]
fn lower_ranks_come_first_and_then_what_was_made_last() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(&folder);
    for (kind, rank) in [("function", 9), ("role", 1), ("queue", 1)] {
        ledger.intent(&ranked(kind, rank));
    }
    ledger.intent(&ranked("role", 0));
    let open = Ledger::read(&ledger.path()).unwrap();
    assert_eq!(open, ledger.open());
    assert_eq!(open, [ranked("role", 0), ranked("queue", 1), ranked("function", 9)]);
}

#[test]
fn the_file_goes_when_everything_is_deleted_and_not_before() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(&folder);
    ledger.intent(&ranked("role", 0));
    ledger.intent(&ranked("queue", 0));
    ledger.deleted(&ranked("role", 0));
    ledger.close();
    assert_eq!(Ledger::read(&ledger.path()).unwrap(), [ranked("queue", 0)]);
    ledger.deleted(&ranked("queue", 0));
    ledger.close();
    ledger.close();
    assert!(!ledger.path().exists());
    ledger.intent(&ranked("late", 0));
    assert_eq!(Ledger::read(&ledger.path()).unwrap(), [ranked("late", 0)]);
}

#[test]
fn a_kill_in_the_middle_of_a_line_costs_that_line_only() {
    let folder = tempfile::tempdir().unwrap();
    let killed = ledger(&folder);
    killed.intent(&ranked("role", 0));
    let whole = fs::metadata(killed.path()).unwrap().len();
    killed.intent(&ranked("queue", 0));
    let line = fs::metadata(killed.path()).unwrap().len() - whole;
    // A missing line end alone loses nothing; every other cut loses the last line, whole or not there at all.
    cut(&killed.path(), 1);
    assert_eq!(Ledger::read(&killed.path()).unwrap().len(), 2);
    for _ in 1..line {
        cut(&killed.path(), 1);
        assert_eq!(Ledger::read(&killed.path()).unwrap(), [ranked("role", 0)]);
    }
}

#[test]
fn a_torn_ledger_can_be_taken_up_again() {
    let folder = tempfile::tempdir().unwrap();
    let killed = ledger(&folder);
    killed.intent(&ranked("role", 0));
    killed.intent(&ranked("queue", 0));
    cut(&killed.path(), 5);
    let resumed = Ledger::resume(cache(&folder), "d1".into()).unwrap();
    assert_eq!(resumed.open(), [ranked("role", 0)]);
    resumed.deleted(&ranked("role", 0));
    assert_eq!(Ledger::read(&resumed.path()).unwrap(), []);
    resumed.close();
    assert!(!resumed.path().exists());
}

#[test]
fn damaged_lines_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(&folder);
    ledger.intent(&ranked("role", 0));
    let mut bytes = b"\xff\xfe\n{\"op\":\"intent\"}\n\n[]\n".to_vec();
    bytes.extend(fs::read(ledger.path()).unwrap());
    fs::write(ledger.path(), bytes).unwrap();
    assert_eq!(Ledger::read(&ledger.path()).unwrap(), [ranked("role", 0)]);
}

#[test]
fn an_unwritable_ledger_stops_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let cache = cache(&folder);
    // A file where the folder of ledgers should be: refused for root too.
    cache.write(CacheFolder::LEDGER, b"").unwrap();
    let ledger = Ledger::new(cache, "d1".into());
    ledger.intent(&ranked("role", 0));
    ledger.intent(&ranked("queue", 0));
    assert!(ledger.state().warned);
    assert_eq!(ledger.open().len(), 2);
    ledger.deleted(&ranked("role", 0));
    ledger.deleted(&ranked("queue", 0));
    ledger.close();
}

#[test]
fn a_missing_ledger_is_an_error_with_its_path() {
    let error = Ledger::read(Path::new("/nowhere/x.jsonl")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.to_string().contains("/nowhere/x.jsonl"), "{error}");
}

#[test]
fn all_ledgers_of_a_provider_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let cache = cache(&folder);
    assert_eq!(Ledger::all(&cache).unwrap(), []);
    for deployment in ["d2", "d1"] {
        Ledger::new(cache.clone(), deployment.into()).intent(&ranked(deployment, 0));
    }
    cache.write("ledger/notes.txt", b"").unwrap();
    let found = Ledger::all(&cache).unwrap();
    let expected = ["d1", "d2"].map(|d| Unfinished {
        deployment: d.into(),
        resources: vec![Resource { deployment: Some(d.into()), ..ranked(d, 0) }],
        expires: None,
    });
    assert_eq!(found, expected);
}

#[test]
fn a_renewal_moves_the_expiry_of_all_that_is_left() {
    let at = |seconds| Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(&folder);
    for kind in ["role", "queue"] {
        ledger.intent(&Resource { expires: at(100), ..ranked(kind, 0) });
    }
    ledger.renewed(at(200).unwrap());
    ledger.deleted(&ranked("queue", 0));
    let found = Ledger::all(&cache(&folder)).unwrap().remove(0);
    assert_eq!(found.expires, at(200));
    assert_eq!(
        found.resources.iter().map(|left| (left.kind.as_str(), left.expires)).collect::<Vec<_>>(),
        [("role", at(200))]
    );
}

#[test]
fn a_renewal_makes_no_file() {
    let folder = tempfile::tempdir().unwrap();
    ledger(&folder).renewed(SystemTime::now());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_ledger_without_a_whole_line_is_done_with_after_a_day() {
    let folder = tempfile::tempdir().unwrap();
    let killed = ledger(&folder);
    killed.intent(&ranked("role", 0));
    cut(&killed.path(), 5);
    let found = Ledger::all(&cache(&folder)).unwrap().remove(0);
    let (soon, later) = (SystemTime::now(), SystemTime::now() + Duration::from_hours(25));
    assert!(found.resources.is_empty() && found.expires.is_some_and(|at| soon < at && at < later), "{found:?}");
}

#[test]
fn threads_write_whole_lines() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ledger(&folder);
    std::thread::scope(|scope| {
        for thread in 0..4u32 {
            let ledger = &ledger;
            scope.spawn(move || (0..5).for_each(|n| ledger.intent(&ranked(&format!("{thread}-{n}"), 0))));
        }
    });
    assert_eq!(Ledger::read(&ledger.path()).unwrap().len(), 20);
}
