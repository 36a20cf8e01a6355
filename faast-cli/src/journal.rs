//! `faast journal`: the results in a journal as JSON Lines. What is in a line is core's.

use std::error::Error as _;
use std::fs::File;
use std::io;

use faast::{Error, ErrorKind, Result, journal};

use crate::{Outcome, cli};

/// Writes a line for each result.
///
/// # Errors
///
/// When the file is no journal or can't be read, or when the output can't be written.
pub(crate) fn run(options: &cli::Journal) -> Result<Outcome> {
    let output = if let Some(path) = &options.output {
        let cant = |error| Error::new(ErrorKind::Io, format!("{} can't be written", path.display())).with_source(error);
        let lines = journal::export(&options.journal, File::create(path).map_err(cant)?)?;
        format!("{lines} results are in {}\n", path.display())
    } else {
        // Not as the text of an outcome: a journal may be larger than memory.
        print(journal::export(&options.journal, io::stdout().lock()))?;
        String::new()
    };
    Ok(Outcome { output, failures: String::new(), is_clean: true })
}

/// Whoever closed the pipe has read enough, as `head` does.
fn print(exported: Result<u64>) -> Result<()> {
    match exported {
        Err(error) if !is_closed_pipe(&error) => Err(error),
        _ => Ok(()),
    }
}

fn is_closed_pipe(error: &Error) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    source.is_some_and(|source| source.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_has_read_enough_is_no_failure() {
        let failed = |kind: io::ErrorKind| Err(Error::new(ErrorKind::Io, "failed").with_source(io::Error::from(kind)));
        assert!(print(failed(io::ErrorKind::BrokenPipe)).is_ok() && print(Ok(3)).is_ok());
        assert!(print(failed(io::ErrorKind::StorageFull)).is_err());
    }
}
