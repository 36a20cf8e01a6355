//! Values that change on their way without any format noticing are reported by name.

use std::io;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use tracing_subscriber::util::SubscriberInitExt;

use crate::support::{items, value};

/// Loses its cache, and lies about nothing else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Lossy {
    kept: u32,
    #[serde(skip)]
    lost: u32,
}

/// Loses its cache, and nobody can see it.
#[derive(Clone, Serialize, Deserialize)]
struct Unseen {
    #[serde(skip)]
    lost: u32,
}

const FULL: Lossy = Lossy { kept: 1, lost: 2 };

#[faast::function]
fn takes(first: u32, second: Lossy) -> u32 {
    first + second.kept + second.lost
}

#[faast::function]
fn lends(text: &str, lent: &Lossy, perhaps: Option<&Lossy>) -> usize {
    text.len() + usize::from(lent == &FULL) + usize::from(perhaps.is_some())
}

#[faast::function]
fn gives() -> Lossy {
    FULL
}

#[faast::function]
fn yields() -> impl Iterator<Item = Lossy> {
    [FULL, FULL].into_iter()
}

#[faast::function]
fn not_a_number(x: f64, list: Vec<f64>) -> f64 {
    x + list[0]
}

#[faast::function]
fn unseen(value: Unseen) -> u32 {
    value.lost
}

#[faast::function]
fn often(value: Lossy) -> u32 {
    value.kept
}

#[test]
fn an_argument_that_loses_something_is_named() {
    let said = said_by(|| drop(takes::call(1, FULL)));
    assert!(said.contains("argument `second` of `function::loss::takes`"), "{said}");
    assert!(!said.contains("`first`"), "{said}");
}

#[test]
fn a_lent_argument_that_loses_something_is_named() {
    let said = said_by(|| drop(lends::call("x", &FULL, Some(&FULL))));
    assert!(
        said.contains("argument `lent` of `function::loss::lends`") && said.contains("argument `perhaps`"),
        "{said}"
    );
}

#[test]
fn a_result_that_loses_something_is_named() {
    let said = said_by(|| assert_eq!(value(gives::call()).kept, 1));
    assert!(said.contains("the result of `function::loss::gives`"), "{said}");
    let said = said_by(|| assert_eq!(items(yields::call()).unwrap().len(), 2));
    assert!(said.contains("the result of `function::loss::yields`"), "{said}");
}

#[test]
fn what_is_not_equal_to_itself_says_nothing() {
    assert_eq!(said_by(|| assert!(value(not_a_number::call(f64::NAN, vec![f64::NAN])).is_nan())), "");
}

#[test]
fn what_cannot_be_compared_is_listed_once() {
    let said = said_by(|| {
        for _ in 0..3 {
            assert_eq!(value(unseen::call(Unseen { lost: 3 })), 0);
        }
    });
    assert_eq!(said.matches("argument `value` of `function::loss::unseen`").count(), 1, "{said}");
}

#[test]
fn only_the_first_calls_are_compared() {
    let said = said_by(|| {
        for _ in 0..9 {
            drop(often::call(FULL));
        }
    });
    assert_eq!(said.matches("argument `value` of `function::loss::often`").count(), 3, "{said}");
}

/// What faast logged on this thread.
fn said_by(run: impl FnOnce()) -> String {
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);
    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
    let guard = subscriber.set_default();
    run();
    drop(guard);
    String::from_utf8(log.0.lock().unwrap().clone()).unwrap()
}
