//! Frames: requests on their way to a worker, and events on their way back.
//!
//! A request and every event begin with the format's version and delimit themselves, so events can simply be appended
//! to each other. Strings and payloads are a length and bytes; what is decoded refers to the buffer it came in. A
//! request names each of its functions once, where it is first called. Payloads are not looked into.

mod cursor;
mod writer;

use std::borrow::Cow;

use bytes::{Buf, Bytes};

use self::cursor::Cursor;
use self::writer::Writer;
use super::error::WireError;
use crate::cost::Quantity;
use crate::error::{Error, ErrorKind, Result};
use crate::function;
use crate::provider::{
    CallFrame, CallId, DeploymentId, Event, ExecutionId, Failure, FunctionId, InstanceId, Metering, Outcome, Request,
    TraceContext,
};

const STARTED: u64 = 0;
const ITEM: u64 = 1;
const DONE_OK: u64 = 2;
const DONE_ERR: u64 = 3;
const RETURNED: u64 = 4;

/// Fields of a [`Metering`] that are there; most are not.
const DURATION: u64 = 1;
const BILLED: u64 = 2;
const PEAK_MEMORY: u64 = 4;
const QUANTITIES: u64 = 8;

/// Appends a request.
pub fn encode_request(request: &Request, out: &mut Vec<u8>) {
    let mut functions: Vec<&FunctionId> = Vec::new();
    Writer::append(out, |w| {
        w.version();
        w.text(request.deployment.as_str());
        w.uint(request.build);
        w.len(request.calls.len());
        for call in &request.calls {
            w.uint(call.id.0);
            w.uint(call.attempt.into());
            // From the end: neighbours mostly call the same function.
            let known = functions.iter().rposition(|function| **function == call.function);
            w.len(known.unwrap_or(functions.len()));
            if known.is_none() {
                w.text(&call.function.name);
                w.uint(call.function.signature);
                functions.push(&call.function);
            }
            w.duration(call.timeout);
            w.payload(&call.args);
            w.optional_text(call.trace.as_ref().map(|trace| trace.0.as_str()));
        }
    });
}

/// Decodes a request that fills all of `bytes`; arguments are slices of it.
///
/// # Errors
///
/// [`StaleBuild`](ErrorKind::StaleBuild) for another version of the format, else [`Decode`](ErrorKind::Decode).
#[expect(clippy::needless_pass_by_value, reason = "the buffer is handed over, as to `decode_events`")]
pub fn decode_request(bytes: Bytes) -> Result<Request> {
    let mut r = Cursor::new(&bytes);
    check_version(&mut r).and_then(|()| {
        let request = read_request(&mut r).map_err(WireError::decoding::<Request>)?;
        if r.is_empty() { Ok(request) } else { Err(WireError::Malformed("something follows").decoding::<Request>()) }
    })
}

/// Appends an event.
pub fn encode_event(event: &Event, out: &mut Vec<u8>) {
    Writer::append(out, |w| {
        w.version();
        match event {
            Event::Started { call, instance, execution } => {
                w.head(STARTED, *call);
                w.text(&instance.0);
                w.optional_text(execution.as_ref().map(|execution| &*execution.0));
            }
            Event::Item { call, seq, body } => {
                w.head(ITEM, *call);
                w.uint(*seq);
                w.payload(body);
            }
            Event::Done { call, outcome: Outcome::Ok(value), metering } => {
                w.head(DONE_OK, *call);
                w.payload(value);
                write_metering(w, metering);
            }
            Event::Done { call, outcome: Outcome::Err(failure), metering } => {
                w.head(DONE_ERR, *call);
                write_failure(w, failure);
                write_metering(w, metering);
            }
            Event::Returned { call } => w.head(RETURNED, *call),
        }
    });
}

/// The events in `bytes`, one after the other; payloads are slices of it.
///
/// `bytes` holds whole events: a transport that may cut them in two needs lengths of its own around them.
///
/// ```
/// # use faast_core::{ErrorKind, provider::{CallId, Event}, wire::frame};
/// let returned = [1, 2].map(|id| Event::Returned { call: CallId(id) });
/// let mut bytes = Vec::new();
/// returned.iter().for_each(|event| frame::encode_event(event, &mut bytes));
/// let events: Result<Vec<_>, _> = frame::decode_events(bytes.clone().into()).collect();
/// assert_eq!(events?, returned);
///
/// // An event that is not whole is an error, and the end.
/// bytes.pop();
/// let mut cut = frame::decode_events(bytes.into());
/// assert_eq!(cut.next().unwrap()?, returned[0]);
/// assert_eq!(cut.next().unwrap().unwrap_err().kind(), ErrorKind::Decode);
/// assert!(cut.next().is_none());
/// # Ok::<(), faast_core::Error>(())
/// ```
pub fn decode_events(bytes: Bytes) -> Events {
    Events { bytes }
}

/// Decodes events. Ends after the first error, because nothing behind it can be trusted.
///
/// Errors are [`StaleBuild`](ErrorKind::StaleBuild) for another version of the format, else
/// [`Decode`](ErrorKind::Decode).
#[derive(Debug, Clone)]
pub struct Events {
    bytes: Bytes,
}

impl Iterator for Events {
    type Item = Result<Event>;

    fn next(&mut self) -> Option<Result<Event>> {
        if self.bytes.is_empty() {
            return None;
        }
        let mut r = Cursor::new(&self.bytes);
        let event = check_version(&mut r).and_then(|()| read_event(&mut r).map_err(WireError::decoding::<Event>));
        let used = self.bytes.len() - if event.is_ok() { r.left() } else { 0 };
        self.bytes.advance(used);
        Some(event)
    }
}

impl std::iter::FusedIterator for Events {}

#[inline]
fn check_version(r: &mut Cursor<'_>) -> Result<()> {
    match r.uint() {
        Ok(version) if version == u64::from(super::VERSION) => Ok(()),
        Ok(version @ 1..128) => Err(stale(version)),
        Ok(_) => Err(WireError::Malformed("it has no version").decoding::<Event>()),
        Err(error) => Err(error.decoding::<Event>()),
    }
}

#[cold]
fn stale(version: u64) -> Error {
    let own = super::VERSION;
    let age = if version < u64::from(own) { "the other side is older" } else { "this side is older" };
    Error::new(
        ErrorKind::StaleBuild,
        format!("version {version} of the wire format arrived, this side has version {own}: {age}"),
    )
    .with_hint("build client and worker from the same sources, and deploy again")
}

fn read_request(r: &mut Cursor<'_>) -> Result<Request, WireError> {
    let mut functions: Vec<FunctionId> = Vec::new();
    let deployment = DeploymentId::from(r.text()?);
    let build = r.uint()?;
    let count = r.uint()?;
    // Collected as they come, so that a count that lies reserves nothing.
    let calls = (0..count).map(|_| read_call(r, &mut functions)).collect::<Result<_, _>>()?;
    Ok(Request { deployment, build, calls })
}

fn read_call(r: &mut Cursor<'_>, functions: &mut Vec<FunctionId>) -> Result<CallFrame, WireError> {
    let id = CallId(r.uint()?);
    let attempt = r.uint()?.try_into().map_err(|_| WireError::Malformed("a bad attempt"))?;
    let index = r.len()?;
    if index == functions.len() {
        let name = r.text()?;
        let name = function::lookup(name).map_or_else(|| Cow::Owned(name.into()), |entry| Cow::Borrowed(entry.name));
        functions.push(FunctionId { name, signature: r.uint()? });
    }
    let function = functions.get(index).ok_or(WireError::Malformed("a function without a name"))?.clone();
    let (timeout, args) = (r.duration()?, r.payload()?);
    let trace = r.optional_text()?.map(|trace| TraceContext(trace.into()));
    Ok(CallFrame { id, attempt, function, timeout, args, trace })
}

#[inline]
fn read_event(r: &mut Cursor<'_>) -> Result<Event, WireError> {
    let (kind, call) = (r.uint()?, CallId(r.uint()?));
    Ok(match kind {
        STARTED => Event::Started {
            call,
            instance: InstanceId(r.text()?.into()),
            execution: r.optional_text()?.map(|execution| ExecutionId(execution.into())),
        },
        ITEM => Event::Item { call, seq: r.uint()?, body: r.payload()? },
        DONE_OK => Event::Done { call, outcome: Outcome::Ok(r.payload()?), metering: read_metering(r)? },
        DONE_ERR => {
            Event::Done { call, outcome: Outcome::Err(Box::new(read_failure(r)?)), metering: read_metering(r)? }
        }
        RETURNED => Event::Returned { call },
        _ => return Err(WireError::Malformed("an unknown event")),
    })
}

fn write_metering(w: &mut Writer, metering: &Metering) {
    let Metering { duration, billed, peak_memory, quantities } = metering;
    let flag = |there: bool, flag: u64| if there { flag } else { 0 };
    w.uint(
        flag(!duration.is_zero(), DURATION)
            | flag(billed.is_some(), BILLED)
            | flag(peak_memory.is_some(), PEAK_MEMORY)
            | flag(!quantities.is_empty(), QUANTITIES),
    );
    if !duration.is_zero() {
        w.duration(*duration);
    }
    if let Some(billed) = billed {
        w.duration(*billed);
    }
    if let Some(bytes) = peak_memory {
        w.uint(*bytes);
    }
    if !quantities.is_empty() {
        w.len(quantities.len());
        for Quantity { metric, amount, measured } in quantities {
            w.text(metric);
            w.uint(amount.to_bits());
            w.uint((*measured).into());
        }
    }
}

fn read_metering(r: &mut Cursor<'_>) -> Result<Metering, WireError> {
    let flags = r.uint()?;
    if flags > DURATION | BILLED | PEAK_MEMORY | QUANTITIES {
        return Err(WireError::Malformed("unknown metering"));
    }
    let mut metering = Metering::default();
    if flags & DURATION != 0 {
        metering.duration = r.duration()?;
    }
    if flags & BILLED != 0 {
        metering.billed = Some(r.duration()?);
    }
    if flags & PEAK_MEMORY != 0 {
        metering.peak_memory = Some(r.uint()?);
    }
    if flags & QUANTITIES != 0 {
        metering.quantities = (0..r.uint()?).map(|_| read_quantity(r)).collect::<Result<_, _>>()?;
    }
    Ok(metering)
}

fn read_quantity(r: &mut Cursor<'_>) -> Result<Quantity, WireError> {
    let (metric, amount) = (r.text()?.to_owned().into(), f64::from_bits(r.uint()?));
    let measured = match r.uint()? {
        0 => false,
        1 => true,
        _ => return Err(WireError::Malformed("a bad quantity")),
    };
    Ok(Quantity { metric, amount, measured })
}

fn write_failure(w: &mut Writer, failure: &Failure) {
    let Failure { kind, message, chain, location, value } = failure;
    w.uint(kind.code().into());
    w.text(message);
    w.len(chain.len());
    for message in chain {
        w.text(message);
    }
    w.optional_text(location.as_deref());
    w.optional_bytes(value.as_deref());
}

fn read_failure(r: &mut Cursor<'_>) -> Result<Failure, WireError> {
    let code = r.uint()?.try_into().ok();
    Ok(Failure {
        kind: code.and_then(ErrorKind::from_code).ok_or(WireError::Malformed("an unknown kind of error"))?,
        message: r.text()?.into(),
        chain: (0..r.uint()?).map(|_| r.text().map(Into::into)).collect::<Result<_, _>>()?,
        location: r.optional_text()?.map(Into::into),
        value: r.optional_bytes()?,
    })
}

#[cfg(test)]
mod tests;
