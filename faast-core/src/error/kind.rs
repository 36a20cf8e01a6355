//! Kinds of errors. A kind exists because a caller would act on it.

use std::fmt;

use crate::provider::RetryClass;

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $text:literal;)+) => {
        /// What kind of failure an [`Error`](crate::Error) is.
        ///
        /// ```
        /// # use faast_core::{Error, ErrorKind};
        /// fn advice(error: &Error) -> &'static str {
        ///     match error.kind() {
        ///         ErrorKind::OutOfMemory => "give it more `memory_mb`",
        ///         ErrorKind::Timeout | ErrorKind::Deadline => "give it more time",
        ///         ErrorKind::Throttled | ErrorKind::Unavailable | ErrorKind::WorkerLost => "run it again later",
        ///         _ => "read the hint",
        ///     }
        /// }
        ///
        /// let error = Error::new(ErrorKind::OutOfMemory, "the worker has used all of its 512 MiB");
        /// assert_eq!(advice(&error), "give it more `memory_mb`");
        /// assert_eq!(error.kind().to_string(), "out of memory");
        /// ```
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorKind {
            $($(#[doc = $doc])+ $name,)+
        }

        impl ErrorKind {
            /// Every kind, for tables.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The number on the wire; never reused.
            pub fn code(self) -> u8 {
                match self { $(Self::$name => $code,)+ }
            }

            /// The kind with that number.
            pub(crate) fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$name),)+ _ => None }
            }

            fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }
        }
    };
}

kinds! {
    /// The function returned `Err`; `<function>::error(&e)` gives it back if its type crosses the wire.
    User = 1, "user error";
    /// The function panicked.
    Panic = 2, "panic";
    /// The function ended its process: `exit`, `abort`, a segfault, a stack overflow.
    Crash = 3, "crash";
    /// The worker needed more memory than `memory_mb`.
    OutOfMemory = 4, "out of memory";
    /// An attempt took longer than `timeout`.
    Timeout = 5, "timeout";
    /// The call as a whole took longer than `deadline`.
    Deadline = 6, "deadline";
    /// The worker was ended by something else than the function, and retries did not help.
    WorkerLost = 7, "worker lost";
    /// The service failed in passing, and retries did not help.
    Unavailable = 8, "unavailable";
    /// The service's limits kept the call from running.
    Throttled = 9, "throttled";
    /// Credentials or permissions are missing.
    Denied = 10, "denied";
    /// Arguments or result are larger than the transport carries.
    TooLarge = 11, "too large";
    /// A value can't be encoded exactly; nothing was sent.
    Encode = 12, "encode";
    /// Bytes that arrived can't be decoded.
    Decode = 13, "decode";
    /// The worker has no such function.
    UnknownFunction = 14, "unknown function";
    /// Client and worker are of different builds.
    StaleBuild = 15, "stale build";
    /// The provider, or its mode, can't do that; nothing was sent.
    Unsupported = 16, "unsupported";
    /// The caller gave up.
    Canceled = 17, "canceled";
    /// The budget does not allow for the call.
    Budget = 18, "budget";
    /// The deployment failed.
    Deploy = 19, "deploy";
    /// An option or the program's set-up is wrong.
    Config = 20, "config";
    /// Something could not be removed.
    Cleanup = 21, "cleanup";
    /// A file or a system call failed on the client's side.
    Io = 22, "io";
    /// More calls of a map failed than it tolerates; the rest was not run.
    TooManyFailed = 24, "too many failed";
    /// A defect of faast or of a provider.
    Internal = 23, "internal";
}

impl ErrorKind {
    /// The kind that a transport's failure has unless the provider knows better.
    pub(crate) fn from_class(class: RetryClass) -> Self {
        match class {
            RetryClass::Throttled => Self::Throttled,
            RetryClass::Transient | RetryClass::Unreachable => Self::Unavailable,
            RetryClass::WorkerLost => Self::WorkerLost,
            RetryClass::Crash => Self::Crash,
            RetryClass::Timeout => Self::Timeout,
            RetryClass::OutOfMemory => Self::OutOfMemory,
            RetryClass::Panic => Self::Panic,
            RetryClass::User => Self::User,
            RetryClass::Permanent => Self::Internal,
            RetryClass::Canceled => Self::Canceled,
        }
    }

    /// The class of a failure that a worker reports with this kind.
    pub(crate) fn retry_class(self) -> RetryClass {
        match self {
            Self::User => RetryClass::User,
            Self::Panic => RetryClass::Panic,
            Self::Crash => RetryClass::Crash,
            Self::OutOfMemory => RetryClass::OutOfMemory,
            Self::Timeout => RetryClass::Timeout,
            Self::WorkerLost => RetryClass::WorkerLost,
            Self::Unavailable => RetryClass::Transient,
            Self::Throttled => RetryClass::Throttled,
            Self::Canceled => RetryClass::Canceled,
            _ => RetryClass::Permanent,
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_come_back_as_their_kind() {
        for kind in ErrorKind::ALL {
            assert_eq!(ErrorKind::from_code(kind.code()), Some(*kind));
        }
    }
}
