//! The attribute macros of faast, `#[faast::function]` and `#[faast::main]`; use them through the `faast` crate.
//!
//! Generated code names `::faast::__private` and nothing else, so this crate depends on no other crate of faast. What a
//! function looks like is read in one place (`function::item`), judged while its parameters and its result are read
//! (`function::parameter`, `function::output`), and written in one place (`function::expand`). All that is wrong with a
//! function is reported at once, on the user's own tokens.

#![forbid(unsafe_code)]

mod diagnostic;
mod entry_point;
mod function;
mod option;

use proc_macro::TokenStream;

/// Makes a function callable on a cloud: leaves it as it is, and adds a companion of the same name that makes calls.
///
/// ```text
/// /// An ordinary function: it can be called, tested and documented as one.
/// #[faast::function]
/// pub fn hello(name: &str) -> String {
///     format!("hello {name}!")
/// }
///
/// let call: faast::Call<String> = hello::call("world"); // encodes the arguments, runs nothing
/// ```
///
/// # Functions
///
/// `fn` and `async fn`, with any number of parameters:
///
/// - `T`, whatever serde writes and reads;
/// - `&X` and `Option<&X>`, also for `str`, `[T]` and `Path`: the worker decodes a `Box<X>` and lends it.
///
/// Results:
///
/// - `T` and `Result<T, E>` (by any path that ends in `Result`) give a [`Call<T>`]. `E` need not cross the wire; if it does,
///   the companion's `error(&e)` gives it back, and if not, its `Display` and those of its sources come back;
/// - `impl Iterator<Item = T>` and `impl Stream<Item = T>`, also within a `Result`, give a [`StreamCall<T>`].
///
/// # Options
///
/// | option | meaning |
/// |---|---|
/// | `idempotent = false` | never sent again once it may have run |
/// | `version = n` | part of the signature: clients and workers of different versions refuse each other |
/// | `name = ".."` | the registered name, instead of the path of the function |
/// | `companion = ident` | the companion's name, where the function's is taken by a module or a type |
/// | `crate = path` | where `faast` is, if it was renamed or is re-exported |
///
/// [`Call<T>`]: https://docs.rs/faast/latest/faast/struct.Call.html
/// [`StreamCall<T>`]: https://docs.rs/faast/latest/faast/struct.StreamCall.html
#[proc_macro_attribute]
pub fn function(options: TokenStream, item: TokenStream) -> TokenStream {
    function::expand(options.into(), &item.into()).into()
}

/// Makes `main` the entry of clients and of workers: looks whether this process is a worker before anything else.
///
/// Takes `async fn main`, which runs on a tokio runtime with a thread for each core, and `fn main`.
///
/// ```text
/// #[faast::main]
/// async fn main() -> faast::Result<()> {
///     Ok(())
/// }
/// ```
///
/// A program that needs a runtime of its own calls `faast::worker::init()` first in a plain `fn main` instead.
#[proc_macro_attribute]
pub fn main(options: TokenStream, item: TokenStream) -> TokenStream {
    entry_point::expand(options.into(), &item.into()).into()
}
