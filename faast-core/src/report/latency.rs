//! Where the time went: how each phase of a call is spread, with its quantiles.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::chart::{Chart, Tick, WIDTH, ticks};
use super::table::{Cell, Table};
use super::text::{Count, Escaped, Span};
use crate::record::{Spread, Summary};

/// One of the phases.
#[derive(Debug, Clone, Copy)]
pub(super) struct Phase {
    pub(super) key: &'static str,
    name: &'static str,
    what: &'static str,
}

const PHASES: [Phase; 5] = [
    Phase { key: "total", name: "Whole call", what: "from submission to the value, with retries" },
    Phase { key: "queue", name: "Queue", what: "in line, until the attempt was sent" },
    Phase {
        key: "start",
        name: "Start",
        what: "from sending to the start of the function: transport, a cold start, calls before it in the same request",
    },
    Phase { key: "run", name: "Run", what: "in the function" },
    Phase { key: "return", name: "Return", what: "from the end of the function until the client knew" },
];

/// Each phase over all functions.
pub(super) fn phases(summary: &Summary) -> Vec<(Phase, Spread)> {
    let mut spreads: [Spread; 5] = Default::default();
    for phases in summary.functions.iter().map(|function| &function.phases) {
        let of = [&phases.total, &phases.queue, &phases.start, &phases.run, &phases.back];
        spreads.iter_mut().zip(of).for_each(|(all, one)| all.merge(one));
    }
    PHASES.into_iter().zip(spreads).collect()
}

pub(super) fn section(summary: &Summary) -> String {
    let phases = phases(summary);
    let mut html = String::from("<div class=\"tabs\" role=\"tablist\" aria-label=\"Phase\">");
    for (index, (Phase { key, name, .. }, _)) in phases.iter().enumerate() {
        let (selected, focus) = if index == 0 { ("true", 0) } else { ("false", -1) };
        // Writing to a string can't fail.
        let _ = write!(
            html,
            "<button type=\"button\" role=\"tab\" id=\"tab-{key}\" aria-controls=\"phase-{key}\" \
             aria-selected=\"{selected}\" tabindex=\"{focus}\">{name}</button>"
        );
    }
    html.push_str("</div>\n");
    for (phase, spread) in &phases {
        html += &panel(*phase, spread);
    }
    html + &quantiles(&phases).html()
}

fn panel(Phase { key, name, what }: Phase, spread: &Spread) -> String {
    let mut html = format!(
        "<div class=\"panel\" role=\"tabpanel\" id=\"phase-{key}\" aria-labelledby=\"tab-{key}\" tabindex=\"0\">\
         <h3>{name}</h3><p class=\"note\">Time {what}.</p>\n"
    );
    html +=
        &if spread.count == 0 { "<p class=\"empty\">Not measured.</p>\n".to_owned() } else { histogram(name, spread) };
    html.push_str("</div>\n");
    html
}

/// Counts over a logarithmic scale of time, from a power of ten to another.
fn histogram(name: &str, spread: &Spread) -> String {
    const HEIGHT: f64 = 180.0;
    let (low, high) = decades(spread);
    let x = |us: u64| ((us.max(1) as f64).log10() - low) / (high - low);
    let bars = bars(spread);
    let most = bars.iter().map(|bar| bar.2).max().unwrap_or(1) as f64;
    let mut drawing = String::new();
    for (from, to, count) in &bars {
        let (left, right, up) = (x(*from) * WIDTH, x(*to) * WIDTH, HEIGHT * *count as f64 / most);
        // Writing to a string can't fail.
        let _ = write!(
            drawing,
            "<rect class=\"bar\" x=\"{left:.2}\" y=\"{:.2}\" width=\"{:.2}\" height=\"{up:.2}\"><title>{} to {}: {}</title></rect>",
            HEIGHT - up,
            (right - left - 1.0).max(1.0),
            Span(*from),
            Span(*to),
            Count(*count)
        );
    }
    for (share, class) in [(0.5, "p50"), (0.9, "p90"), (0.99, "p99")] {
        let at = x(spread.quantile(share)) * WIDTH;
        let _ = write!(drawing, "<path class=\"mark {class}\" d=\"M{at:.2} 0V{HEIGHT}\"/>");
    }
    let [p50, p90, p99] = [0.5, 0.9, 0.99].map(|share| Span(spread.quantile(share)));
    let label = format!("{name}: half of {} within {p50}, 90 % within {p90}, 99 % within {p99}", Count(spread.count));
    let decades: Vec<Tick> = powers(low, high).map(|(at, us)| (at, Span(us).to_string())).collect();
    let chart = Chart { label: &label, height: HEIGHT, drawing, x: decades, y: ticks(most, 4.0, shown) };
    let mut table = Table::new(format!("{name}: how many took how long"), &["From", "To", "Count"]);
    for (from, to, count) in &bars {
        let span = |us: u64| Cell::number(Span(us), us as f64);
        table.row([span(*from), span(*to), Cell::number(Count(*count), *count as f64)]);
    }
    format!(
        "{}<p class=\"key\"><span class=\"line p50\"></span>half within {p50} <span class=\"line p90\"></span>90&nbsp;% within {p90} \
         <span class=\"line p99\"></span>99&nbsp;% within {p99}</p>\n{}",
        chart.html(),
        table.folded()
    )
}

/// The powers of ten around all values, as their logarithms.
fn decades(spread: &Spread) -> (f64, f64) {
    let low = (spread.min_us.max(1) as f64).log10().floor();
    let high = (spread.max_us.max(1) as f64 * 1.0001).log10().ceil();
    (low, high.max(low + 1.0))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "powers of ten within 64 bits")]
fn powers(low: f64, high: f64) -> impl Iterator<Item = (f64, u64)> {
    let marks = std::iter::successors(Some(low), |at| Some(at + 1.0)).take_while(move |at| *at <= high);
    marks.map(move |at| ((at - low) / (high - low), 10_f64.powf(at).round() as u64))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts, and a tick is never negative")]
fn shown(count: f64) -> Count {
    Count(count.round() as u64)
}

/// The buckets, joined until there are few enough to be seen: from each power of two to half as much again, and on to the
/// next.
fn bars(spread: &Spread) -> Vec<(u64, u64, u64)> {
    let mut bars: BTreeMap<(u64, u64), u64> = BTreeMap::new();
    for (from, _, count) in spread.buckets() {
        let low = 1 << from.max(1).ilog2();
        let half = low + low / 2;
        let bar = if from < half { (low, half) } else { (half.max(low), low * 2) };
        *bars.entry(bar).or_default() += count;
    }
    bars.into_iter().map(|((from, to), count)| (from, to, count)).collect()
}

fn quantiles(phases: &[(Phase, Spread)]) -> Table {
    let headings = ["Phase", "Count", "Least", "Mean", "Half within", "90\u{a0}% within", "99\u{a0}% within", "Most"];
    let mut table = Table::new("Latency by phase", &headings);
    for (phase, spread) in phases {
        let mut cells = vec![
            Cell::html(format!("<span title=\"{}\">{}</span>", Escaped(phase.what), phase.name)),
            Cell::number(Count(spread.count), spread.count as f64),
        ];
        cells.extend(values(spread));
        table.row(cells);
    }
    table
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a mean of what fits")]
fn values(spread: &Spread) -> [Cell; 6] {
    let [p50, p90, p99] = [0.5, 0.9, 0.99].map(|share| spread.quantile(share));
    [spread.min_us, spread.mean().round() as u64, p50, p90, p99, spread.max_us]
        .map(|us| Cell::number(Span(us), us as f64))
}
