//! One form for all encodings of a value: entries of maps in the order of their encoded keys.

use super::MAX_DEPTH;
use super::error::WireError;
use super::reader::{Head, Reader};

/// Appends every value of `bytes` in its canonical form.
pub(super) fn write(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), WireError> {
    let mut reader = Reader { rest: bytes };
    while !reader.rest.is_empty() {
        value(&mut reader, out, MAX_DEPTH)?;
    }
    Ok(())
}

fn value(reader: &mut Reader<'_>, out: &mut Vec<u8>, levels: u16) -> Result<(), WireError> {
    let start = reader.rest;
    let head = reader.head()?;
    out.extend_from_slice(&start[..start.len() - reader.rest.len()]);
    let within = || levels.checked_sub(1).ok_or(WireError::Depth);
    match head {
        Head::Array(len) => {
            let levels = within()?;
            (0..len).try_for_each(|_| value(reader, out, levels))
        }
        Head::Map(len) => entries(reader, out, len, within()?),
        _ => Ok(()),
    }
}

fn entries(reader: &mut Reader<'_>, out: &mut Vec<u8>, len: u32, levels: u16) -> Result<(), WireError> {
    let mut entries = Vec::new();
    for _ in 0..len {
        let mut entry = Vec::new();
        value(reader, &mut entry, levels)?;
        value(reader, &mut entry, levels)?;
        entries.push(entry);
    }
    // No encoded key is the beginning of another one, so that entries are ordered by their keys.
    entries.sort_unstable();
    out.extend(entries.into_iter().flatten());
    Ok(())
}
