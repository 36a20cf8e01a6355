//! What an analysis found: a table, CSV, a chart of time against cost, and which configuration to take. Pure.

use std::fmt::{self, Write as _};
use std::time::Duration;

use super::readable;
use crate::report::{Escaped, ticks};

/// Configurations side by side; made by [`Analyzer`](super::Analyzer).
///
/// Prints as a table with its recommendation.
///
/// ```
/// # use faast_core::cost::Analysis;
/// # fn example(analysis: &Analysis) -> std::io::Result<()> {
/// for row in analysis.rows() {
///     match &row.measured {
///         Ok(took) => println!("{}: {:?}, ${}", row.name, took.time, took.usd),
///         Err(why) => println!("{}: {why}", row.name),
///     }
/// }
/// if let Some(best) = analysis.recommendation() {
///     println!("take {}: {}", best.name, best.reason);
/// }
/// std::fs::write("time-and-cost.svg", analysis.chart())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Analysis {
    rows: Vec<Row>,
}

/// One configuration.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Row {
    /// Its name.
    pub name: String,
    /// What it took, or why it could not be measured.
    pub measured: Result<Measured, String>,
}

/// What a configuration took for the workload once, as means over the repetitions.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Measured {
    /// The workload's time.
    pub time: Duration,
    /// The shortest of the repetitions.
    pub fastest: Duration,
    /// The longest of them.
    pub slowest: Duration,
    /// US dollars.
    pub usd: f64,
    /// Nothing of the cost is an estimate.
    pub is_measured: bool,
    /// Calls that ended, over all repetitions.
    pub calls: u64,
    /// Attempts after the first, over all repetitions.
    pub retried: u64,
    /// The running time that half of the calls of the function with most calls did not exceed.
    pub median: Option<Duration>,
    /// The highest peak of memory of a worker, in bytes.
    pub peak_memory: Option<u64>,
}

/// The configuration to take, and why.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Recommendation {
    /// The configuration's name.
    pub name: String,
    /// Why it.
    pub reason: String,
}

impl Analysis {
    pub(super) fn new(rows: Vec<Row>) -> Self {
        Self { rows }
    }

    /// The configurations in the order in which they were added.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    fn measured(&self) -> Vec<(&str, &Measured)> {
        self.rows.iter().filter_map(|row| Some((row.name.as_str(), row.measured.as_ref().ok()?))).collect()
    }

    /// The configuration for which time times cost is least; where nothing costs, the fastest.
    ///
    /// From there, going on to the cheapest would cost more time, as a share, than it saves money, and the other way
    /// round.
    ///
    /// `None` if none could be measured.
    pub fn recommendation(&self) -> Option<Recommendation> {
        let all = self.measured();
        let by = |of: fn(&Measured) -> f64| all.iter().min_by(|a, b| of(a.1).total_cmp(&of(b.1))).copied();
        let (fastest, cheapest) = (by(seconds)?, by(|it| it.usd)?);
        let (name, best) = by(|it| seconds(it) * it.usd)?;
        let recommend = |name: &str, reason: String| Some(Recommendation { name: name.to_owned(), reason });
        if cheapest.1.usd <= 0.0 {
            let free = all.iter().filter(|(_, it)| it.usd <= 0.0);
            let (name, it) = free.min_by(|a, b| a.1.time.cmp(&b.1.time))?;
            return recommend(name, format!("the fastest of those that cost nothing, {:.1?}", it.time));
        }
        if all.len() == 1 {
            return recommend(name, "the only one that could be measured".into());
        }
        let slower = seconds(best) / seconds(fastest.1).max(1e-9);
        let dearer = best.usd / cheapest.1.usd;
        let reason = match (name == fastest.0, name == cheapest.0) {
            (true, true) => "the fastest and the cheapest".to_owned(),
            (true, false) => {
                let times = seconds(cheapest.1) / seconds(best).max(1e-9);
                format!("the fastest; {} costs {} less and takes {times:.2} times as long", cheapest.0, less(dearer))
            }
            (false, true) => {
                let times = fastest.1.usd / best.usd;
                format!("the cheapest; {} is {} faster and costs {times:.2} times as much", fastest.0, less(slower))
            }
            (false, false) => format!(
                "{slower:.2} times the time of the fastest ({}) and {dearer:.2} times the cost of the cheapest ({}), the least of \
                 both together",
                fastest.0, cheapest.0
            ),
        };
        recommend(name, reason)
    }

    /// Comma-separated values with a header line, as spreadsheets read them.
    pub fn to_csv(&self) -> String {
        let mut csv = String::from(
            "configuration,seconds,seconds_min,seconds_max,usd,measured,calls,retried,median_seconds,peak_memory,error\n",
        );
        for Row { name, measured } in &self.rows {
            let name = quoted(name);
            // Writing to a string can't fail.
            let _ = match measured {
                Err(error) => writeln!(csv, "{name},,,,,,,,,,{}", quoted(error)),
                Ok(it) => writeln!(
                    csv,
                    "{name},{},{},{},{},{},{},{},{},{},",
                    it.time.as_secs_f64(),
                    it.fastest.as_secs_f64(),
                    it.slowest.as_secs_f64(),
                    it.usd,
                    it.is_measured,
                    it.calls,
                    it.retried,
                    it.median.map(|median| median.as_secs_f64().to_string()).unwrap_or_default(),
                    it.peak_memory.map(|peak| peak.to_string()).unwrap_or_default(),
                ),
            };
        }
        csv
    }

    /// A chart of time against cost, as SVG that needs nothing else.
    ///
    /// It has a point for each configuration, the spread of its repetitions as a line, and a ring around the
    /// recommended one.
    pub fn chart(&self) -> String {
        const WIDTH: f64 = 720.0;
        const HEIGHT: f64 = 420.0;
        const LEFT: f64 = 90.0;
        const FOOT: f64 = 50.0;
        let all = self.measured();
        let most = |of: fn(&Measured) -> f64| all.iter().map(|(_, it)| of(it)).fold(0.0, f64::max) * 1.1;
        let (time, usd) = (most(|it| it.slowest.as_secs_f64()).max(1e-9), most(|it| it.usd).max(1e-12));
        let x = |seconds: f64| LEFT + (WIDTH - LEFT - 130.0) * seconds / time;
        let y = |dollars: f64| HEIGHT - FOOT - (HEIGHT - FOOT - 30.0) * dollars / usd;
        let recommended = self.recommendation().map(|it| it.name);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
             aria-label=\"Time against cost of {} configurations\" font-family=\"system-ui, sans-serif\" font-size=\"12\">\n<style>{STYLE}</style>\n\
             <rect class=\"paper\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>\n",
            all.len()
        );
        for (at, text) in ticks(time, 6.0, |seconds| format!("{} s", short(seconds))) {
            let at = x(at * time);
            let _ = writeln!(
                svg,
                "<path class=\"grid\" d=\"M{at:.1} 30V{:.1}\"/><text class=\"soft\" x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{text}</text>",
                HEIGHT - FOOT,
                HEIGHT - FOOT + 18.0
            );
        }
        for (at, text) in ticks(usd, 5.0, |dollars| format!("${}", short(dollars))) {
            let at = y(at * usd);
            let _ = writeln!(
                svg,
                "<path class=\"grid\" d=\"M{LEFT} {at:.1}H{:.1}\"/><text class=\"soft\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>",
                WIDTH - 130.0,
                LEFT - 8.0,
                at + 4.0
            );
        }
        for (name, it) in &all {
            let (left, mid, right, up) =
                (x(it.fastest.as_secs_f64()), x(seconds(it)), x(it.slowest.as_secs_f64()), y(it.usd));
            let shown = Escaped(name);
            let _ = write!(
                svg,
                "<path class=\"spread\" d=\"M{left:.1} {up:.1}H{right:.1}\"/><circle class=\"point\" cx=\"{mid:.1}\" cy=\"{up:.1}\" r=\"5\"><title>{shown}: {:.2?}, ${:.6}</title></circle>",
                it.time, it.usd
            );
            if recommended.as_deref() == Some(*name) {
                let _ = write!(svg, "<circle class=\"ring\" cx=\"{mid:.1}\" cy=\"{up:.1}\" r=\"10\"/>");
            }
            let _ = writeln!(svg, "<text class=\"ink\" x=\"{:.1}\" y=\"{:.1}\">{shown}</text>", right + 14.0, up + 4.0);
        }
        let _ = writeln!(
            svg,
            "<text class=\"soft\" x=\"{LEFT}\" y=\"18\">cost of one run of the workload, against its time</text></svg>"
        );
        svg
    }
}

const STYLE: &str = ".paper{fill:#fbfbfa}.grid{stroke:#eceeef}.soft{fill:#59616b}.ink{fill:#1b1f24}.point{fill:#0067a8}\
    .spread{stroke:#0067a8;stroke-width:2}.ring{fill:none;stroke:#0067a8;stroke-width:2}\
    @media(prefers-color-scheme:dark){.paper{fill:#14171a}.grid{stroke:#272c31}.soft{fill:#a3abb4}.ink{fill:#e9ebee}\
    .point{fill:#62b3ea}.spread,.ring{stroke:#62b3ea}}";

fn seconds(measured: &Measured) -> f64 {
    measured.time.as_secs_f64()
}

/// What is saved if something is so many times as much: `20 %`.
fn less(times: f64) -> String {
    format!("{:.0} %", (1.0 - 1.0 / times.max(1.0)) * 100.0)
}

/// With three digits.
fn short(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    // Digits behind the point: one more for each power of ten below a hundred.
    let digits = (0..12).find(|digits| value.abs() * 10_f64.powi(*digits) >= 99.5).unwrap_or(12);
    let digits = usize::try_from(digits).unwrap_or(0);
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A field of CSV that may hold anything. What a spreadsheet would take for a formula is made text.
fn quoted(text: &str) -> String {
    let safe = if text.starts_with(['=', '+', '-', '@']) { "'" } else { "" };
    format!("\"{safe}{}\"", text.replace('"', "\"\""))
}

impl fmt::Display for Analysis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0).max(13);
        writeln!(
            f,
            "{:<width$} {:>10} {:>22} {:>14} {:>10} {:>12}",
            "configuration", "time", "of repetitions", "cost", "median", "peak memory"
        )?;
        for Row { name, measured } in &self.rows {
            match measured {
                Err(error) => writeln!(f, "{name:<width$} {error}")?,
                Ok(it) => {
                    let spread = format!("{:.2?} to {:.2?}", it.fastest, it.slowest);
                    let sign = if it.is_measured { "" } else { "~" };
                    let median = it.median.map(|median| format!("{median:.1?}")).unwrap_or_default();
                    let peak = it.peak_memory.map(|peak| format!("{} MiB", peak >> 20)).unwrap_or_default();
                    let (time, cost) = (format!("{:.2?}", it.time), format!("{sign}${}", readable(it.usd, 6)));
                    writeln!(f, "{name:<width$} {time:>10} {spread:>22} {cost:>14} {median:>10} {peak:>12}")?;
                }
            }
        }
        match self.recommendation() {
            Some(Recommendation { name, reason }) => write!(f, "take {name}: {reason}"),
            None => write!(f, "none could be measured"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn analysis(rows: &[(&str, u64, f64)]) -> Analysis {
        let row = |(name, ms, usd): &(&str, u64, f64)| {
            let time = Duration::from_millis(*ms);
            let measured = Measured {
                time,
                fastest: time,
                slowest: time,
                usd: *usd,
                is_measured: true,
                calls: 1,
                retried: 0,
                median: Some(time),
                peak_memory: Some(3 << 20),
            };
            Row { name: (*name).to_owned(), measured: Ok(measured) }
        };
        Analysis::new(rows.iter().map(row).collect())
    }

    fn recommended(rows: &[(&str, u64, f64)]) -> (String, String) {
        analysis(rows).recommendation().map(|it| (it.name, it.reason)).unwrap()
    }

    #[test]
    fn a_recommendation_says_why() {
        assert_eq!(
            recommended(&[("a", 100, 1.0), ("b", 200, 2.0)]),
            ("a".into(), "the fastest and the cheapest".into())
        );
        let (name, reason) = recommended(&[("small", 1000, 1.0), ("large", 500, 1.2)]);
        assert_eq!(
            (name.as_str(), reason.as_str()),
            ("large", "the fastest; small costs 17 % less and takes 2.00 times as long")
        );
        let (name, reason) = recommended(&[("small", 1000, 1.0), ("large", 900, 2.0)]);
        assert_eq!(
            (name.as_str(), reason.as_str()),
            ("small", "the cheapest; large is 10 % faster and costs 2.00 times as much")
        );
        let (name, reason) = recommended(&[("s", 1000, 1.0), ("m", 400, 1.2), ("l", 390, 3.0)]);
        assert!(name == "m" && reason.contains("1.03 times the time of the fastest (l)"), "{name}: {reason}");
        assert!(recommended(&[("a", 100, 0.0), ("b", 50, 0.0)]).1.contains("cost nothing"));
        assert_eq!(Analysis::new(Vec::new()).recommendation(), None);
    }

    #[test]
    fn a_spreadsheet_reads_every_line() {
        let mut analysis = analysis(&[("a \"b\", c", 1500, 0.25)]);
        analysis.rows.push(Row { name: "=1+1".into(), measured: Err("no, \"never\"".into()) });
        let csv = analysis.to_csv();
        let lines: Vec<_> = csv.lines().collect();
        assert_eq!(lines[1], "\"a \"\"b\"\", c\",1.5,1.5,1.5,0.25,true,1,0,1.5,3145728,");
        assert_eq!(lines[2], "\"'=1+1\",,,,,,,,,,\"no, \"\"never\"\"\"");
        assert_eq!(lines[0].matches(',').count(), 10);
    }

    #[test]
    fn the_chart_names_every_configuration_and_escapes_it() {
        let svg = analysis(&[("<b>", 100, 1.0), ("other", 200, 2.0)]).chart();
        assert!(svg.contains("&lt;b&gt;: 100.00ms, $1.000000") && !svg.contains("<b>"), "{svg}");
        assert_eq!((svg.matches("class=\"point\"").count(), svg.matches("class=\"ring\"").count()), (2, 1));
    }

    #[test]
    fn the_table_ends_with_what_to_take() {
        let text = analysis(&[("a", 100, 1.0), ("b", 200, 2.0)]).to_string();
        assert!(text.ends_with("take a: the fastest and the cheapest"), "{text}");
        assert_eq!([0.0, 0.5, 1234.0, 0.000_012_34].map(short), ["0", "0.5", "1234", "0.0000123"]);
    }
}
