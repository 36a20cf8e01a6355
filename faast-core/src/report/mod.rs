//! Reports: a recorded run as one page that needs nothing else, or as JSON.
//!
//! In core, because `Cloud::report` is a method of core's handle and the record's format is core's own; a crate of its
//! own would have to make that format public. Pure: a run goes in, text comes out. Charts are drawn here as SVG, so that
//! the page says everything without a script, in print too; `page.js` adds sorting, filters, tabs and the theme.
//! Invariant: whatever came from a user is escaped (`text.rs`), and the page asks no network for anything.

mod advice;
mod calls;
mod chart;
mod flow;
mod lanes;
mod latency;
mod money;
mod page;
mod setting;
mod table;
mod text;

pub(crate) use self::chart::ticks;
pub(crate) use self::text::Escaped;

use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

use crate::error::{Error, ErrorKind, Result};
use crate::record::{RecordedRun, Spread};
use crate::stats::fitting_memory_mb;

impl RecordedRun {
    /// The report as one page of HTML.
    pub fn to_html(&self) -> String {
        page::page(self)
    }

    /// Everything that the report shows, as JSON; times are in microseconds.
    ///
    /// That is the run's numbers, its latencies by phase, and its first attempts.
    pub fn to_json(&self) -> String {
        self.value().to_string()
    }

    /// Writes the report into a file: JSON where its name ends in `.json`, else the page.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] where the file can't be written.
    pub fn report(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
        let text = if json { self.to_json() } else { self.to_html() };
        let written = match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            Some(folder) => fs::create_dir_all(folder).and_then(|()| fs::write(path, text)),
            None => fs::write(path, text),
        };
        written.map_err(|error: io::Error| {
            Error::new(ErrorKind::Io, format!("the report can't be written to `{}`", path.display())).with_source(error)
        })
    }

    fn value(&self) -> Value {
        // The summary is plain data with text for keys: it has a form in JSON.
        let mut value = serde_json::to_value(&self.summary).unwrap_or_default();
        let latency = latency::phases(&self.summary);
        value["latency"] =
            latency.into_iter().map(|(phase, spread)| (phase.key.to_owned(), quantiles(&spread))).collect();
        value["batching"] = serde_json::to_value(advice::batching(&self.summary)).unwrap_or_default();
        let functions = value["functions"].as_array_mut().into_iter().flatten();
        for (json, function) in functions.zip(&self.summary.functions) {
            json["fitting_memory_mb"] = function.peak_memory.map(fitting_memory_mb).into();
        }
        let rows: Vec<_> = self.rows.iter().map(crate::record::Row::numbers).collect();
        value["attempts"] = json!({ "columns": crate::record::COLUMNS, "rows": rows });
        value
    }
}

fn quantiles(spread: &Spread) -> Value {
    json!({
        "count": spread.count,
        "min_us": spread.min_us,
        "mean_us": spread.mean(),
        "p50_us": spread.quantile(0.5),
        "p90_us": spread.quantile(0.9),
        "p99_us": spread.quantile(0.99),
        "max_us": spread.max_us,
    })
}

#[cfg(test)]
mod tests;
