//! The functions that the conformance suite calls on workers, registered without the attribute macro.
//!
//! `#[faast::function]` needs the facade, which this crate may not depend on; [`functions!`](self) makes the same
//! companions from the public parts of the registry. Functions here use nothing that a worker may not have.

mod value;
mod witness;
mod worker;

use bytes::Bytes;
use faast_core::function::Ended;
use faast_core::provider::Failure;
use faast_core::wire::{self, Wire};
use faast_core::{Error, ErrorKind, Result};
use serde::Serialize;

pub(crate) use self::value::{
    Declined, Span, Values, add, add_later, add_undecodable, add_unencodable, add_unregistered,
    add_with_other_signature, attempt_of, block, count, count_again, count_once, count_then_hang, count_then_panic,
    decline, echo, endless, explode, floats, identity, noise, noisy, span, values,
};
pub(crate) use self::witness::{heartbeat, once, pour};
pub(crate) use self::worker::{Crash, allocate, crash, die_once, read_file, variable};

/// Registers functions and gives each a companion with `call(..)`, as `#[faast::function]` does.
macro_rules! functions {
    ($($(#[doc = $doc:literal])+ $kind:ident fn $name:ident($($arg:ident: $type:ty),*) -> $out:ty $(, $error:ty)? $body:block)+) => {$(
        $(#[doc = $doc])+
        #[expect(non_camel_case_types, reason = "the companion of a function has its name")]
        pub(crate) struct $name {}

        const _: () = {
            const SIGNATURE: u64 =
                ::faast_core::function::fnv1a(stringify!(($($type),*) $out $(, $error)?).as_bytes(), 0);
            static ENTRY: ::faast_core::function::FunctionEntry = ::faast_core::function::FunctionEntry {
                name: ::faast_core::marked_name!(concat!("faast_testkit::", stringify!($name)), SIGNATURE),
                signature: SIGNATURE,
                location: concat!(file!(), ":", line!(), ":", column!()),
                idempotent: $crate::remote::idempotent(stringify!($kind)),
                body: $crate::remote::functions!(@body $kind ($($arg: $type),*) ($out $(, $error)?) $body),
            };

            ::faast_core::inventory::submit! { ::faast_core::function::Registered(&ENTRY) }

            impl $name {
                $crate::remote::functions!(@call $kind ($($arg: $type),*) ($out $(, $error)?));
            }
        };
    )+};

    (@call generator $args:tt ($out:ty)) => { $crate::remote::functions!(@companion $args ::faast_core::StreamCall<$out>); };
    (@call fallible $args:tt ($out:ty, $error:ty)) => {
        $crate::remote::functions!(@companion $args ::faast_core::Call<$out>);
        /// The function's own error, if the call failed with it.
                pub(crate) fn error(error: &::faast_core::Error) -> Option<$error> {
            ::faast_core::wire::decode_all(error.value()?).ok()
        }
    };
    (@call $kind:ident $args:tt ($out:ty)) => { $crate::remote::functions!(@companion $args ::faast_core::Call<$out>); };

    (@companion ($($arg:ident: $type:ty),*) $($call:tt)+) => {
        pub(crate) fn call($($arg: $type),*) -> $($call)+ {
            <$($call)+>::new(&ENTRY, $crate::remote::encode(&($($arg,)*)))
        }
    };

    (@body fallible ($($arg:ident: $type:ty),*) ($out:ty, $error:ty) $body:block) => {
        ::faast_core::function::Body::Sync(|input, result| {
            fn run($($arg: $type),*) -> Result<$out, $error> $body
            let ($($arg,)*): ($($type,)*) = $crate::remote::decode(input)?;
            match run($($arg),*) {
                Ok(value) => $crate::remote::put(&value, result),
                Err(error) => Err($crate::remote::refused(&error)),
            }
        })
    };
    (@body later ($($arg:ident: $type:ty),*) ($out:ty) $body:block) => {
        ::faast_core::function::Body::Async(|input, result| Box::pin(async move {
            async fn run($($arg: $type),*) -> $out $body
            let ($($arg,)*): ($($type,)*) = $crate::remote::decode(input)?;
            $crate::remote::put(&run($($arg),*).await, result)
        }))
    };
    (@body generator ($($arg:ident: $type:ty),*) ($out:ty) $body:block) => {
        ::faast_core::function::Body::Iterator(|input, emit| {
            fn run($($arg: $type),*) -> impl Iterator<Item = $out> $body
            let ($($arg,)*): ($($type,)*) = $crate::remote::decode(input)?;
            for item in run($($arg),*) {
                let mut encoded = Vec::new();
                $crate::remote::put(&item, &mut encoded)?;
                if emit(encoded).is_break() {
                    break;
                }
            }
            Ok(())
        })
    };
    // `value`, and `once`, which may not run twice.
    (@body $kind:ident ($($arg:ident: $type:ty),*) ($out:ty) $body:block) => {
        ::faast_core::function::Body::Sync(|input, result| {
            fn run($($arg: $type),*) -> $out $body
            let ($($arg,)*): ($($type,)*) = $crate::remote::decode(input)?;
            $crate::remote::put(&run($($arg),*), result)
        })
    };
}
use functions;

/// Whether functions of that kind may run twice.
const fn idempotent(kind: &str) -> bool {
    !matches!(kind.as_bytes(), b"once")
}

fn encode<T: Wire + 'static>(arguments: &T) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    wire::encode_value(arguments, &mut bytes)?;
    Ok(bytes)
}

fn decode<T: Wire + 'static>(bytes: &[u8]) -> Result<T, Box<Failure>> {
    wire::decode_all(&Bytes::copy_from_slice(bytes)).map_err(|error| undeliverable(&error))
}

fn put<T: Wire + 'static>(value: &T, result: &mut Vec<u8>) -> Ended {
    wire::encode_value(value, result).map_err(|error| undeliverable(&error))
}

#[expect(clippy::unnecessary_box_returns, reason = "the registry's functions return boxed failures")]
fn undeliverable(error: &Error) -> Box<Failure> {
    Box::new(Failure::new(error.kind(), error.message()))
}

/// The function's own error, on its way back as itself.
#[expect(clippy::unnecessary_box_returns, reason = "the registry's functions return boxed failures")]
fn refused<E: std::fmt::Display + Serialize>(error: &E) -> Box<Failure> {
    let mut value = Vec::new();
    let encoded = wire::encode(error, &mut value);
    let value = encoded.is_ok().then(|| Bytes::from(value));
    Box::new(Failure { value, ..Failure::new(ErrorKind::User, error.to_string()) })
}
