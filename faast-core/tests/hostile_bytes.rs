//! Everything in core that reads bytes from outside, fed with damaged ones: never a panic, and never a buffer as long as
//! a lie about a length claims.
//!
//! One process, one test: what it may take is measured as the process's own address space.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

#[cfg(feature = "zstd")]
use bytes::BytesMut;
use faast_core::ErrorKind;
use faast_core::cache::{CacheFolder, is_fresh};
use faast_core::function::mark;
use faast_core::ledger::Ledger;
use faast_core::provider::{
    BlobKey, BlobRef, CallFrame, CallId, DeploymentId, Event, Failure, FunctionId, InstanceId, Metering, Outcome,
    Payload, Request, Resource, TraceContext,
};
#[cfg(feature = "zstd")]
use faast_core::wire::sealed;
use faast_core::wire::{self, frame};
use faast_core::worker::Mark;
use faast_testkit::hostile;

/// Damaged inputs of each kind.
const EACH: u64 = 20_000;

/// Files take longer than bytes in memory.
const FILES: u64 = 1_500;

/// Address space that all of this may take: far below what a length of four bytes can claim.
const MOST_KIB: u64 = 512 << 10;

fn request() -> Vec<u8> {
    let call = |id, args| CallFrame {
        id: CallId(id),
        attempt: 1,
        function: FunctionId { name: "hostile::function".into(), signature: 7 },
        timeout: Duration::from_mins(1),
        args,
        trace: Some(TraceContext("00-01-02".into())),
    };
    let blob = BlobRef { key: BlobKey("key".into()), len: 1 << 30, sha256: [7; 32] };
    let request = Request {
        deployment: DeploymentId::from("d1"),
        build: 5,
        calls: vec![call(1, Payload::Inline(vec![1, 2, 3].into())), call(2, Payload::Blob(Box::new(blob)))],
    };
    let mut bytes = Vec::new();
    frame::encode_request(&request, &mut bytes);
    bytes
}

fn events() -> Vec<u8> {
    let failure = Failure {
        chain: vec!["because".into()],
        value: Some(vec![9; 5].into()),
        ..Failure::new(ErrorKind::User, "no")
    };
    let metering = Metering { peak_memory: Some(1 << 20), ..Metering::default() };
    let all = [
        Event::Started { call: CallId(1), instance: InstanceId("worker-1".into()), execution: None },
        Event::Item { call: CallId(1), seq: 0, body: Payload::Inline(vec![4; 40].into()) },
        Event::Done {
            call: CallId(1),
            outcome: Outcome::Ok(Payload::Inline(vec![5; 9].into())),
            metering: metering.clone(),
        },
        Event::Done { call: CallId(2), outcome: Outcome::Err(Box::new(failure)), metering },
        Event::Returned { call: CallId(3) },
    ];
    let mut bytes = Vec::new();
    for event in &all {
        frame::encode_event(event, &mut bytes);
    }
    bytes
}

/// A value of most of the shapes that there are.
type Shapes = (Vec<Option<String>>, BTreeMap<u32, Vec<u64>>, Vec<u8>, Vec<()>, (f64, i128, bool));

fn value() -> Vec<u8> {
    let value: Shapes = (
        vec![Some("text".into()), None],
        [(1, vec![2, 3]), (4, vec![])].into(),
        vec![0; 300],
        vec![(); 3],
        (1.5, -7, true),
    );
    let mut bytes = Vec::new();
    wire::encode_value(&value, &mut bytes).unwrap();
    bytes
}

fn of_wire() {
    let (request, events, value) = (request(), events(), value());
    assert!(frame::decode_request(request.clone().into()).is_ok());
    assert_eq!(frame::decode_events(events.clone().into()).flatten().count(), 5);
    assert!(wire::decode_all::<Shapes>(&value.clone().into()).is_ok());
    for seed in 0..EACH {
        let _ = black_box(frame::decode_request(hostile::bytes(seed, &request).into()));
        let _ = black_box(frame::decode_events(hostile::bytes(seed, &events).into()).collect::<Vec<_>>());
        let _ = black_box(wire::decode_all::<Shapes>(&hostile::bytes(seed, &value).into()));
    }
}

#[cfg(feature = "zstd")]
fn of_sealed() {
    let mut long = vec![0];
    long.extend((0..5_000_u32).flat_map(|n| (n / 7).to_le_bytes()));
    for frame in [[&[0][..], &events()].concat(), long] {
        let whole = sealed::seal(frame).unwrap();
        let mut stream = sealed::length_of(&whole).unwrap().to_vec();
        stream.extend_from_slice(&whole);
        for seed in 0..EACH {
            let _ = black_box(sealed::open(hostile::bytes(seed, &whole).into()));
            let mut received = BytesMut::from(&hostile::bytes(seed, &stream)[..]);
            while let Some(event) = sealed::take_event(&mut received) {
                let _ = black_box(sealed::open(event));
            }
        }
    }
}

fn of_ledgers(home: &Path) {
    let cache = Arc::new(CacheFolder::at(home.join("ledgers")));
    let ledger = Ledger::new(Arc::clone(&cache), DeploymentId::from("d1"));
    let now = SystemTime::UNIX_EPOCH + Duration::from_hours(500_000);
    for rank in 0..4 {
        let mut resource = Resource::new("role", format!("faast-{rank}"));
        (resource.rank, resource.created, resource.expires) = (rank, Some(now), Some(now));
        ledger.intent(&resource);
        ledger.renewed(now + Duration::from_secs(rank.into()));
    }
    let path = ledger.path();
    let valid = fs::read(&path).unwrap();
    for seed in 0..FILES {
        fs::write(&path, hostile::text(seed, &valid)).unwrap();
        let _ = black_box(Ledger::read(&path));
        let found = Ledger::all(&cache).unwrap();
        assert_eq!(found.len(), 1);
        let resumed = Ledger::resume(Arc::clone(&cache), DeploymentId::from("d1")).unwrap();
        black_box(resumed.open());
    }
}

fn of_names_and_times(home: &Path) {
    let mark = mark::write::<{ mark::len("hostile::function") }>("hostile::function", 0x0123_4567_89ab_cdef);
    assert!(mark::read(&mark).is_some());
    let words = Mark::for_child("local").to_string();
    let file = home.join("entry");
    fs::write(&file, "x").unwrap();
    for seed in 0..EACH {
        black_box(mark::read(&hostile::bytes(seed, &mark)));
        let words = hostile::text(seed, words.as_bytes());
        black_box(Mark::parse(&String::from_utf8_lossy(&words)));
    }
    // Clocks jump, and files have the times of other clocks.
    for seconds in [0, 1, u64::from(u32::MAX), i64::MAX.unsigned_abs() / 2] {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        for age in [Duration::ZERO, CacheFolder::MAX_AGE, Duration::MAX] {
            black_box(is_fresh(&file, age, now));
        }
    }
}

#[test]
fn damaged_bytes_are_errors_and_take_no_more_memory_than_they_are_long() {
    let home = tempfile::tempdir().unwrap();
    let before = hostile::peak_kib().unwrap();
    of_wire();
    #[cfg(feature = "zstd")]
    of_sealed();
    of_ledgers(home.path());
    of_names_and_times(home.path());
    let taken = hostile::peak_kib().unwrap() - before;
    println!(
        "{EACH} damaged inputs of each kind, {FILES} of each kind of file, {} MiB more address space",
        taken >> 10
    );
    assert!(taken < MOST_KIB, "{taken} KiB");
    // What shows that this can fail.
    black_box(Vec::<u8>::with_capacity(4 << 30));
    assert!(hostile::peak_kib().unwrap() - before > MOST_KIB);
}
