//! The user's own errors: they come back as themselves where their type crosses the wire, and as their words in any case.

use std::any::type_name;
use std::fmt;

use bytes::Bytes;

use super::probe::Describe;
use crate::error::{Error, ErrorKind};
use crate::function::FunctionEntry;
use crate::provider::Failure;

/// Errors of one function. The fields are what [`Probe`](super::Probe) knows about `E`.
pub struct Errors<E> {
    /// Encodes it, if it crosses the wire.
    pub encode: Option<fn(&E) -> Option<Bytes>>,
    /// Decodes it, if it crosses the wire.
    pub decode: Option<fn(&Bytes) -> Option<E>>,
    /// Ways to put it into words, best first.
    pub describe: [Option<Describe<E>>; 5],
}

impl<E> Errors<E> {
    /// What the worker sends when the function returned this error.
    pub fn failure(&self, error: &E) -> Box<Failure> {
        let describe = self.describe.iter().find_map(|describe| *describe);
        let mut words = describe.map(|describe| describe(error)).unwrap_or_default().into_iter();
        let message = words.next().unwrap_or_else(|| format!("returned an error of type `{}`", type_name::<E>()));
        let value = self.encode.and_then(|encode| encode(error));
        Box::new(Failure { chain: words.collect(), value, ..Failure::new(ErrorKind::User, message) })
    }

    /// The error, if a call of this function failed with it.
    pub fn decode(&self, error: &Error, entry: &FunctionEntry) -> Option<E> {
        let ours = error.function().is_none_or(|function| function == entry.name);
        let value = error.value().filter(|_| ours && error.is_user())?;
        self.decode.and_then(|decode| decode(value))
    }
}

impl<E> fmt::Debug for Errors<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Errors").field("crosses_wire", &self.encode.is_some()).finish_non_exhaustive()
    }
}
