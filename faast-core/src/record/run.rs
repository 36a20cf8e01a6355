//! Recorded runs: finding them, reading them back, and deleting the old ones.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::row::Row;
use super::summary::{FORMAT, Header, Summary};
use super::{ROWS_FILE, SUMMARY_FILE};
use crate::cache::{CacheFolder, may_be_going_on};
use crate::error::{Error, ErrorKind, Result};
use crate::log::Channel;

/// A recorded run, as far as it had come when it was read.
#[derive(Debug, Clone)]
pub struct RecordedRun {
    pub(crate) summary: Summary,
    /// The first attempts.
    pub(crate) rows: Vec<Row>,
}

impl RecordedRun {
    /// Reads the run in a folder.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] when there is none, [`ErrorKind::Decode`] when it is damaged or of another version of faast.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(SUMMARY_FILE);
        let json = fs::read(&path).map_err(|error| {
            Error::new(ErrorKind::Io, format!("there is no recorded run in `{}`", folder.display()))
                .with_hint("turn recording on with `.record()`; `faast report <provider>` lists the runs")
                .with_source(error)
        })?;
        let damaged = |error| {
            Error::new(ErrorKind::Decode, format!("`{}` is no record of a run", path.display())).with_source(error)
        };
        let found = serde_json::from_slice::<Version>(&json).map_err(damaged)?.format;
        if found != FORMAT {
            let message =
                format!("the run is recorded in format {found}, and this version of faast reads format {FORMAT}");
            return Err(Error::new(ErrorKind::Decode, message).with_hint("use the version that recorded it"));
        }
        let json: serde_json::Value = serde_json::from_slice(&json).map_err(damaged)?;
        if !is_plausible(&json) {
            return Err(damaged(serde::de::Error::custom("it has a number that no run has")));
        }
        let summary = serde_json::from_value(json).map_err(damaged)?;
        Ok(Self { summary, rows: rows(&folder.join(ROWS_FILE)) })
    }
}

/// Above what any run counts, and small enough that sums of many don't overflow: microseconds of 35 years.
const LARGEST: u64 = 1 << 50;

/// Whether the report can reckon with every number in there.
fn is_plausible(json: &serde_json::Value) -> bool {
    use serde_json::Value;
    match json {
        Value::Number(number) => number.as_u64().is_none_or(|number| number <= LARGEST),
        Value::Array(all) => all.iter().all(is_plausible),
        // Of all calls together: added up in a way that can't overflow.
        Value::Object(all) => all.iter().all(|(name, value)| name == "sum_us" || is_plausible(value)),
        _ => true,
    }
}

/// The part of a summary that every format has.
#[derive(serde::Deserialize)]
struct Version {
    format: u32,
}

/// The attempts in a file; none if there is no file, and no half ones.
fn rows(path: &Path) -> Vec<Row> {
    let Ok(file) = fs::File::open(path) else { return Vec::new() };
    // The first line names the columns.
    BufReader::new(file)
        .lines()
        .skip(1)
        .map_while(std::result::Result::ok)
        .filter_map(|line| Row::parse(&line))
        .collect()
}

/// The folders of a provider's recorded runs, the newest first.
///
/// # Errors
///
/// [`ErrorKind::Io`] when they can't be listed.
pub fn runs(cache: &CacheFolder) -> Result<Vec<PathBuf>> {
    let failed = |error| Error::new(ErrorKind::Io, "recorded runs can't be listed").with_source(error);
    let mut found = Vec::new();
    let entries = match fs::read_dir(cache.root().join(CacheFolder::RUNS)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(found),
        entries => entries.map_err(failed)?,
    };
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if path.join(SUMMARY_FILE).is_file() {
            found.push(path);
        }
    }
    // Names begin with the time.
    found.sort();
    found.reverse();
    Ok(found)
}

/// Deletes all but the newest runs.
pub(super) fn prune(cache: &CacheFolder, keep: usize, now: SystemTime) {
    let Ok(found) = runs(cache) else { return };
    for old in found.into_iter().skip(keep).filter(|run| !may_be_going_on(run, now)) {
        if let Err(error) = fs::remove_dir_all(&old) {
            crate::log!(Channel::Gc, "the recorded run `{}` can't be deleted: {error}", old.display());
        }
    }
}

/// The name of a run's folder: when it began, and the beginning of its deployment's id.
pub(super) fn name(header: &Header) -> String {
    let id: String = header.deployment.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
    format!("{}-{id}", Utc::of(header.started_ms).compact())
}

/// A moment in the calendar, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Utc {
    year: u64,
    month: u64,
    day: u64,
    /// Since midnight.
    second: u64,
}

impl Utc {
    /// By Howard Hinnant's `civil_from_days`, for times from 1970 on.
    pub(crate) fn of(unix_ms: u64) -> Self {
        let seconds = unix_ms / 1000;
        // Days since 0000-03-01, so that the leap day is a year's last.
        let days = seconds / 86_400 + 719_468;
        let (era, of_era) = (days / 146_097, days % 146_097);
        let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year + year / 4 - year / 100);
        let shifted = (5 * of_year + 2) / 153;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        Self {
            year: year + era * 400 + u64::from(month <= 2),
            month,
            day: of_year - (153 * shifted + 2) / 5 + 1,
            second: seconds % 86_400,
        }
    }

    fn clock(self) -> (u64, u64, u64) {
        (self.second / 3600, self.second / 60 % 60, self.second % 60)
    }

    /// In the name of a file.
    fn compact(self) -> String {
        let (Self { year, month, day, .. }, (hour, minute, second)) = (self, self.clock());
        format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}")
    }
}

/// For people.
impl std::fmt::Display for Utc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self { year, month, day, .. }, (hour, minute, second)) = (self, self.clock());
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let text = |seconds: u64| Utc::of(seconds * 1000).to_string();
        assert_eq!(text(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(text(951_827_696), "2000-02-29 12:34:56 UTC");
        assert_eq!(text(1_709_164_800), "2024-02-29 00:00:00 UTC");
        assert_eq!(text(1_735_689_599), "2024-12-31 23:59:59 UTC");
        assert_eq!(text(4_107_542_400), "2100-03-01 00:00:00 UTC");
    }

    #[test]
    fn only_a_sum_over_all_calls_may_be_beyond_what_a_run_has() {
        let of = |count: u64, sum_us: u64| serde_json::json!({"phases": {"total": {"count": count, "sum_us": sum_us}}});
        assert!(is_plausible(&of(1, LARGEST + 1)));
        assert!(!is_plausible(&of(LARGEST + 1, 1)));
    }

    #[test]
    fn only_old_runs_beyond_the_newest_are_deleted() {
        let home = tempfile::tempdir().unwrap();
        let cache = CacheFolder::at(home.path());
        for name in ["1", "2", "3", "4"] {
            cache.write(format!("runs/{name}/{SUMMARY_FILE}"), b"{}").unwrap();
        }
        let names = || -> Vec<_> {
            let found = runs(&cache).unwrap();
            found.iter().map(|run| run.file_name().unwrap().to_str().unwrap().to_owned()).collect()
        };
        prune(&cache, 2, SystemTime::now());
        assert_eq!(names(), ["4", "3", "2", "1"], "they may be going on");
        prune(&cache, 2, SystemTime::now() + std::time::Duration::from_hours(2));
        assert_eq!(names(), ["4", "3"]);
    }

    #[test]
    fn a_run_of_another_format_is_refused_with_both_numbers() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join(SUMMARY_FILE), r#"{"format":77,"what":"ever"}"#).unwrap();
        let error = RecordedRun::open(home.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
        assert!(error.message().contains("77"), "{error:?}");
        fs::write(home.path().join(SUMMARY_FILE), r#"{"format":1,"#).unwrap();
        assert_eq!(RecordedRun::open(home.path()).unwrap_err().kind(), ErrorKind::Decode);
        assert_eq!(RecordedRun::open(&home.path().join("none")).unwrap_err().kind(), ErrorKind::Io);
    }
}
