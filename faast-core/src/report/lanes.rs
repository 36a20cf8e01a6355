//! The timeline: a lane for each worker. Single attempts where all of them can be told apart, else how busy each was.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::chart::WIDTH;
use super::flow::{times, whole};
use super::table::{Cell, Table};
use super::text::{Bytes, Count, Escaped, Share, Span, counted};
use crate::record::{Lane, RecordedRun, Row, TOO_LATE};

/// Attempts that are drawn one by one, if there are no more.
const DRAWN: usize = 3_000;

/// Attempts in the table behind the drawing.
const LISTED: usize = 500;

/// The height of a lane with its gap.
const LANE: f64 = 16.0;
const BAR: f64 = 11.0;

/// Steps of how busy a worker is.
const SHADES: f64 = 8.0;

pub(super) fn section(run: &RecordedRun) -> String {
    let attempts = usize::try_from(run.summary.totals.attempts).unwrap_or(usize::MAX);
    if attempts == run.rows.len() && attempts <= DRAWN { exact(run) } else { busy(run) }
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Value,
    Retried,
    Failed,
    Late,
}

impl Fate {
    fn class(self) -> &'static str {
        match self {
            Self::Value => "ok",
            Self::Retried => "retry",
            Self::Failed => "fail",
            Self::Late => "late",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Value => "gave the value",
            Self::Retried => "failed, tried again",
            Self::Failed => "failed",
            Self::Late => "not needed any more",
        }
    }
}

/// A failed attempt was tried again if a later one of its call was sent.
fn fates(rows: &[Row]) -> Vec<Fate> {
    let mut last_sent: HashMap<u64, u64> = HashMap::new();
    for row in rows {
        let sent = last_sent.entry(row.call).or_default();
        *sent = (*sent).max(row.sent_us);
    }
    let fate = |row: &Row| match row.error() {
        None if row.end <= TOO_LATE => Fate::Late,
        None => Fate::Value,
        Some(_) if last_sent.get(&row.call).is_some_and(|sent| *sent > row.sent_us) => Fate::Retried,
        Some(_) => Fate::Failed,
    };
    rows.iter().map(fate).collect()
}

fn exact(run: &RecordedRun) -> String {
    let fates = fates(&run.rows);
    let order = order(&run.summary.timeline.lanes);
    let homeless = run.rows.iter().any(|row| row.lane.is_none());
    let mut drawing = String::new();
    let mut drawn: Vec<_> = run.rows.iter().zip(&fates).collect();
    // What failed lies above what did not.
    drawn.sort_by_key(|(_, fate)| matches!(fate, Fate::Retried | Fate::Failed));
    for (row, fate) in drawn {
        let lane = row.lane.and_then(|lane| order.iter().position(|at| *at == lane)).unwrap_or(order.len());
        draw(run, row, *fate, lane, &mut drawing);
    }
    let mut names: Vec<_> = order.iter().map(|lane| run.summary.timeline.lanes[*lane].name.as_str()).collect();
    names.extend(homeless.then_some("no worker"));
    let legend = legend(&[
        ("ok", "Gave the value", fates.contains(&Fate::Value)),
        ("retry", "Failed, tried again", fates.contains(&Fate::Retried)),
        ("fail", "Failed", fates.contains(&Fate::Failed)),
        ("late", "Not needed any more", fates.contains(&Fate::Late)),
        ("hedge", "Hedge", run.rows.iter().any(|row| row.hedge)),
        ("cold", "Cold start", run.rows.iter().any(|row| row.cold)),
    ]);
    let note = "Each bar is an attempt: pale while it is on its way, full while the function runs.";
    format!("<p class=\"note\">{note}</p>{legend}{}{}", frame(run, &names, &drawing), table(run, &fates))
}

/// Lanes by name, numbers in their own order.
fn order(lanes: &[Lane]) -> Vec<usize> {
    let mut order: Vec<_> = (0..lanes.len()).collect();
    order.sort_by_key(|lane| (lanes[*lane].name.len(), &lanes[*lane].name));
    order
}

fn draw(run: &RecordedRun, row: &Row, fate: Fate, lane: usize, drawing: &mut String) {
    let x = |us: u64| us as f64 / whole(&run.summary) * WIDTH;
    let top = lane as f64 * LANE + (LANE - BAR) / 2.0;
    let (sent, started, done, ended) =
        (x(row.sent_us), x(row.started_us), x(row.started_us.saturating_add(row.run_us)), x(row.ended_us).min(WIDTH));
    let function = row.function.and_then(|function| run.summary.functions.get(function));
    let name = function.map_or("", |function| function.name.as_str());
    let mut classes = fate.class().to_owned();
    classes += if row.hedge { " hedge" } else { "" };
    classes += if row.cold { " cold" } else { "" };
    let error = row.error().map(|kind| format!(", {kind}")).unwrap_or_default();
    // Writing to a string can't fail.
    let _ = write!(
        drawing,
        "<g class=\"a {classes}\"><title>{} call {}, attempt {}: {}{error}{}{}, queued {}, start {}, run {}</title>",
        Escaped(name),
        row.call,
        row.attempt,
        fate.name(),
        if row.hedge { ", hedge" } else { "" },
        if row.cold { ", cold start" } else { "" },
        Span(row.sent_us.saturating_sub(row.queued_us)),
        Span(row.started_us.saturating_sub(row.sent_us)),
        Span(row.run_us),
    );
    let pale = ended - sent;
    if pale > 0.3 {
        let _ = write!(
            drawing,
            "<rect class=\"way\" x=\"{sent:.2}\" y=\"{:.1}\" width=\"{pale:.2}\" height=\"{:.1}\"/>",
            top + BAR * 0.36,
            BAR * 0.28
        );
    }
    let (left, wide) =
        if row.run_us == 0 { (sent, (ended - sent).max(1.0)) } else { (started, (done - started).max(1.0)) };
    // Failures stick out, so that they are seen without their colour.
    let out = if matches!(fate, Fate::Retried | Fate::Failed) { 2.0 } else { 0.0 };
    let (top, high) = (top - out, BAR + 2.0 * out);
    let _ =
        write!(drawing, "<rect class=\"run\" x=\"{left:.2}\" y=\"{top:.1}\" width=\"{wide:.2}\" height=\"{high}\"/>");
    if row.cold {
        let _ = write!(drawing, "<path class=\"flake\" d=\"M{sent:.2} {:.1}V{:.1}\"/>", top - 2.0, top + BAR + 2.0);
    }
    drawing.push_str("</g>\n");
}

/// Buttons that show and hide what they name.
fn legend(entries: &[(&str, &str, bool)]) -> String {
    let mut html = String::from("<div class=\"legend\" role=\"group\" aria-label=\"Show in the timeline\">");
    for (class, name, _) in entries.iter().filter(|(_, _, any)| *any) {
        // Writing to a string can't fail.
        let _ = write!(
            html,
            "<button type=\"button\" aria-pressed=\"true\" data-hides=\"{class}\"><span class=\"swatch {class}\"></span>{name}</button>"
        );
    }
    html + "</div>\n"
}

/// Names at the left, the drawing beside them.
fn frame(run: &RecordedRun, names: &[&str], drawing: &str) -> String {
    let height = names.len().max(1) as f64 * LANE;
    let totals = &run.summary.totals;
    let label = format!(
        "Timeline of {} on {}: {} failed, {} were cold starts; the table has them one by one",
        counted(totals.attempts, "attempt"),
        counted(run.summary.timeline.workers, "worker"),
        Count(totals.failures),
        Count(totals.cold)
    );
    let mut html = String::from("<div class=\"lanes\"><div class=\"names\" aria-hidden=\"true\">");
    for name in names {
        // Writing to a string can't fail.
        let _ = write!(html, "<span title=\"{0}\">{0}</span>", Escaped(name));
    }
    let _ = write!(
        html,
        "</div><div class=\"plot\"><svg id=\"timeline\" role=\"img\" aria-label=\"{label}\" viewBox=\"0 0 {WIDTH} {height}\" \
         preserveAspectRatio=\"none\" style=\"height:{height}px\">\n{drawing}</svg><div class=\"x\" aria-hidden=\"true\">",
    );
    for (at, text) in times(&run.summary) {
        let _ = write!(html, "<span style=\"left:{:.2}%\">{text}</span>", at * 100.0);
    }
    html + "</div></div></div>\n"
}

/// How busy each worker was over time.
fn busy(run: &RecordedRun) -> String {
    let timeline = &run.summary.timeline;
    let lanes: Vec<_> = order(&timeline.lanes).into_iter().map(|lane| &timeline.lanes[lane]).collect();
    let names: Vec<_> = lanes.iter().map(|lane| lane.name.as_str()).collect();
    let mut drawing = String::new();
    for (index, lane) in lanes.iter().enumerate() {
        shade(run, lane, index as f64 * LANE + (LANE - BAR) / 2.0, &mut drawing);
    }
    let hidden = timeline.workers.saturating_sub(timeline.lanes.len() as u64);
    let rest = if hidden > 0 { format!(" {} more are not drawn.", counted(hidden, "worker")) } else { String::new() };
    let note = "The fuller the colour, the more of that time the worker spent in functions.";
    let mut table =
        Table::new("Workers", &["Worker", "Attempts", "Failed", "Busy", "Peak memory", "First seen", "Last seen"]);
    for lane in lanes {
        let share = lane.busy_us as f64 / whole(&run.summary);
        let memory = lane.peak_memory.map_or_else(|| Cell::text("–"), |bytes| Cell::number(Bytes(bytes), bytes as f64));
        table.row([
            Cell::text(&lane.name),
            Cell::number(Count(lane.attempts), lane.attempts as f64),
            Cell::number(Count(lane.failures), lane.failures as f64),
            Cell::number(Share(share), share),
            memory,
            Cell::number(Span(lane.first_us), lane.first_us as f64),
            Cell::number(Span(lane.last_us), lane.last_us as f64),
        ]);
    }
    let (frame, table) = (frame(run, &names, &drawing), table.sortable().folded());
    format!("{}<h3>Workers</h3><p class=\"note\">{note}{rest}</p>\n{frame}{table}", super::flow::attempts(&run.summary))
}

/// Neighbours of one shade are one rectangle.
fn shade(run: &RecordedRun, lane: &Lane, top: f64, drawing: &mut String) {
    let width = run.summary.timeline.width_us as f64;
    let unit = width / whole(&run.summary) * WIDTH;
    let level = |us: &u64| (*us as f64 / width * SHADES).ceil().min(SHADES);
    let mut from = 0;
    for group in lane.busy.chunk_by(|a, b| level(a).to_bits() == level(b).to_bits()) {
        let shade = group.first().map_or(0.0, level) / SHADES;
        let (left, wide) = (from as f64 * unit, group.len() as f64 * unit);
        from += group.len();
        if shade > 0.0 {
            // Writing to a string can't fail.
            let _ = write!(
                drawing,
                "<rect class=\"run\" x=\"{left:.2}\" y=\"{top:.1}\" width=\"{:.2}\" height=\"{BAR}\" opacity=\"{shade:.3}\"/>",
                wide.min(WIDTH - left).max(0.5)
            );
        }
    }
}

fn table(run: &RecordedRun, fates: &[Fate]) -> String {
    let headings =
        ["Call", "Attempt", "Function", "Worker", "Sent at", "Queue", "Start", "Run", "Return", "End", "Mark"];
    let listed = run.rows.len().min(LISTED);
    let caption = if listed < run.rows.len() {
        format!("The first {LISTED} of {}", counted(run.rows.len() as u64, "attempt"))
    } else {
        "Attempts".to_owned()
    };
    let mut table = Table::new(caption, &headings).sortable();
    for (row, fate) in run.rows.iter().zip(fates).take(LISTED) {
        let span = |us: u64| Cell::number(Span(us), us as f64);
        let function = row.function.and_then(|at| run.summary.functions.get(at));
        let lane = row.lane.and_then(|at| run.summary.timeline.lanes.get(at));
        let end = row.error().map_or_else(|| fate.name().to_owned(), |kind| format!("{}: {kind}", fate.name()));
        let marks = [(row.hedge, "hedge"), (row.cold, "cold start")];
        let marks: Vec<_> = marks.into_iter().filter_map(|(set, name)| set.then_some(name)).collect();
        table.row([
            Cell::number(row.call, row.call as f64),
            Cell::number(row.attempt, row.attempt.into()),
            Cell::text(function.map_or("", |function| &function.name)),
            Cell::text(lane.map_or("–", |lane| &lane.name)),
            span(row.sent_us),
            span(row.sent_us.saturating_sub(row.queued_us)),
            span(row.started_us.saturating_sub(row.sent_us)),
            span(row.run_us),
            span(row.ended_us.saturating_sub(row.started_us.saturating_add(row.run_us))),
            Cell::text(&end),
            Cell::text(&marks.join(", ")),
        ]);
    }
    table.folded()
}
