//! `faast report`: the report of a recorded run, and which runs there are. What is in a report is core's.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use faast::core::cache::CacheFolder;
use faast::core::provider;
use faast::core::record::{RecordedRun, runs};
use faast::{Error, ErrorKind, Result};
use serde::Serialize;

use crate::{Outcome, cli, json};

/// Writes or lists.
///
/// # Errors
///
/// When there is no such provider or run, or when the file can't be written.
pub(crate) fn run(options: &cli::Report) -> Result<Outcome> {
    let provider = provider::by_name(&options.provider)?.name();
    let found = runs(&CacheFolder::open(provider))?;
    let output = match &options.run {
        None => list(&found, options)?,
        Some(wanted) => report(&RecordedRun::open(&choose(&found, wanted)?)?, options)?,
    };
    Ok(Outcome { output, failures: String::new(), is_clean: true })
}

fn report(run: &RecordedRun, options: &cli::Report) -> Result<String> {
    if options.json {
        return Ok(run.to_json() + "\n");
    }
    run.report(&options.output)?;
    Ok(format!("the report is in {}\n", options.output.display()))
}

/// The one run that is meant.
fn choose(found: &[PathBuf], wanted: &str) -> Result<PathBuf> {
    let path = Path::new(wanted);
    if path.components().count() > 1 || path.is_dir() {
        return Ok(path.to_owned());
    }
    let is_meant = |run: &&PathBuf| {
        let name = name(run);
        let id = name.rsplit('-').next().unwrap_or_default();
        // Names hold the beginning of the id only.
        name.starts_with(wanted) || (id.len() >= 4 && wanted.starts_with(id)) || id.starts_with(wanted)
    };
    let mut meant = match wanted {
        "last" => found.iter().take(1).collect(),
        _ => found.iter().filter(is_meant).collect::<Vec<_>>(),
    };
    match (meant.pop(), meant.len()) {
        (Some(run), 0) => Ok(run.clone()),
        (Some(_), more) => Err(Error::new(ErrorKind::Config, format!("`{wanted}` can mean {} runs", more + 1))
            .with_hint("write more of its name")),
        (None, _) => Err(Error::new(ErrorKind::Io, format!("there is no recorded run `{wanted}`"))
            .with_hint("turn recording on with `.record()`; without a run, `faast report <provider>` lists them")),
    }
}

fn name(run: &Path) -> String {
    run.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[derive(Serialize)]
struct Listed {
    run: String,
    path: PathBuf,
}

fn list(found: &[PathBuf], options: &cli::Report) -> Result<String> {
    if options.json {
        let listed: Vec<_> = found.iter().map(|path| Listed { run: name(path), path: path.clone() }).collect();
        return json::document(&listed);
    }
    if found.is_empty() {
        return Ok(format!("no run on {} is recorded; `.record()` records one\n", options.provider));
    }
    let mut text = String::new();
    for run in found {
        // Writing to a string can't fail.
        let _ = writeln!(text, "{}", name(run));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_meant_by_name_id_or_last_and_only_if_it_is_one() {
        let found: Vec<_> = ["20261122T10-ab12cd34", "20261122T09-ab99ffff"].map(PathBuf::from).into();
        let chosen = |wanted: &str| choose(&found, wanted).map(|run| name(&run)).map_err(|error| error.kind());
        assert_eq!(chosen("last").as_deref(), Ok("20261122T10-ab12cd34"));
        assert_eq!(chosen("20261122T09").as_deref(), Ok("20261122T09-ab99ffff"));
        assert_eq!(chosen("ab12").as_deref(), Ok("20261122T10-ab12cd34"));
        assert_eq!(chosen("ab99ffff-1111-2222").as_deref(), Ok("20261122T09-ab99ffff"));
        assert_eq!(chosen("2026"), Err(ErrorKind::Config));
        assert_eq!(chosen("none"), Err(ErrorKind::Io));
        assert_eq!(chosen("some/folder").as_deref(), Ok("folder"));
    }
}
