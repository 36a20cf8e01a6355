//! Functions that compute, fail, wait and generate.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use faast_core::worker::context;
use serde::{Deserialize, Serialize};

use super::functions;

/// An error that crosses the wire with its fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Declined {
    pub(crate) code: u16,
    pub(crate) reason: Option<String>,
}

impl fmt::Display for Declined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "declined with code {}", self.code)
    }
}

/// When and where a call ran, by the worker's own clock, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Span {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) process: u32,
}

/// A key that is a struct.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Key {
    pub(crate) row: u8,
    pub(crate) column: char,
}

/// An enum with variants of every shape.
#[expect(clippy::option_option, reason = "formats lose nested options, which is why it is tested")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Kind {
    Unit,
    New(Option<Option<()>>),
    Tuple(i8, String),
    Struct { flag: bool },
}

/// A value of everything that formats like to get wrong.
#[expect(clippy::option_option, reason = "formats lose nested options, which is why it is tested")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Values {
    pub(crate) wide: (i128, u128, i64, u64),
    pub(crate) floats: Vec<f64>,
    pub(crate) text: String,
    pub(crate) letter: char,
    pub(crate) bytes: Vec<u8>,
    pub(crate) keyed: HashMap<Key, u32>,
    pub(crate) sorted: BTreeMap<String, Vec<()>>,
    pub(crate) set: HashSet<i16>,
    pub(crate) options: (Option<Option<u8>>, Option<()>, Option<Option<u8>>),
    pub(crate) kinds: Vec<Kind>,
    pub(crate) times: (Duration, SystemTime),
}

impl Values {
    /// Extremes of each.
    pub(crate) fn extreme() -> Self {
        Self {
            wide: (i128::MIN, u128::MAX, i64::MIN, u64::MAX),
            floats: vec![f64::INFINITY, f64::NEG_INFINITY, f64::MIN_POSITIVE, f64::EPSILON, 0.1 + 0.2],
            text: "Zwölf Boxkämpfer 跳过 🦊\0".into(),
            letter: '\u{10FFFF}',
            bytes: (0..=255).collect(),
            keyed: [(Key { row: 0, column: 'ß' }, u32::MAX), (Key { row: 255, column: '\0' }, 0)].into(),
            sorted: [(String::new(), Vec::new()), ("three".into(), vec![(); 3])].into(),
            set: [i16::MIN, 0, i16::MAX].into(),
            options: (Some(None), Some(()), Some(Some(0))),
            kinds: vec![
                Kind::Unit,
                Kind::New(Some(Some(()))),
                Kind::New(Some(None)),
                Kind::New(None),
                Kind::Tuple(i8::MIN, "two".into()),
                Kind::Struct { flag: true },
            ],
            times: (Duration::MAX, UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_789)),
        }
    }
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// How long a loop that has no end goes on in a thread of the client, where nothing can end it.
const GIVE_UP: Duration = Duration::from_secs(2);

/// What [`noise`] returns.
pub(crate) fn noisy(seed: u64, bytes: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..bytes).map(|_| random.u8(..)).collect()
}

/// Turns until the process is ended; in a thread of the client until some time after the time-out.
fn spin(client: u32) -> u64 {
    let mut turns = 0_u64;
    let mut over = None;
    loop {
        turns = std::hint::black_box(turns.wrapping_add(1));
        if turns.is_multiple_of(1 << 16) && std::process::id() == client {
            let late = context().time_left().is_some_and(|left| left.is_zero());
            let since = late.then(|| *over.get_or_insert_with(std::time::Instant::now));
            if since.is_some_and(|since| since.elapsed() > GIVE_UP) {
                return turns;
            }
        }
    }
}

functions! {
    /// The sum.
    value fn add(a: i64, b: i64) -> i64 {
        a + b
    }

    /// The sum, from an `async fn`.
    later fn add_later(a: i64, b: i64) -> i64 {
        tokio::time::sleep(Duration::from_millis(1)).await;
        a + b
    }

    /// Its argument.
    value fn identity(n: u64) -> u64 {
        n
    }

    /// Its argument.
    value fn echo(text: String) -> String {
        text
    }

    /// So many bytes that no compression makes fewer; the same for the same seed.
    value fn noise(seed: u64, bytes: usize) -> Vec<u8> {
        noisy(seed, bytes)
    }

    /// Its argument, bit by bit.
    value fn floats(wide: f64, narrow: f32) -> (f64, f32) {
        (wide, narrow)
    }

    /// Its argument.
    value fn values(values: Values) -> Values {
        values
    }

    /// An error of its own, unless the code is 0.
    fallible fn decline(code: u16) -> u16, Declined {
        if code == 0 { Ok(0) } else { Err(Declined { code, reason: Some("no funds".into()) }) }
    }

    /// A panic with that message; without one it returns.
    value fn explode(message: Option<String>) -> u64 {
        assert!(message.is_none(), "{}", message.unwrap_or_default());
        1
    }

    /// When it ran, for at least so many milliseconds.
    value fn span(milliseconds: u64) -> Span {
        let start = now();
        thread::sleep(Duration::from_millis(milliseconds));
        Span { start, end: now(), process: std::process::id() }
    }

    /// Nothing, when nobody waits for it any more or after so many milliseconds.
    value fn block(milliseconds: u64) -> u64 {
        let canceled = context().canceled();
        for _ in 0..milliseconds / 5 {
            if canceled.is_canceled() {
                break;
            }
            thread::sleep(Duration::from_millis(5));
        }
        milliseconds
    }

    /// Nothing, ever: a loop without an end. Only a thread of the client itself gives up some time after its time-out.
    value fn endless(client: u32) -> u64 {
        spin(client)
    }

    /// The attempt that it took, which is at least `wanted`.
    fallible fn attempt_of(wanted: u32) -> (u32, Option<String>), Declined {
        let context = context();
        if context.attempt() < wanted {
            return Err(Declined { code: 1, reason: None });
        }
        Ok((context.attempt(), context.idempotency_key()))
    }

    /// Counts one up, in this process, as often as it runs.
    value fn count_again(counter: u64) -> u64 {
        crate::probe::count(counter)
    }

    /// Counts one up, in this process. May not run twice.
    once fn count_once(counter: u64) -> u64 {
        crate::probe::count(counter)
    }

    /// So many numbers, with a pause before each but the first.
    generator fn count(items: u64, pause_milliseconds: u64) -> u64 {
        (0..items).inspect(move |item| {
            if *item > 0 && pause_milliseconds > 0 {
                thread::sleep(Duration::from_millis(pause_milliseconds));
            }
        })
    }

    /// So many numbers, and then a panic.
    generator fn count_then_panic(items: u64) -> u64 {
        (0..=items).inspect(move |item| assert!(*item < items, "no more than {items}"))
    }

    /// So many numbers, and then nothing, ever, like `endless`.
    generator fn count_then_hang(items: u64, client: u32) -> u64 {
        (0..items).chain(std::iter::once_with(move || spin(client)))
    }
}

mod strangers {
    //! Calls of functions that the worker does not have, or not so.

    use faast_core::function::{self, Body, FunctionEntry};
    use faast_core::{Call, Error, ErrorKind};

    use crate::remote::encode;

    static UNREGISTERED: FunctionEntry = FunctionEntry {
        name: "faast_testkit::add_unregistered",
        signature: 0,
        location: file!(),
        idempotent: true,
        body: Body::Sync(|_, _| Ok(())),
    };

    static OTHER_SIGNATURE: FunctionEntry = FunctionEntry {
        name: "faast_testkit::add",
        signature: 0,
        location: file!(),
        idempotent: true,
        body: Body::Sync(|_, _| Ok(())),
    };

    /// A call of a function that no worker has.
    pub(crate) fn add_unregistered(a: i64, b: i64) -> Call<i64> {
        Call::new(&UNREGISTERED, encode(&(a, b)))
    }

    /// A call of `add` with bytes that are no arguments.
    pub(crate) fn add_undecodable() -> Call<i64> {
        Call::new(function::lookup("faast_testkit::add").unwrap_or(&UNREGISTERED), Ok(vec![0xc1]))
    }

    /// A call whose arguments could not be encoded.
    pub(crate) fn add_unencodable() -> Call<i64> {
        Call::new(&UNREGISTERED, Err(Error::new(ErrorKind::Encode, "argument `a` can't be sent")))
    }

    /// A call of `add` as another build would make it.
    pub(crate) fn add_with_other_signature(a: i64, b: i64) -> Call<i64> {
        Call::new(&OTHER_SIGNATURE, encode(&(a, b)))
    }
}
pub(crate) use self::strangers::{add_undecodable, add_unencodable, add_unregistered, add_with_other_signature};
