//! Runs the bodies of functions as a worker does, on the bytes that their companions encoded.

use std::ops::ControlFlow;

use faast::__private::{Body, FunctionEntry, Registered, inspect, inventory};
use faast::{Call, Error, ErrorKind, StreamCall};
use faast_core::provider::Failure;
use serde::de::DeserializeOwned;

/// The value of a call that succeeds.
pub(crate) fn value<T>(call: Call<T>) -> T {
    let (entry, arguments) = inspect::arguments(&call).unwrap();
    let bytes = result(entry, &arguments).unwrap();
    inspect::decode(call, &bytes.into()).unwrap()
}

/// The failure of a call that fails in the worker.
pub(crate) fn failure<T>(call: Call<T>) -> Failure {
    let (entry, arguments) = inspect::arguments(&call).unwrap();
    drop(call);
    result(entry, &arguments).unwrap_err()
}

/// The items of a generator.
pub(crate) fn items<T: DeserializeOwned + serde::Serialize + 'static>(call: StreamCall<T>) -> Result<Vec<T>, Failure> {
    items_until(call, usize::MAX)
}

/// The items of a generator that is told to stop after some of them.
pub(crate) fn items_until<T>(call: StreamCall<T>, most: usize) -> Result<Vec<T>, Failure>
where
    T: DeserializeOwned + serde::Serialize + 'static,
{
    let (entry, arguments) = inspect::stream_arguments(&call).unwrap();
    drop(call);
    let mut items = Vec::new();
    let mut emit = |item: Vec<u8>| {
        items.push(faast_core::wire::decode_all(&item.into()).unwrap());
        if items.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let ended = match entry.body {
        Body::Iterator(body) => body(&arguments, &mut emit),
        Body::Stream(body) => block_on(body(&arguments, &mut emit)),
        other => panic!("`{}` is no generator: {other:?}", entry.name),
    };
    ended.map_err(|failure| *failure).map(|()| items)
}

/// What a function that is no generator leaves.
pub(crate) fn result(entry: &FunctionEntry, arguments: &[u8]) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let ended = match entry.body {
        Body::Sync(body) => body(arguments, &mut bytes),
        Body::Async(body) => block_on(body(arguments, &mut bytes)),
        other => panic!("`{}` is a generator: {other:?}", entry.name),
    };
    ended.map_err(|failure| *failure).map(|()| bytes)
}

/// The encoded arguments.
pub(crate) fn arguments<T>(call: &Call<T>) -> Vec<u8> {
    inspect::arguments(call).unwrap().1.to_vec()
}

/// Why the arguments can't be sent.
pub(crate) fn encoding_error<T>(call: &Call<T>) -> ErrorKind {
    inspect::arguments(call).unwrap_err().kind()
}

/// What a caller sees.
pub(crate) fn error(failure: &Failure) -> Error {
    inspect::error(failure.clone())
}

/// The registered function of that name.
pub(crate) fn entry(name: &str) -> &'static FunctionEntry {
    let found = inventory::iter::<Registered>.into_iter().find(|registered| registered.0.name == name);
    found.unwrap_or_else(|| panic!("`{name}` is not registered")).0
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}
