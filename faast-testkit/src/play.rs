//! Functions of every kind that a worker has to survive, by hand: for tests of a provider's worker, which play its client.

#![expect(clippy::panic, reason = "one of them panics, because that is what it is for")]

use std::ops::ControlFlow;
use std::time::Duration;

use faast_core::function::{Body, FunctionEntry, Registered};

macro_rules! functions {
    ($($(#[doc = $doc:literal])+ $name:ident = $body:expr;)+) => {$(
        $(#[doc = $doc])+
        pub static $name: FunctionEntry = FunctionEntry {
            name: concat!("faast_testkit::play::", stringify!($name)),
            signature: 1,
            location: concat!(file!(), ":", line!(), ":", column!()),
            idempotent: true,
            body: $body,
        };

        faast_core::inventory::submit! { Registered(&$name) }
    )+};
}

functions! {
    /// Gives its arguments back.
    ECHO = Body::Sync(|args, result| {
        result.extend_from_slice(args);
        Ok(())
    });
    /// Gives each byte of its arguments as an item.
    ITEMS = Body::Iterator(|args, emit| {
        for byte in args {
            if emit(vec![*byte]).is_break() {
                break;
            }
        }
        Ok(())
    });
    /// Gives items, and never ends by itself.
    ENDLESS = Body::Iterator(|_, emit| {
        while emit(vec![7]) == ControlFlow::Continue(()) {
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    });
    /// Takes a minute.
    SLEEP = Body::Sync(|_, _| {
        std::thread::sleep(Duration::from_mins(1));
        Ok(())
    });
    /// Takes long enough for a signal to come meanwhile, and gives one byte.
    NAP = Body::Sync(|_, result| {
        std::thread::sleep(Duration::from_millis(700));
        result.push(1);
        Ok(())
    });
    /// Panics with `oh no`.
    PANIC = Body::Sync(|_, _| panic!("oh no"));
    /// Ends its process.
    EXIT = Body::Sync(|_, _| std::process::exit(3));
    /// As many random bytes as its arguments say, in little endian; with others, none.
    LARGE = Body::Sync(|args, result| {
        let size = args.try_into().map_or(0, u32::from_le_bytes);
        let mut random = fastrand::Rng::with_seed(size.into());
        result.extend(std::iter::repeat_with(|| random.u8(..)).take(size as usize));
        Ok(())
    });
    /// Takes 200 MiB and keeps them for a minute.
    GREEDY = Body::Sync(|_, _| {
        let held = std::hint::black_box(vec![1_u8; 200 << 20]);
        std::thread::sleep(Duration::from_mins(1));
        drop(held);
        Ok(())
    });
}
