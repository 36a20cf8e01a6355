//! Calls that stand out, by themselves and by function: errors in groups, the failed calls and the slowest.

use std::fmt::Write as _;

use super::table::{Cell, Table};
use super::text::{Bytes, Count, Escaped, Span, counted};
use crate::record::Summary;
use crate::stats::fitting_memory_mb;

/// Errors that say the same, together.
pub(super) fn errors(summary: &Summary) -> String {
    if summary.errors.is_empty() && summary.failures.is_empty() {
        return "<p class=\"empty\">Nothing failed.</p>\n".to_owned();
    }
    let mut html = String::new();
    let mut groups: Vec<_> = summary.errors.iter().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    for group in groups {
        let place = group.location.as_ref().map(|at| format!(" at <code>{}</code>", Escaped(at))).unwrap_or_default();
        let calls: Vec<_> = group.calls.iter().map(ToString::to_string).collect();
        let more = if group.count > calls.len() as u64 { ", .." } else { "" };
        let (first, last) = (Span(group.first_us), Span(group.last_us));
        let when = if group.count > 1 {
            format!("Calls {}{more}; from {first} to {last} after the start.", calls.join(", "))
        } else {
            format!("Call {}, {first} after the start.", calls.join(", "))
        };
        // Writing to a string can't fail.
        let _ = write!(
            html,
            "<article class=\"error\"><h3><span class=\"many\">{}</span> <code>{}</code> {}</h3>\
             <p class=\"message\">{}{place}</p><p class=\"note\">{when}</p>",
            counted(group.count, "call"),
            Escaped(&group.function),
            Escaped(&group.kind),
            Escaped(&group.message),
        );
        if !group.log_urls.is_empty() {
            html.push_str("<ul class=\"logs\" aria-label=\"Logs\">");
            for url in &group.log_urls {
                let _ = write!(html, "<li>{}</li>", link(url));
            }
            html.push_str("</ul>");
        }
        html.push_str("</article>\n");
    }
    if summary.ungrouped > 0 {
        let _ =
            writeln!(html, "<p class=\"note\">{} failed in other ways.</p>", counted(summary.ungrouped, "more call"));
    }
    html + &attempts(summary)
}

/// Failed attempts by kind, which may have been tried again.
fn attempts(summary: &Summary) -> String {
    if summary.failures.is_empty() {
        return String::new();
    }
    let mut table = Table::new("Failed attempts by kind, those that were tried again too", &["Kind", "Attempts"]);
    for (kind, count) in &summary.failures {
        table.row([Cell::text(kind), Cell::number(Count(*count), *count as f64)]);
    }
    table.html()
}

/// Only addresses of the web are links; a file's is text.
pub(super) fn link(url: &str) -> String {
    let (whole, shown) = (Escaped(url), tail(url));
    let shown = Escaped(&shown);
    if url.starts_with("https://") || url.starts_with("http://") {
        format!("<a href=\"{whole}\" title=\"{whole}\" rel=\"noreferrer\">{shown}</a>")
    } else {
        format!("<code title=\"{whole}\">{shown}</code>")
    }
}

/// The end of an address, which tells it from others.
fn tail(url: &str) -> String {
    const LONG: usize = 48;
    let from = url.char_indices().rev().nth(LONG).map(|(at, _)| at);
    from.map_or_else(
        || url.to_owned(),
        |from| format!("…{}", url[from..].split_once('/').map_or(&url[from..], |(_, tail)| tail)),
    )
}

/// The first failed calls.
pub(super) fn failed(summary: &Summary) -> String {
    if summary.failed.is_empty() {
        return "<p class=\"empty\">No call failed.</p>\n".to_owned();
    }
    let caption = caption(summary.failed.len(), summary.totals.failed, "failed calls");
    let headings = ["Call", "Input", "Function", "Error", "Message", "Attempts", "After", "Logs"];
    let mut table = Table::new(caption, &headings).sortable();
    for call in &summary.failed {
        let input = match (&call.label, call.index) {
            (Some(label), _) => Cell::text(label),
            (None, Some(index)) => Cell::number(index, index as f64),
            (None, None) => Cell::text("–"),
        };
        let place = call.location.as_ref().map(|at| format!(" at {at}")).unwrap_or_default();
        table.row([
            Cell::number(call.call, call.call as f64),
            input,
            Cell::text(&call.function),
            Cell::text(&call.kind),
            Cell::html(format!("<span class=\"message\">{}{}</span>", Escaped(&call.message), Escaped(&place))),
            Cell::number(call.attempts, call.attempts.into()),
            Cell::number(Span(call.elapsed_us), call.elapsed_us as f64),
            Cell::html(call.log_url.as_deref().map(link).unwrap_or_default()),
        ]);
    }
    table.html()
}

/// The calls that took longest.
pub(super) fn slowest(summary: &Summary) -> String {
    if summary.slowest.is_empty() {
        return "<p class=\"empty\">No call gave a value.</p>\n".to_owned();
    }
    let caption = caption(summary.slowest.len(), summary.totals.completed, "slowest calls");
    let headings = ["Call", "Function", "Whole call", "Queue", "Run", "Attempts", "Worker", "Mark"];
    let mut table = Table::new(caption, &headings).sortable();
    for call in &summary.slowest {
        let span = |us: u64| Cell::number(Span(us), us as f64);
        let marks = [(call.hedge, "hedge"), (call.cold, "cold start")];
        let marks: Vec<_> = marks.into_iter().filter_map(|(set, name)| set.then_some(name)).collect();
        table.row([
            Cell::number(call.call, call.call as f64),
            Cell::text(&call.function),
            span(call.total_us),
            span(call.queue_us),
            span(call.run_us),
            Cell::number(call.attempts, call.attempts.into()),
            Cell::text(&call.worker),
            Cell::text(&marks.join(", ")),
        ]);
    }
    table.html()
}

fn caption(listed: usize, all: u64, what: &str) -> String {
    if (listed as u64) < all { format!("{what}: {} of {}", Count(listed as u64), Count(all)) } else { what.to_owned() }
}

/// Each function with its running times and its memory.
pub(super) fn functions(summary: &Summary) -> String {
    let headings = [
        "Function",
        "Attempts",
        "Values",
        "Failed",
        "Half within",
        "99\u{a0}% within",
        "Peak memory",
        "memory_mb that fits",
    ];
    let mut table = Table::new("Functions", &headings).sortable();
    for function in &summary.functions {
        let count = |count: u64| Cell::number(Count(count), count as f64);
        let quantile = |share: f64| {
            let us = function.phases.run.quantile(share);
            Cell::number(Span(us), us as f64)
        };
        let (peak, fits) = match function.peak_memory {
            Some(bytes) => {
                let fits = fitting_memory_mb(bytes);
                (Cell::number(Bytes(bytes), bytes as f64), Cell::number(fits, fits.into()))
            }
            None => (Cell::text("not measured"), Cell::text("–")),
        };
        table.row([
            Cell::text(&function.name),
            count(function.attempts),
            count(function.completed),
            count(function.failed),
            quantile(0.5),
            quantile(0.99),
            peak,
            fits,
        ]);
    }
    let limit = summary.header.memory_limit.map_or_else(
        || "Workers had no limit of memory.".to_owned(),
        |limit| format!("Workers had {} of memory.", Bytes(limit)),
    );
    format!("<p class=\"note\">{limit} What fits is the peak and a quarter more.</p>\n{}", table.html())
}
