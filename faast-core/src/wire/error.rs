//! Errors inside the wire format, and how they become faast's own with a hint that says what to write instead.
//!
//! serde makes one of these for every variant of an untagged enum that it tries, so they stay small.

use std::any::type_name;
use std::fmt;

use crate::error::{Error, ErrorKind};

/// Why a value can't be encoded or bytes can't be decoded.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    /// The input ends within a value.
    #[error("the data ends within a value")]
    Truncated,
    /// More levels than [`MAX_DEPTH`](super::MAX_DEPTH).
    #[error("it is nested more than {} levels deep", super::MAX_DEPTH)]
    Depth,
    /// A string, a byte string or a collection of 2^32 or more.
    #[error("a string or collection in it has 2^32 elements or more")]
    TooLong,
    /// Bytes that faast never writes.
    #[error("the data is not in faast's format: {0}")]
    Malformed(&'static str),
    /// A 128-bit integer where serde has to buffer.
    #[error("a 128-bit integer in it does not survive serde's buffering ({0})")]
    Buffered128(Box<str>),
    /// What serde or the type's own implementation says.
    #[error("{0}")]
    Custom(Box<str>),
}

impl serde::ser::Error for WireError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Custom(message.to_string().into())
    }
}

impl serde::de::Error for WireError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Custom(message.to_string().into())
    }
}

impl WireError {
    /// The error of a caller whose value can't be sent.
    #[cold]
    pub(super) fn encoding<T: ?Sized>(self) -> Error {
        let message = format!("`{}` can't be encoded exactly: {self}", type_name::<T>());
        Error::new(ErrorKind::Encode, message).with_hint(self.way_out())
    }

    /// The error of whoever got the bytes.
    #[cold]
    pub(super) fn decoding<T: ?Sized>(self) -> Error {
        let message = format!("the data is no `{}`: {self}", type_name::<T>());
        Error::new(ErrorKind::Decode, message).with_hint(
            "client and worker must be the same build, and `Deserialize` must accept what `Serialize` writes",
        )
    }

    fn way_out(&self) -> &'static str {
        match self {
            Self::Depth => "send a flat form, such as a Vec of nodes that refer to each other by index",
            Self::TooLong => "split the value into several calls",
            Self::Buffered128(_) => {
                "put the 128-bit integer outside of the untagged, flattened or internally tagged type, or send it as a string"
            }
            // The two messages of serde's own implementations that name a limit of the value rather than of the type.
            Self::Custom(text) if text.contains("UTF-8") => "send the path as an OsString, which may hold any bytes",
            Self::Custom(text) if text.contains("UNIX_EPOCH") => "send a time before 1970 as signed seconds",
            _ => "send another type that serde can write and read back, and convert it in the function",
        }
    }
}
