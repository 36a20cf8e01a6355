//! Encoded values as JSON, for people and other programs: nothing is ever read back from it.
//!
//! Bytes become arrays of numbers, keys that are no strings their JSON, 128-bit integers that JSON readers would round
//! become strings, as do infinities and NaN.

use serde_json::{Map, Value};

use super::error::WireError;
use super::reader::{Head, Reader};
use super::{MAX_DEPTH, marker};

/// Every value of `bytes`.
pub(super) fn values(bytes: &[u8]) -> Result<Vec<Value>, WireError> {
    let mut reader = Reader { rest: bytes };
    let mut values = Vec::new();
    while !reader.rest.is_empty() {
        values.push(value(&mut reader, MAX_DEPTH)?);
    }
    Ok(values)
}

fn value(reader: &mut Reader<'_>, levels: u16) -> Result<Value, WireError> {
    let within = || levels.checked_sub(1).ok_or(WireError::Depth);
    Ok(match reader.head()? {
        Head::Nil | Head::Ext(marker::SOME, _) => Value::Null,
        Head::Bool(value) => value.into(),
        Head::Uint(value) => value.into(),
        Head::Int(value) => value.into(),
        Head::F32(value) => float(value.into()),
        Head::F64(value) => float(value),
        Head::Str(text) => text.into(),
        Head::Bin(bytes) | Head::Ext(marker::U8_SEQ, bytes) => bytes.into(),
        Head::Array(len) => {
            let levels = within()?;
            Value::Array((0..len).map(|_| value(reader, levels)).collect::<Result<_, _>>()?)
        }
        Head::Map(len) => {
            let levels = within()?;
            let entry = |_| Ok((name(value(reader, levels)?), value(reader, levels)?));
            Value::Object((0..len).map(entry).collect::<Result<Map<_, _>, WireError>>()?)
        }
        Head::Ext(marker::I128, bytes) => i128::from_be_bytes(marker::sixteen(bytes)?).to_string().into(),
        Head::Ext(marker::U128, bytes) => u128::from_be_bytes(marker::sixteen(bytes)?).to_string().into(),
        Head::Ext(..) => return Err(WireError::Malformed("an unknown extension")),
    })
}

fn float(value: f64) -> Value {
    serde_json::Number::from_f64(value).map_or_else(|| value.to_string().into(), Value::Number)
}

fn name(key: Value) -> String {
    match key {
        Value::String(text) => text,
        other => other.to_string(),
    }
}
