//! The promise of the wire format, over generated values: exactly as it went, or a typed error at the caller.
//!
//! [`Value`] has a variant for each kind of value that formats are known to lose. Every kind must have come back at the
//! end, and every kind that has a reason to be refused must have been refused, or the generator is not worth its name.

#![expect(clippy::option_option, reason = "what is tested")]

mod strategy;
mod value;

use std::collections::BTreeMap;

use faast_core::{ErrorKind, wire};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde::{Deserialize, Serialize};

use self::strategy::value;
use self::value::{KINDS, REFUSED, Value};

/// What serde reads through its buffers as a whole.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
#[serde(untagged)]
enum Buffered {
    It(Value),
}

/// Whether the value came back; `false` when it was refused with a reason.
fn promise<T>(value: &T, may_be_refused: bool) -> Result<bool, TestCaseError>
where
    T: wire::Wire + PartialEq + std::fmt::Debug + 'static,
{
    let mut out = b"before".to_vec();
    match wire::encode_value(value, &mut out) {
        Ok(()) => {
            let mut input = &out[6..];
            let back = wire::decode_next::<T>(&mut input).map_err(|error| TestCaseError::fail(format!("{error:?}")))?;
            prop_assert_eq!(&back, value);
            prop_assert!(input.is_empty());
            Ok(true)
        }
        Err(error) => {
            prop_assert_eq!(error.kind(), ErrorKind::Encode);
            prop_assert!(error.hint().is_some());
            prop_assert!(may_be_refused, "{:?}", error);
            prop_assert_eq!(&out[..], b"before");
            Ok(false)
        }
    }
}

fn run<S: Strategy>(
    cases: u32,
    strategy: &S,
    test: impl Fn(S::Value) -> Result<(), TestCaseError>,
) -> Result<(), String> {
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
    runner.run(strategy, test).map_err(|error| error.to_string())
}

#[test]
fn a_value_comes_back_exactly_or_is_refused_at_the_caller() {
    let counters = std::cell::RefCell::new((BTreeMap::<String, u32>::new(), BTreeMap::<String, u32>::new()));
    run(5_000, &value(), |value| {
        let came = promise(&value, value.may_be_refused(false))?;
        {
            let (back, refused) = &mut *counters.borrow_mut();
            *if came { back } else { refused }.entry(value.kind()).or_default() += 1;
        }
        let may_be_refused = value.may_be_refused(true);
        promise(&Buffered::It(value), may_be_refused)?;
        Ok(())
    })
    .unwrap();
    let (back, refused) = counters.into_inner();
    for kind in KINDS {
        assert!(back.contains_key(*kind), "no `{kind}` came back: {back:?}");
    }
    for kind in REFUSED {
        assert!(refused.contains_key(*kind), "no `{kind}` was refused: {refused:?}");
    }
    assert_eq!(back.len(), KINDS.len(), "a kind is missing in KINDS: {back:?}");
}

#[test]
fn the_deepest_value_fits_on_the_stack_of_a_thread() {
    let deep = |depth| (0..depth).fold(Value::Unit, |value, _| Value::List(vec![value]));
    // A variant and its list are two levels.
    let most = wire::MAX_DEPTH / 2;
    assert!(promise(&deep(most), false).unwrap());
    assert!(promise(&Buffered::It(deep(most)), false).unwrap());
    assert!(!promise(&deep(most + 1), true).unwrap());
}

#[test]
fn hostile_values_never_panic() {
    run(300, &(value(), any::<prop::sample::Index>(), any::<u8>()), |(value, at, byte)| {
        let mut out = Vec::new();
        if wire::encode_value(&value, &mut out).is_err() || out.len() > 2_000 {
            return Ok(());
        }
        for end in 0..out.len() {
            prop_assert!(wire::decode_next::<Value>(&mut &out[..end]).is_err());
            let _ = wire::decode_next::<Buffered>(&mut &out[..end]).is_ok();
        }
        let at = at.index(out.len());
        out[at] = byte;
        let _ = wire::decode_next::<Value>(&mut &out[..]).is_ok();
        let _ = wire::decode_next::<Buffered>(&mut &out[..]).is_ok();
        Ok(())
    })
    .unwrap();
}

#[test]
fn random_bytes_never_panic() {
    run(3_000, &vec(any::<u8>(), 0..60), |bytes| {
        let _ = wire::decode_next::<Value>(&mut &bytes[..]).is_ok();
        let _ = wire::decode_next::<Buffered>(&mut &bytes[..]).is_ok();
        let _ = wire::decode_next::<Vec<u8>>(&mut &bytes[..]).is_ok();
        let _ = wire::decode_next::<serde_json::Value>(&mut &bytes[..]).is_ok();
        Ok(())
    })
    .unwrap();
}
