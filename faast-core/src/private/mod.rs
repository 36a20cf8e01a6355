//! The glue that generated code calls; nothing here is for people.
//!
//! `#[faast::function]` writes as little code as it can and leaves the rest to this module: arguments go through
//! [`Argument`], [`Lent`] and [`LentOption`], results through [`Output`], errors through [`Errors`]. Each of them is made
//! in one `const` with all bounds on it, so that a type that does not cross the wire is reported once. What a type can do
//! is found out by [`Probe`]. Not covered by semantic versioning.

mod argument;
pub mod inspect;
mod output;
mod probe;
mod user_error;
mod validate;

use std::future::Future;

pub use inventory;

pub use self::argument::{
    Argument, ArgumentType, Arguments, Borrowing, Input, Lendable, Lent, LentOption, argument, borrowing, lent,
    lent_bytes, lent_option,
};
pub use self::output::{IsResult, Output, OutputType, output};
pub use self::probe::{Describe, Encode, Equal, Pair, Probe, Unknown, UnknownError, UnknownPair};
pub use self::user_error::Errors;
pub use self::validate::LossCheck;
pub use crate::call::{Call, StreamCall};
pub use crate::error::Error;
pub use crate::function::{Body, Emit, Ended, FunctionEntry, LocalFuture, Registered, fnv1a};
pub use crate::marked_name;
pub use crate::worker::{TestWorker, test_worker};

/// What `#[faast::main]` calls before anything else: a worker never returns from here.
pub fn worker_init() {
    crate::worker::init();
}

/// Runs the future of an `async fn main` on a tokio runtime of its own.
pub fn block_on_main<F: Future>(main: F) -> F::Output {
    crate::entry::tokio_main(main)
}
