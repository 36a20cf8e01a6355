//! Results on their way back: a value, or the items of a generator.

use std::fmt;
use std::ops::ControlFlow;
use std::pin::pin;

use futures_core::Stream;
use futures_util::StreamExt;

use super::argument::Arguments;
use super::probe::{Encode, Equal};
use super::validate::LossCheck;
use crate::call::{Call, StreamCall};
use crate::error::{Error, ErrorKind, Result};
use crate::function::{Emit, Ended, FunctionEntry};
use crate::provider::Failure;
use crate::wire::{self, Wire};

/// The type of a function's results, or of a generator's items.
#[diagnostic::on_unimplemented(
    message = "a result of type `{Self}` can't be sent back from a worker",
    label = "needs `serde::Serialize` and `serde::Deserialize`, for itself and for everything in it",
    note = "write `#[derive(serde::Serialize, serde::Deserialize)]` on the types of this crate",
    note = "an error type need not have it: `Result<T, E>` needs it for `T` alone"
)]
pub trait OutputType: Wire {}

#[diagnostic::do_not_recommend]
impl<T: Wire> OutputType for T {}

/// `Result` under all its names: `io::Result<T>`, `anyhow::Result<T>`, `faast::Result<T>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is called `Result` but is not `std::result::Result`",
    note = "give the type another name, or return a `Result`"
)]
pub trait IsResult {
    /// What it holds if all is well.
    type Ok;
    /// What it holds if not.
    type Err;

    /// The plain type.
    ///
    /// # Errors
    ///
    /// What it holds.
    fn into_result(self) -> Result<Self::Ok, Self::Err>;
}

impl<T, E> IsResult for Result<T, E> {
    type Ok = T;
    type Err = E;

    fn into_result(self) -> Self {
        self
    }
}

/// Results of one function.
pub struct Output<T> {
    encode: Encode<T>,
    decode: fn(&mut &[u8]) -> Result<T>,
    equal: Option<Equal<T>>,
    call: fn(&'static FunctionEntry, Result<Vec<u8>>) -> Call<T>,
    stream_call: fn(&'static FunctionEntry, Result<Vec<u8>>) -> StreamCall<T>,
}

/// Results of a function that gives `T`, or a generator that gives many.
pub const fn output<T: OutputType + 'static>(equal: Option<Equal<T>>) -> Output<T> {
    Output {
        encode: wire::encode_value::<T>,
        decode: wire::decode_next::<T>,
        equal,
        call: Call::new,
        stream_call: StreamCall::new,
    }
}

impl<T> Output<T> {
    /// A call of the function.
    pub fn call(&self, arguments: Arguments) -> Call<T> {
        let (entry, encoded) = arguments.finish();
        (self.call)(entry, encoded)
    }

    /// A call of the generator.
    pub fn stream_call(&self, arguments: Arguments) -> StreamCall<T> {
        let (entry, encoded) = arguments.finish();
        (self.stream_call)(entry, encoded)
    }

    /// Encodes the result.
    ///
    /// # Errors
    ///
    /// It does not survive the wire.
    #[expect(clippy::needless_pass_by_value, reason = "the result ends here")]
    pub fn put(&self, value: T, bytes: &mut Vec<u8>, entry: &FunctionEntry, check: &LossCheck) -> Ended {
        let start = bytes.len();
        (self.encode)(&value, bytes).map_err(|error| Box::new(failed(&error)))?;
        let checking = check.begin();
        if checking.wanted() {
            let back = (self.decode)(&mut &bytes[start..]).map_err(|error| Box::new(failed(&error)))?;
            checking.compare(entry, "the result", self.equal, &value, &back);
        }
        Ok(())
    }

    /// Sends the items of an iterator until it ends or nobody listens.
    ///
    /// # Errors
    ///
    /// An item does not survive the wire.
    pub fn drain(
        &self,
        items: impl Iterator<Item = T>,
        emit: Emit<'_>,
        entry: &FunctionEntry,
        check: &LossCheck,
    ) -> Ended {
        for item in items {
            if self.emit(item, emit, entry, check)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Sends the items of a stream until it ends or nobody listens.
    ///
    /// # Errors
    ///
    /// An item does not survive the wire.
    pub async fn forward(
        &self,
        items: impl Stream<Item = T>,
        emit: Emit<'_>,
        entry: &FunctionEntry,
        check: &LossCheck,
    ) -> Ended {
        let mut items = pin!(items);
        while let Some(item) = items.next().await {
            if self.emit(item, emit, entry, check)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn emit(
        &self,
        item: T,
        emit: &mut dyn FnMut(Vec<u8>) -> ControlFlow<()>,
        entry: &FunctionEntry,
        check: &LossCheck,
    ) -> Result<ControlFlow<()>, Box<Failure>> {
        let mut bytes = Vec::new();
        self.put(item, &mut bytes, entry, check)?;
        Ok(emit(bytes))
    }
}

fn failed(error: &Error) -> Failure {
    let mut failure = Failure::new(ErrorKind::Encode, format!("result: {}", error.message()));
    failure.chain.extend(error.hint().map(str::to_owned));
    failure
}

impl<T> fmt::Debug for Output<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").finish_non_exhaustive()
    }
}
