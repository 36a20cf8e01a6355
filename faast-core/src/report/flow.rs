//! What went on over time: attempts as they ended, and concurrency against its limit.

use std::fmt::Write as _;

use super::chart::{Chart, Tick, WIDTH, steps, ticks};
use super::table::{Cell, Table};
use super::text::{Amount, Count, Span};
use crate::record::{Bin, Summary};

/// The whole time that charts show.
pub(super) fn whole(summary: &Summary) -> f64 {
    summary.elapsed_us.max(1) as f64
}

/// Marks of time below a chart.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "microseconds of a run")]
pub(super) fn times(summary: &Summary) -> Vec<Tick> {
    ticks(whole(summary), 6.0, |us| Span(us.round() as u64))
}

/// The bins within the run, and how wide each is in a drawing.
fn bins(summary: &Summary) -> (&[Bin], f64) {
    let timeline = &summary.timeline;
    (&timeline.bins, timeline.width_us as f64 / whole(summary) * WIDTH)
}

/// What ended when.
pub(super) fn attempts(summary: &Summary) -> String {
    const HEIGHT: f64 = 140.0;
    let (bins, span) = bins(summary);
    let ended = |bin: &Bin| bin.completed as f64 + bin.failures as f64;
    let most = bins.iter().map(ended).fold(1.0, f64::max);
    let mut drawing = String::new();
    for (index, bin) in bins.iter().enumerate() {
        let mut ground = HEIGHT;
        for (count, class) in [(bin.completed, "ok"), (bin.failures, "fail")] {
            if count == 0 {
                continue;
            }
            let up = HEIGHT * count as f64 / most;
            ground -= up;
            // Writing to a string can't fail.
            let _ = write!(
                drawing,
                "<rect class=\"{class}\" x=\"{:.2}\" y=\"{ground:.2}\" width=\"{:.2}\" height=\"{up:.2}\"/>",
                index as f64 * span,
                span.max(0.5)
            );
        }
    }
    let label =
        "Attempts over time: those that gave a value, and above them those that failed; the table has the numbers";
    let y = ticks(most, 3.0, Amount);
    let chart = Chart { label, height: HEIGHT, drawing, x: times(summary), y };
    let width = Span(summary.timeline.width_us);
    format!(
        "<h3>Ended attempts</h3><p class=\"note\">For each {width}. <span class=\"swatch ok\"></span>gave a value \
         <span class=\"swatch fail\"></span>failed</p>\n{}",
        chart.html()
    )
}

/// Requests in flight against the limit.
pub(super) fn concurrency(summary: &Summary) -> String {
    const HEIGHT: f64 = 180.0;
    let (bins, span) = bins(summary);
    let width = summary.timeline.width_us as f64;
    // The last bin may be longer than the run.
    let length = |index: usize| (whole(summary) - index as f64 * width).clamp(1.0, width);
    let flying: Vec<f64> =
        bins.iter().enumerate().map(|(index, bin)| bin.in_flight_us as f64 / length(index)).collect();
    let limits = limits(summary);
    let most = flying.iter().copied().chain(limits.iter().map(|limit| *limit as f64)).fold(1.0, f64::max) * 1.08;
    let area = steps(&flying, span, most, HEIGHT);
    let mut line = String::new();
    for (index, limit) in limits.iter().enumerate() {
        let (left, up) = (index as f64 * span, HEIGHT * (1.0 - *limit as f64 / most));
        // Writing to a string can't fail.
        let _ = write!(line, "{}{left:.2} {up:.1}H{:.2}", if index == 0 { "M" } else { "L" }, (left + span).min(WIDTH));
    }
    let drawing = format!("<path class=\"area\" d=\"{area}\"/><path class=\"limit\" d=\"{line}\"/>");
    let (peak, limit) = (summary.totals.max_in_flight, summary.header.concurrency);
    let label = format!("Requests in flight over time: at most {peak} at once, the limit is {limit}");
    let y = ticks(most, 4.0, Amount);
    let chart = Chart { label: &label, height: HEIGHT, drawing, x: times(summary), y };
    let headings =
        ["From", "In flight, mean", "Limit", "In line, mean", "Sent", "Values", "Failed attempts", "Failed calls"];
    let mut table = Table::new("Concurrency over time", &headings);
    for (index, bin) in bins.iter().enumerate() {
        let count = |count: u64| Cell::number(Count(count), count as f64);
        let from = index as u64 * summary.timeline.width_us;
        let queued = bin.queued_us as f64 / length(index);
        table.row([
            Cell::number(Span(from), from as f64),
            Cell::number(Amount(flying[index]), flying[index]),
            count(limits[index]),
            Cell::number(Amount(queued), queued),
            count(bin.sent),
            count(bin.completed),
            count(bin.failures),
            count(bin.failed),
        ]);
    }
    format!(
        "<p class=\"note\"><span class=\"swatch ok\"></span>requests in flight, mean of each {}; {peak} at most \
         <span class=\"line limit\"></span>limit, {limit} as asked</p>\n{}{}",
        Span(summary.timeline.width_us),
        chart.html(),
        table.folded()
    )
}

/// The limit in each bin; where nobody looked, it is what it was before.
fn limits(summary: &Summary) -> Vec<u64> {
    let mut last = summary.header.concurrency;
    let each = summary.timeline.bins.iter().map(|bin| {
        last = bin.limit.unwrap_or(last);
        last
    });
    each.collect()
}
