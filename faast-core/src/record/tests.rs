//! What is on disk while a run goes on, after it, and after many calls.

use std::fs;

use super::*;
use crate::provider::InstanceId;
use crate::stats::{Counters, Snapshot};

fn attempt(call: u64) -> Attempt {
    let at = call * 1_000;
    Attempt {
        call,
        number: 1,
        function: Some("tests::f"),
        submitted_us: at,
        queued_us: at + 10,
        sent_us: at + 30,
        started_us: Some(at + 70),
        ended_us: at + 990,
        run_us: Some(900),
        end: End::Answered,
        hedge: false,
        worker: Some(InstanceId(format!("worker-{}", call % 3).into())),
        usd: 0.5,
        peak_memory: Some(call),
    }
}

fn failure(call: u64, message: String) -> Note {
    Note::Failure(Box::new(Failure {
        at_us: call,
        call,
        index: Some(call),
        label: None,
        function: "tests::f",
        kind: ErrorKind::User,
        message,
        location: None,
        attempts: 1,
        elapsed_us: 5,
        log_url: Some(format!("https://logs/{call}")),
    }))
}

struct Rig {
    home: tempfile::TempDir,
    tape: Tape,
    recording: Recording,
}

fn rig() -> Rig {
    let home = tempfile::tempdir().unwrap();
    let tape = Tape::new(Instant::now());
    let header = Header { deployment: "01234567-89ab".into(), concurrency: 3, ..Header::default() };
    let counters = || Counters { completed: 7, ..Counters::default() };
    let look =
        move || Some(Snapshot { counters: counters(), limit: 2, in_flight: 0, queued: 0, cost: CostReport::default() });
    let cache = Arc::new(CacheFolder::at(home.path()));
    let recording = Recording::start(cache, header, tape.clone(), Box::new(look)).unwrap();
    Rig { home, tape, recording }
}

impl Rig {
    fn read(&self) -> RecordedRun {
        let found = runs(&CacheFolder::at(self.home.path())).unwrap();
        assert_eq!(found.len(), 1);
        RecordedRun::open(&found[0]).unwrap()
    }
}

#[test]
fn a_run_can_be_read_from_its_first_moment_to_its_end() {
    let rig = rig();
    assert!(!rig.read().summary.finished);
    (0..10).for_each(|call| rig.tape.note(Note::Attempt(attempt(call))));
    rig.recording.flush(&CostReport::default());
    let run = rig.read();
    assert_eq!((run.rows.len(), run.summary.totals.attempts, run.summary.totals.completed), (10, 10, 7));
    assert!(!run.summary.finished);
    rig.tape.note(Note::Attempt(attempt(10)));
    rig.recording.finish(&CostReport::default());
    rig.recording.finish(&CostReport::default());
    let run = rig.read();
    assert_eq!((run.rows.len(), run.summary.finished), (11, true));
    let row = run.rows[4];
    // Not a worker's first attempt: the provider's word on the start counts.
    assert_eq!((row.sent_us, row.started_us, row.run_us, row.ended_us), (4_030, 4_070, 900, 4_990));
    // The first attempt of a worker waits for the worker itself.
    assert!(run.rows[0].cold && run.rows[0].started_us == 90, "{:?}", run.rows[0]);
    assert_eq!(run.summary.totals.cold, 3);
    let usd: f64 = run.summary.timeline.bins.iter().map(|bin| bin.usd).sum();
    assert!((usd - 5.5).abs() < 1e-9, "{usd}");
}

#[test]
fn notes_reach_the_disk_by_themselves() {
    let rig = rig();
    rig.tape.note(Note::Attempt(attempt(1)));
    while rig.read().rows.is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_long_run_takes_no_more_room_than_a_short_one() {
    let rig = rig();
    let size = |calls: std::ops::Range<u64>| {
        for call in calls {
            rig.tape.note(Note::Attempt(attempt(call)));
            rig.tape.note(failure(call, format!("input {call} is {}", "x".repeat(usize::try_from(call % 7).unwrap()))));
            if call % 5_000 == 0 {
                rig.recording.flush(&CostReport::default());
            }
        }
        let folder = rig.recording.flush(&CostReport::default());
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum::<u64>()
    };
    let (short, long) = (size(0..30_000), size(30_000..300_000));
    let run = rig.read();
    assert_eq!(run.summary.totals.attempts + run.summary.totals.unrecorded / 2, 300_000);
    assert_eq!(run.rows.len(), ROWS);
    assert!(long < short + short / 5 && long < 3 << 20, "{short} bytes, then {long}");
}

#[test]
fn errors_that_differ_in_numbers_are_one_group() {
    let rig = rig();
    (0..100).for_each(|call| rig.tape.note(failure(call, format!("input {call} is bad"))));
    rig.tape.note(failure(100, "something else".into()));
    rig.recording.finish(&CostReport::default());
    let errors = rig.read().summary.errors;
    let counts: Vec<_> = errors.iter().map(|group| (group.count, group.message.as_str())).collect();
    assert_eq!(counts, [(100, "input 0 is bad"), (1, "something else")]);
    assert_eq!((errors[0].calls.len(), errors[0].log_urls[0].as_str()), (5, "https://logs/0"));
}

#[test]
fn a_line_that_was_cut_off_costs_that_line_only() {
    let rig = rig();
    (0..3).for_each(|call| rig.tape.note(Note::Attempt(attempt(call))));
    let folder = rig.recording.flush(&CostReport::default());
    let path = folder.join(ROWS_FILE);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, &text[..text.len() - 4]).unwrap();
    assert_eq!(rig.read().rows.len(), 2);
}
