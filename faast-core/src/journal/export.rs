//! A journal as JSON Lines.

use std::io::{BufWriter, Write};
use std::path::Path;

use serde_json::{Value, json};

use super::file::{Log, RESULT, cant};
use super::record::Read;
use crate::error::{Error, ErrorKind, Result};
use crate::wire;

/// Writes each result of a journal as a line of JSON, in the order in which they arrived, and says how many there were.
///
/// A line is an object: `function`, `input` (the position of the call in its map's input then), `arguments` (a list;
/// `null` where they have more than 1 KiB) and `value`. Bytes are arrays of numbers, 128-bit integers are strings.
/// Damaged results are left out. A map may go on writing meanwhile.
///
/// ```no_run
/// let results = faast_core::journal::export("job.journal", std::io::stdout().lock())?;
/// # Ok::<(), faast_core::Error>(())
/// ```
///
/// # Errors
///
/// [`ErrorKind::Io`] when the file is no journal or can't be read, or when `out` can't be written to.
pub fn export(path: impl AsRef<Path>, out: impl Write) -> Result<u64> {
    let log = Log::open_to_read(path.as_ref())?;
    let cant_read = |error| cant("be read", path.as_ref(), error);
    let mut places = Vec::new();
    let each = |found: super::file::Found| {
        if found.kind == RESULT {
            places.push(found.at);
        }
    };
    log.scan(each).map_err(cant_read)?;
    let (mut out, mut lines) = (BufWriter::new(out), 0);
    for at in places {
        let Some(found) = log.find(at).map_err(cant_read)? else { continue };
        let Some(body) = log.body(&found).map_err(cant_read)? else { continue };
        let Some(line) = Read::of(&body).and_then(|record| line(&record)) else { continue };
        writeln!(out, "{line}").map_err(cant_write)?;
        lines += 1;
    }
    out.flush().map_err(cant_write)?;
    Ok(lines)
}

fn line(record: &Read<'_>) -> Option<Value> {
    let arguments = match record.args {
        Some(args) => Value::Array(wire::to_json(args).ok()?),
        None => Value::Null,
    };
    let value = wire::to_json(record.value).ok()?.pop()?;
    Some(json!({ "function": record.function, "input": record.index, "arguments": arguments, "value": value }))
}

fn cant_write(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Io, "the export can't be written").with_source(error)
}
