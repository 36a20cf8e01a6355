//! The page: its head, the numbers at the top, and the sections in order.

use std::fmt::Write as _;

use super::text::{Amount, Count, Escaped, Span, Usd, counted};
use super::{calls, flow, lanes, latency, money, setting};
use crate::record::{RecordedRun, Summary, Utc};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

pub(super) fn page(run: &RecordedRun) -> String {
    let summary = &run.summary;
    let program = Escaped(&summary.header.program);
    let sections = [
        ("timeline", "Timeline", lanes::section(run)),
        ("concurrency", "Concurrency", flow::concurrency(summary)),
        ("latency", "Latency", latency::section(summary)),
        ("cost", "Cost", money::section(summary)),
        ("errors", "Errors", calls::errors(summary)),
        ("failed", "Failed calls", calls::failed(summary)),
        ("slowest", "Slowest calls", calls::slowest(summary)),
        ("functions", "Functions", calls::functions(summary)),
        ("setting", "Options and environment", setting::section(summary)),
    ];
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:\">\n\
         <title>{program}: a run on {}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#main\">To the report</a>\n",
        Escaped(&summary.header.provider)
    );
    html += &head(summary);
    html.push_str("<nav aria-label=\"Sections\"><ul>");
    for (id, name, _) in &sections {
        // Writing to a string can't fail.
        let _ = write!(html, "<li><a href=\"#{id}\">{name}</a></li>");
    }
    html.push_str("</ul></nav>\n<main id=\"main\">\n");
    html += &tiles(summary);
    for (id, name, content) in &sections {
        let _ = write!(
            html,
            "<section id=\"{id}\" aria-labelledby=\"{id}-name\"><h2 id=\"{id}-name\">{name}</h2>\n{content}</section>\n"
        );
    }
    let _ = write!(
        html,
        "</main>\n<script type=\"application/json\" id=\"data\">{}</script>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n",
        inert(&run.to_json())
    );
    html
}

/// JSON that can't end the element it stands in.
fn inert(json: &str) -> String {
    json.replace('<', "\\u003c").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

fn head(summary: &Summary) -> String {
    let header = &summary.header;
    let state = match (summary.finished, open(summary)) {
        (true, _) => "finished",
        (false, 0) => "every call has ended",
        (false, _) => "not finished when this was written",
    };
    format!(
        "<header><div><p class=\"over\">faast run on {}</p><h1>{}</h1><p class=\"when\">{} · {} · {state}</p></div>\
         <div class=\"tools\"><button type=\"button\" id=\"theme\" aria-live=\"polite\">Theme: automatic</button>\
         <button type=\"button\" id=\"save\">Save as JSON</button></div></header>\n",
        Escaped(&header.provider),
        Escaped(&header.program),
        Utc::of(header.started_ms),
        Span(summary.elapsed_us),
    )
}

/// The numbers that most people come for.
fn tiles(summary: &Summary) -> String {
    let totals = &summary.totals;
    let seconds = summary.elapsed_us.max(1) as f64 / 1e6;
    let ended = totals.completed + totals.failed;
    let tiles = [
        ("Values", Count(totals.completed).to_string(), format!("of {}", counted(totals.submitted, "call"))),
        ("Failed", Count(totals.failed).to_string(), failed_note(totals.canceled, open(summary))),
        ("Time", Span(summary.elapsed_us).to_string(), format!("{} calls a second", Amount(ended as f64 / seconds))),
        (
            "In flight",
            Count(totals.max_in_flight).to_string(),
            format!("at most; the limit is {}", Count(summary.header.concurrency)),
        ),
        ("Tried again", Count(totals.retried).to_string(), format!("{} throttled", Count(totals.throttled))),
        ("Hedged", Count(totals.hedged).to_string(), counted(totals.duplicates, "late answer")),
        ("Cold starts", Count(totals.cold).to_string(), format!("of {}", counted(totals.attempts, "attempt"))),
        ("Cost", Usd(money::total(summary)).to_string(), cost_note(summary)),
    ];
    let mut html = String::from("<dl class=\"tiles\">");
    for (name, value, note) in tiles {
        let class = if name == "Failed" && totals.failed > 0 { " class=\"bad\"" } else { "" };
        // Writing to a string can't fail.
        let _ = write!(html, "<div{class}><dt>{name}</dt><dd>{value}<small>{note}</small></dd></div>");
    }
    html.push_str("</dl>\n");
    if totals.unrecorded > 0 {
        let _ = writeln!(
            html,
            "<p class=\"note\">{} could not be recorded and are missing here.</p>",
            counted(totals.unrecorded, "event")
        );
    }
    html
}

/// Calls that had not ended.
fn open(summary: &Summary) -> u64 {
    let totals = &summary.totals;
    totals.submitted.saturating_sub(totals.completed + totals.failed + totals.canceled)
}

fn failed_note(canceled: u64, open: u64) -> String {
    match (canceled, open) {
        (0, 0) => "every call has ended".to_owned(),
        (canceled, 0) => format!("{} canceled", Count(canceled)),
        (0, open) => format!("{} not ended", Count(open)),
        (canceled, open) => format!("{} canceled, {} not ended", Count(canceled), Count(open)),
    }
}

fn cost_note(summary: &Summary) -> String {
    let measured = summary.cost.iter().filter(|line| line.measured).count();
    match (summary.cost.len(), measured) {
        (0, _) => "nothing that costs",
        (_, 0) => "estimated",
        (all, measured) if measured < all => "partly estimated",
        _ => "measured",
    }
    .to_owned()
}
