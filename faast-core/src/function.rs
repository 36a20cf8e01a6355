//! The registry: every `#[faast::function]` of the executable, found without a list kept by hand.

#[doc(hidden)]
pub mod mark;

use std::borrow::Cow;
use std::collections::HashMap;
use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::LazyLock;

use crate::error::{Error, ErrorKind, Result};
use crate::provider::{Failure, FunctionId};

/// What a function left: nothing (its result is in the buffer), or why it failed.
pub type Ended = Result<(), Box<Failure>>;

/// Takes the items of a generator, encoded; breaks when nobody listens any more.
pub type Emit<'a> = &'a mut dyn FnMut(Vec<u8>) -> ControlFlow<()>;

/// A future that stays on its thread.
pub type LocalFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// The compiled body of a registered function: decodes arguments, runs, encodes the result.
#[derive(Debug, Clone, Copy)]
pub enum Body {
    /// `fn`: runs on a plain thread.
    Sync(fn(&[u8], &mut Vec<u8>) -> Ended),
    /// `async fn`: runs on the worker's tokio runtime.
    Async(for<'a> fn(&'a [u8], &'a mut Vec<u8>) -> LocalFuture<'a, Ended>),
    /// `impl Iterator`: items go out as they are made.
    Iterator(fn(&[u8], Emit<'_>) -> Ended),
    /// `impl Stream`: likewise, on the worker's tokio runtime.
    Stream(for<'a> fn(&'a [u8], Emit<'a>) -> LocalFuture<'a, Ended>),
}

/// A registered function. Made by `#[faast::function]`.
///
/// ```
/// # use faast_core::function;
/// # mod count { pub use faast_testkit::probe::count_once as call; }
/// // #[faast::function(idempotent = false)] fn count(counter: u64) -> u64
/// let entry = function::lookup(count::call(1).function()).unwrap();
/// assert!(!entry.idempotent); // never sent again once it may have run
/// assert!(!entry.streams()); // one value, no items
/// ```
#[derive(Debug)]
pub struct FunctionEntry {
    /// The registered name. Generated code keeps it within the function's [`mark`].
    pub name: &'static str,
    /// Hash of the signature's text and the `version` attribute.
    pub signature: u64,
    /// `file:line:column` of the attribute.
    pub location: &'static str,
    /// Whether running it twice does no harm (`idempotent = false` says it does).
    pub idempotent: bool,
    /// Decodes, runs, encodes.
    pub body: Body,
}

impl FunctionEntry {
    /// The function as it goes over the wire.
    pub fn id(&self) -> FunctionId {
        FunctionId { name: Cow::Borrowed(self.name), signature: self.signature }
    }

    /// Whether that is this function, by the address of its name, as a decoded request has it.
    pub(crate) fn is(&self, id: &FunctionId) -> bool {
        id.signature == self.signature && std::ptr::eq(id.name.as_ref(), self.name)
    }

    /// Whether it is a generator function.
    pub fn streams(&self) -> bool {
        matches!(self.body, Body::Iterator(_) | Body::Stream(_))
    }
}

/// What `inventory` collects.
#[derive(Debug)]
pub struct Registered(pub &'static FunctionEntry);

inventory::collect!(Registered);

#[derive(Debug)]
struct Registry {
    functions: HashMap<&'static str, &'static FunctionEntry>,
    duplicate: Option<(&'static FunctionEntry, &'static FunctionEntry)>,
    fingerprint: u64,
}

static REGISTRY: LazyLock<Registry> =
    LazyLock::new(|| Registry::of(inventory::iter::<Registered>.into_iter().map(|registered| registered.0)));

impl Registry {
    fn of(entries: impl Iterator<Item = &'static FunctionEntry>) -> Self {
        let mut functions = HashMap::new();
        let mut duplicate = None;
        let mut fingerprint = FNV_OFFSET;
        for entry in entries {
            // A sum, because the order of registration is the linker's.
            fingerprint = fingerprint.wrapping_add(fnv1a(entry.name.as_bytes(), entry.signature));
            if let Some(other) = functions.insert(entry.name, entry) {
                duplicate = Some((other, entry));
            }
        }
        Self { functions, duplicate, fingerprint }
    }

    fn check(&self) -> Result<()> {
        let Some((first, second)) = self.duplicate else { return Ok(()) };
        let (name, here, there) = (first.name, first.location, second.location);
        let message = format!("two functions are registered as `{name}`: {here} and {there}");
        Err(Error::new(ErrorKind::Config, message)
            .with_hint("give one of them another name: #[faast::function(name = \"..\")]"))
    }
}

/// The function of that name.
pub fn lookup(name: &str) -> Option<&'static FunctionEntry> {
    REGISTRY.functions.get(name).copied()
}

/// Every registered function, in no order.
pub fn all() -> impl Iterator<Item = &'static FunctionEntry> {
    REGISTRY.functions.values().copied()
}

/// A number that two executables share if they have the same functions with the same signatures.
pub fn build_fingerprint() -> u64 {
    REGISTRY.fingerprint
}

/// Checks that every registered name is unique.
///
/// # Errors
///
/// [`ErrorKind::Config`], showing both places.
pub(crate) fn check_registry() -> Result<()> {
    REGISTRY.check()
}

/// An error for a function that is called but not linked in.
pub(crate) fn unknown(name: &str) -> Failure {
    let package = name.split("::").next().unwrap_or(name);
    let near = all().filter(|entry| entry.name.rsplit("::").next() == name.rsplit("::").next()).map(|entry| entry.name);
    let near: Vec<_> = near.collect();
    let hint = if near.is_empty() {
        format!("if it lives in another crate, that crate must be named once in the program: `use {package} as _;`")
    } else {
        format!("similar names here: {}", near.join(", "))
    };
    Failure {
        chain: vec![hint],
        ..Failure::new(ErrorKind::UnknownFunction, format!("the worker has no function `{name}`"))
    }
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a, 64 bits: a hash that is the same on every machine and can be computed at compile time.
pub const fn fnv1a(bytes: &[u8], seed: u64) -> u64 {
    let mut hash = FNV_OFFSET ^ seed;
    let mut i = 0;
    while i < bytes.len() {
        hash = (hash ^ bytes[i] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        i += 1;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    static HERE: FunctionEntry = entry("job::run", 1, "src/job.rs:1:1");
    static THERE: FunctionEntry = entry("job::run", 1, "src/other.rs:7:1");
    static CHANGED: FunctionEntry = entry("job::run", 2, "src/job.rs:1:1");
    static OTHER: FunctionEntry = entry("job::other", 1, "src/job.rs:9:1");

    const fn entry(name: &'static str, signature: u64, location: &'static str) -> FunctionEntry {
        FunctionEntry { name, signature, location, idempotent: true, body: Body::Sync(|_, _| Ok(())) }
    }

    #[test]
    fn two_functions_of_one_name_are_an_error_that_shows_both() {
        let error = Registry::of([&HERE, &OTHER, &THERE].into_iter()).check().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        for shown in ["`job::run`", "src/job.rs:1:1", "src/other.rs:7:1"] {
            assert!(error.message().contains(shown), "{error:?}");
        }
        assert!(Registry::of([&HERE, &OTHER].into_iter()).check().is_ok());
    }

    #[test]
    fn the_fingerprint_is_that_of_the_functions_in_any_order() {
        let fingerprint = |entries: [&'static FunctionEntry; 2]| Registry::of(entries.into_iter()).fingerprint;
        assert_eq!(fingerprint([&HERE, &OTHER]), fingerprint([&OTHER, &HERE]));
        assert_ne!(fingerprint([&HERE, &OTHER]), fingerprint([&CHANGED, &OTHER]));
    }
}
