//! The table: what was measured, what stood beside it in the same run, the aim, and whether it was met.

use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::machine::Noise;

/// One measurement.
pub(super) struct Row {
    what: String,
    measured: f64,
    unit: &'static str,
    beside: Option<(&'static str, f64)>,
    ratio: Option<f64>,
    aim: Option<Aim>,
}

struct Aim {
    text: String,
    met: bool,
}

impl Row {
    /// A measurement by its name, number and unit; without an aim, for information.
    pub(super) fn new(what: impl Into<String>, measured: f64, unit: &'static str) -> Self {
        Self { what: what.into(), measured, unit, beside: None, ratio: None, aim: None }
    }

    /// What stood beside it, in the same unit.
    pub(super) fn beside(mut self, name: &'static str, value: f64) -> Self {
        self.beside = Some((name, value));
        self.ratio.get_or_insert(self.measured / value);
        self
    }

    /// The ratio to what stood beside it, where it is more than the ratio of the two numbers shown.
    pub(super) fn ratio(mut self, ratio: f64) -> Self {
        self.ratio = Some(ratio);
        self
    }

    /// The aim is about the number.
    pub(super) fn at_most(self, limit: f64) -> Self {
        let (met, text) = (self.measured <= limit, format!("<= {} {}", short(limit), self.unit));
        self.aim(text, met)
    }

    /// The aim is about the number.
    pub(super) fn at_least(self, limit: f64) -> Self {
        let (met, text) = (self.measured >= limit, format!(">= {} {}", short(limit), self.unit));
        self.aim(text, met)
    }

    /// The aim is about the difference to what stood beside it.
    pub(super) fn above_by_at_most(self, limit: f64) -> Self {
        let above = self.beside.map_or(f64::NAN, |(_, value)| self.measured - value);
        let text = format!("+{} <= +{} {}", short(above), short(limit), self.unit);
        self.aim(text, above <= limit)
    }

    /// The aim is about the ratio.
    pub(super) fn times_at_most(self, limit: f64) -> Self {
        let met = self.ratio.is_some_and(|ratio| ratio <= limit);
        self.aim(format!("<= {limit:.2} x"), met)
    }

    /// The aim is about the ratio.
    pub(super) fn times_at_least(self, limit: f64) -> Self {
        let met = self.ratio.is_some_and(|ratio| ratio >= limit);
        self.aim(format!(">= {limit:.2} x"), met)
    }

    fn aim(mut self, text: String, met: bool) -> Self {
        self.aim = Some(Aim { text, met });
        self
    }

    fn verdict(&self) -> &'static str {
        match &self.aim {
            None => "",
            Some(aim) if aim.met => "met",
            Some(_) => "MISSED",
        }
    }

    fn line(&self) -> String {
        let beside = self.beside.map(|(name, value)| format!("{name} {}", short(value))).unwrap_or_default();
        let ratio = self.ratio.map(|ratio| format!("{ratio:.3} x")).unwrap_or_default();
        let aim = self.aim.as_ref().map(|aim| aim.text.as_str()).unwrap_or_default();
        let measured = format!("{} {}", short(self.measured), self.unit);
        let line = format!(
            "  {:<44} {:>14}  {:<30} {:>8}  {:<18} {}",
            self.what,
            measured,
            beside,
            ratio,
            aim,
            self.verdict()
        );
        line.trim_end().to_owned()
    }

    fn json(&self) -> Value {
        json!({
            "what": self.what,
            "measured": self.measured,
            "unit": self.unit,
            "beside": self.beside.map(|(name, value)| json!({ "name": name, "value": value })),
            "ratio": self.ratio,
            "aim": self.aim.as_ref().map(|aim| json!({ "text": aim.text, "met": aim.met })),
        })
    }
}

/// Everything that was measured.
pub(super) struct Report {
    parts: Vec<Part>,
}

struct Part {
    name: &'static str,
    rows: Vec<Row>,
    noise: Noise,
    left_out: usize,
    failure: Option<String>,
}

impl Report {
    pub(super) fn new() -> Self {
        println!("  {:<44} {:>14}  {:<30} {:>8}  {:<18} ", "what", "measured", "beside it", "ratio", "aim");
        Self { parts: Vec::new() }
    }

    /// A bench begins.
    pub(super) fn start(&mut self, name: &'static str) {
        println!("{name}");
        self.parts.push(Part { name, rows: Vec::new(), noise: Noise::default(), left_out: 0, failure: None });
    }

    /// Takes a row in, and prints it at once.
    pub(super) fn row(&mut self, row: Row) {
        println!("{}", row.line());
        if let Some(part) = self.parts.last_mut() {
            part.rows.push(row);
        }
    }

    /// What others did while a round was measured.
    pub(super) fn noise(&mut self, noise: Noise) {
        if let Some(part) = self.parts.last_mut() {
            part.noise += noise;
        }
    }

    /// Rounds that were measured and are not in the table.
    pub(super) fn left_out(&mut self, rounds: usize) {
        if let Some(part) = self.parts.last_mut() {
            part.left_out += rounds;
        }
    }

    /// A bench could not be measured to its end.
    pub(super) fn failed(&mut self, error: &anyhow::Error) {
        println!("  FAILED: {error:#}");
        if let Some(part) = self.parts.last_mut() {
            part.failure = Some(format!("{error:#}"));
        }
    }

    /// A bench has ended.
    pub(super) fn end(&self) {
        let Some(Part { noise, left_out, .. }) = self.parts.last() else { return };
        let share = noise.share() * 100.0;
        let doubt = if noise.is_little() { "" } else { ": don't trust these numbers" };
        println!(
            "  (others used {:.2} s of processor time in {:.1} s, {share:.0} %{doubt}; {left_out} rounds left out)",
            noise.seconds, noise.watched
        );
    }

    /// Says what was missed and writes the file.
    pub(super) fn finish(&self, path: &str) -> Result<()> {
        let rows = || self.parts.iter().flat_map(|part| part.rows.iter().map(move |row| (part.name, row)));
        let aims = rows().filter(|(_, row)| row.aim.is_some()).count();
        let missed: Vec<_> = rows().filter(|(_, row)| row.aim.as_ref().is_some_and(|aim| !aim.met)).collect();
        println!("\n{} of {aims} aims met", aims - missed.len());
        for (part, row) in missed {
            println!("missed: {part}: {}", row.line().trim_start());
        }
        let parts: Vec<Value> = self.parts.iter().map(Part::json).collect();
        let text = serde_json::to_string_pretty(&json!({ "benches": parts }))?;
        fs::write(path, text + "\n").with_context(|| format!("can't write {path}"))?;
        println!("written to {path}");
        let failed: Vec<&str> = self.parts.iter().filter(|part| part.failure.is_some()).map(|part| part.name).collect();
        ensure!(failed.is_empty(), "could not be measured: {}", failed.join(", "));
        Ok(())
    }
}

impl Part {
    fn json(&self) -> Value {
        json!({
            "name": self.name,
            "foreign_cpu_s": self.noise.seconds,
            "watched_s": self.noise.watched,
            "rounds_left_out": self.left_out,
            "failure": self.failure,
            "rows": self.rows.iter().map(Row::json).collect::<Vec<_>>(),
        })
    }
}

/// A number with three digits that count.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 1e6 => format!("{:.2}M", value / 1e6),
        size if size >= 1e4 => format!("{:.0}k", value / 1e3),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.1 || size == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_aim_is_met_or_missed() {
        assert_eq!(Row::new("a", 2.0, "ms").at_most(2.0).verdict(), "met");
        assert_eq!(Row::new("a", 2.1, "ms").at_most(2.0).verdict(), "MISSED");
        assert_eq!(Row::new("a", 9.0, "MB/s").at_least(10.0).verdict(), "MISSED");
        assert_eq!(Row::new("a", 9.0, "ms").beside("bare", 8.0).above_by_at_most(1.5).verdict(), "met");
        assert_eq!(Row::new("a", 9.0, "ms").beside("bare", 3.0).times_at_most(2.2).verdict(), "MISSED");
        assert_eq!(Row::new("a", 9.0, "ms").above_by_at_most(1.5).verdict(), "MISSED");
        assert_eq!(Row::new("a", 9.0, "ms").verdict(), "");
    }

    #[test]
    fn numbers_are_short() {
        let numbers = [0.0, 0.0042, 0.42, 4.2, 42.0, 420.0, 4200.0, 42e3, 4.2e6].map(short);
        assert_eq!(numbers, ["0.00", "0.0042", "0.42", "4.20", "42.0", "420", "4200", "42k", "4.20M"]);
    }
}
