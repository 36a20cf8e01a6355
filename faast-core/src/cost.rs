//! Money: price tables, what was used, and the cost table made of both. Pure data; providers look the prices up. The
//! analyzer compares configurations by it.
//!
//! A quantity is an amount of a metric (`duration` in GB-seconds, `requests`), a price is US dollars for one unit of it;
//! cost is their product and is computed here and nowhere else.

mod analysis;
mod analyzer;
mod store;
mod tariff;
mod today;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

pub use self::analysis::{Analysis, Measured, Recommendation, Row};
pub use self::analyzer::Analyzer;
pub use self::store::{STORAGE, STORAGE_READS, STORAGE_WRITES, StoreBill, TRANSFER_OUT};
pub(crate) use self::tariff::Tariff;
pub use self::today::prices_of_today;

/// An amount of a metric of a [`PriceTable`].
#[derive(Debug, Clone, PartialEq)]
pub struct Quantity {
    /// The metric's name.
    pub metric: Cow<'static, str>,
    /// How much, in the metric's unit.
    pub amount: f64,
    /// Measured by the platform, not estimated by faast.
    pub measured: bool,
}

/// What was used, by metric.
///
/// ```
/// # use faast_core::cost::{Quantity, Usage};
/// let seconds = |amount, measured| Quantity { metric: "duration".into(), amount, measured };
/// let usage: Usage = [seconds(1.5, true), seconds(0.5, false)].into_iter().collect();
/// // The sum is measured only if all of it is.
/// assert_eq!(usage.quantities().collect::<Vec<_>>(), [seconds(2.0, false)]);
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Usage {
    amounts: BTreeMap<Cow<'static, str>, (f64, bool)>,
}

impl Usage {
    /// Adds a quantity. A metric is measured as long as everything added to it was.
    pub fn add(&mut self, quantity: Quantity) {
        let entry = self.amounts.entry(quantity.metric).or_insert((0.0, true));
        entry.0 += quantity.amount;
        entry.1 &= quantity.measured;
    }

    /// Adds all of another usage.
    pub fn extend(&mut self, other: &Self) {
        for quantity in other.quantities() {
            self.add(quantity);
        }
    }

    /// What was used of each metric, by name.
    pub fn quantities(&self) -> impl Iterator<Item = Quantity> + '_ {
        self.amounts.iter().map(|(metric, (amount, measured))| Quantity {
            metric: metric.clone(),
            amount: *amount,
            measured: *measured,
        })
    }
}

impl FromIterator<Quantity> for Usage {
    fn from_iter<I: IntoIterator<Item = Quantity>>(quantities: I) -> Self {
        let mut usage = Self::default();
        quantities.into_iter().for_each(|quantity| usage.add(quantity));
        usage
    }
}

/// The price of one unit of a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Price {
    /// US dollars for one unit.
    pub usd: f64,
    /// The unit, as `GB-second` or `request`.
    pub unit: Cow<'static, str>,
    /// Where the price comes from, and from when.
    pub source: String,
}

/// Prices by metric. Empty where nothing costs.
///
/// ```
/// # use faast_core::cost::{PriceTable, Quantity, Usage};
/// // What the price service says goes before the list.
/// let list = [("requests", "request", 0.25), ("storage", "GiB-month", 0.5)];
/// let prices = PriceTable::of_list(&list, |metric, listed| match metric {
///     "requests" => (0.125, "price service, today".into()),
///     _ => (listed, "list of 2026".into()),
/// });
///
/// let four = |metric: &'static str| Quantity { metric: metric.into(), amount: 4.0, measured: true };
/// let usage: Usage = ["requests", "storage", "luck"].map(four).into_iter().collect();
/// assert_eq!(prices.total_usd(&usage), 2.5);
/// assert_eq!(prices.report(&usage).lines[0].note, "no price"); // luck costs nothing
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PriceTable {
    /// Price of each metric.
    pub prices: BTreeMap<Cow<'static, str>, Price>,
}

impl PriceTable {
    /// The table of a list of metrics, their units, and a price that `price` may correct; it also says where that is from.
    pub fn of_list(list: &[(&'static str, &'static str, f64)], price: impl Fn(&str, f64) -> (f64, String)) -> Self {
        let prices = list.iter().map(|(metric, unit, listed)| {
            let (usd, source) = price(metric, *listed);
            ((*metric).into(), Price { usd, unit: (*unit).into(), source })
        });
        Self { prices: prices.collect() }
    }

    /// What a usage costs in US dollars. Metrics without a price cost nothing.
    pub fn total_usd(&self, usage: &Usage) -> f64 {
        usage.quantities().filter_map(|used| Some(self.prices.get(&used.metric)?.usd * used.amount)).sum()
    }

    /// The cost table of a usage.
    pub fn report(&self, usage: &Usage) -> CostReport {
        let lines = usage
            .quantities()
            .map(|used| {
                let price = self.prices.get(&used.metric);
                let usd = price.map_or(0.0, |price| price.usd);
                CostLine {
                    unit: price.map_or_else(|| Cow::Borrowed(""), |price| price.unit.clone()),
                    note: price.map_or_else(|| "no price".into(), |price| price.source.clone()),
                    unit_usd: usd,
                    cost_usd: usd * used.amount,
                    metric: used.metric,
                    amount: used.amount,
                    measured: used.measured,
                }
            })
            .collect();
        CostReport { lines }
    }
}

/// One line of a cost table.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CostLine {
    /// The metric's name.
    pub metric: Cow<'static, str>,
    /// US dollars for one unit.
    pub unit_usd: f64,
    /// The unit.
    pub unit: Cow<'static, str>,
    /// How much was used.
    pub amount: f64,
    /// Measured by the platform, not estimated.
    pub measured: bool,
    /// US dollars.
    pub cost_usd: f64,
    /// Source and date of the price.
    pub note: String,
}

/// What a deployment has cost so far.
///
/// ```
/// # use faast_core::cost::{Price, PriceTable, Quantity, Usage};
/// let mut prices = PriceTable::default();
/// prices.prices.insert("requests".into(), Price { usd: 0.25, unit: "request".into(), source: "list of 2026".into() });
/// let usage: Usage = [Quantity { metric: "requests".into(), amount: 2.0, measured: true }].into_iter().collect();
/// assert_eq!(prices.report(&usage).total_usd(), 0.5);
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct CostReport {
    /// One line for each metric that was used.
    pub lines: Vec<CostLine>,
}

impl CostReport {
    /// The sum in US dollars.
    pub fn total_usd(&self) -> f64 {
        // The sum of nothing is -0.0.
        self.lines.iter().map(|line| line.cost_usd).sum::<f64>() + 0.0
    }

    /// The part of the sum that the platform measured. The rest is an estimate of faast's.
    pub fn measured_usd(&self) -> f64 {
        self.lines.iter().filter(|line| line.measured).map(|line| line.cost_usd).sum::<f64>() + 0.0
    }

    /// A line's share of the sum, 0 to 1.
    pub fn share(&self, line: &CostLine) -> f64 {
        let total = self.total_usd();
        if total > 0.0 { line.cost_usd / total } else { 0.0 }
    }

    /// Metric, amount, unit, unit price and cost, as people read them.
    fn row(line: &CostLine) -> [String; 5] {
        let sign = if line.measured { "" } else { "~" };
        let amount = format!("{sign}{}", readable(line.amount, 2));
        let (price, cost) = (format!("${}", line.unit_usd), format!("${}", readable(line.cost_usd, 6)));
        [line.metric.to_string(), amount, line.unit.to_string(), price, cost]
    }

    /// Comma-separated values with a header line.
    pub fn to_csv(&self) -> String {
        let mut csv = String::from("metric,unit,unit_usd,amount,measured,cost_usd,share,note\n");
        for line in &self.lines {
            let note = line.note.replace('"', "\"\"");
            let CostLine { metric, unit, unit_usd, amount, measured, cost_usd, .. } = line;
            let share = self.share(line);
            // Writing to a string can't fail.
            let _ = writeln!(csv, "{metric},{unit},{unit_usd},{amount},{measured},{cost_usd},{share},\"{note}\"");
        }
        csv
    }

    /// The table and its sums as JSON.
    pub fn to_json(&self) -> String {
        let line = |line: &CostLine| {
            let CostLine { metric, unit_usd, unit, amount, measured, cost_usd, note } = line;
            serde_json::json!({
                "metric": metric, "unit": unit, "unit_usd": unit_usd, "amount": amount, "measured": measured,
                "cost_usd": cost_usd, "share": self.share(line), "note": note,
            })
        };
        let lines: Vec<_> = self.lines.iter().map(line).collect();
        let (total, measured) = (self.total_usd(), self.measured_usd());
        serde_json::json!({ "lines": lines, "total_usd": total, "measured_usd": measured }).to_string()
    }
}

impl fmt::Display for CostReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<_> = self.lines.iter().map(Self::row).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let [metric, amount, unit, price, cost] = [0, 1, 2, 3, 4].map(width);
        for (row, line) in rows.iter().zip(&self.lines) {
            let (share, note) = (self.share(line) * 100.0, &line.note);
            write!(f, "{:<metric$}  {:>amount$} {:<unit$}  x {:<price$}", row[0], row[1], row[2], row[3])?;
            writeln!(f, "  = {:<cost$}  {share:>5.1} %  {note}", row[4])?;
        }
        write!(f, "total ${}", readable(self.total_usd(), 6))?;
        let estimated = self.total_usd() - self.measured_usd();
        if estimated > 0.0 { write!(f, ", of which ${} are estimated (~)", readable(estimated, 6)) } else { Ok(()) }
    }
}

/// A number with so many digits behind the point, and more of them where less than three would say something.
pub(crate) fn readable(value: f64, digits: usize) -> String {
    let more = (0..12_u16).find(|more| value.abs() * 10_f64.powi(i32::from(*more)) >= 99.5).unwrap_or(12);
    let digits = if value == 0.0 { digits } else { digits.max(more.into()) };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_makes_its_metric_an_estimate() {
        let used = |amount, measured| Quantity { metric: "duration".into(), amount, measured };
        let usage: Usage = [used(1.0, true), used(2.0, false)].into_iter().collect();
        assert_eq!(usage.quantities().next(), Some(used(3.0, false)));
    }

    #[test]
    fn every_form_has_shares_and_tells_the_measured_from_the_estimated() {
        let mut prices = PriceTable::default();
        let price = |usd| Price { usd, unit: "unit".into(), source: "list of 2026-11-22".into() };
        prices.prices.extend([("a".into(), price(0.5)), ("b".into(), price(1.5))]);
        let used = |metric: &'static str, measured| Quantity { metric: metric.into(), amount: 2.0, measured };
        let report = prices.report(&[used("a", true), used("b", false)].into_iter().collect());
        assert!((report.total_usd() - 4.0).abs() < 1e-12 && (report.measured_usd() - 1.0).abs() < 1e-12);
        let text = report.to_string();
        assert!(text.contains("= $1.000000   25.0 %  list of 2026-11-22"), "{text}");
        assert!(text.ends_with("total $4.000000, of which $3.000000 are estimated (~)"), "{text}");
        assert!(report.to_csv().contains("\nb,unit,1.5,2,false,3,0.75,"), "{}", report.to_csv());
        let json: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
        assert_eq!((&json["lines"][1]["share"], &json["measured_usd"]), (&0.75.into(), &1.0.into()));
    }

    #[test]
    fn small_amounts_are_readable_too() {
        let cases = [(0.0, "0.00"), (5.0, "5.00"), (0.216, "0.216"), (0.000_028_61, "0.0000286"), (1234.5, "1234.50")];
        for (value, text) in cases {
            assert_eq!(readable(value, 2), text);
        }
        assert_eq!(readable(1.668_6e-9, 6), "0.00000000167");
    }

    #[test]
    fn nothing_costs_nothing() {
        assert_eq!(CostReport::default().to_string(), "total $0.000000");
    }

    #[test]
    fn csv_quotes_notes() {
        let mut prices = PriceTable::default();
        prices.prices.insert("r".into(), Price { usd: 1.0, unit: "u".into(), source: "a \"b\", c".into() });
        let usage: Usage = [Quantity { metric: "r".into(), amount: 2.0, measured: true }].into_iter().collect();
        assert!(prices.report(&usage).to_csv().ends_with("r,u,1,2,true,2,1,\"a \"\"b\"\", c\"\n"));
    }
}
