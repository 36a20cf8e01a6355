//! What the run cost, by metric.

use super::advice;
use super::table::{Cell, Table};
use super::text::{Amount, Escaped, Share, Usd};
use crate::record::Summary;

/// The sum in US dollars.
pub(super) fn total(summary: &Summary) -> f64 {
    // The sum of nothing is -0.0.
    summary.cost.iter().map(|line| line.usd).sum::<f64>() + 0.0
}

pub(super) fn section(summary: &Summary) -> String {
    if summary.cost.is_empty() {
        return "<p class=\"empty\">Nothing was used that costs money.</p>\n".to_owned();
    }
    let total = total(summary);
    let mut table =
        Table::new("Cost by metric", &["Metric", "Used", "Unit", "Unit price", "Cost", "Share", "How known", "Price"]);
    for line in &summary.cost {
        let share = if total > 0.0 { line.usd / total } else { 0.0 };
        let bar =
            format!("<span class=\"bar-cell\"><i style=\"width:{:.1}%\"></i></span>{}", share * 100.0, Share(share));
        table.row([
            Cell::text(&line.metric),
            Cell::number(Amount(line.amount), line.amount),
            Cell::text(&line.unit),
            Cell::number(Usd(line.unit_usd), line.unit_usd),
            Cell::number(Usd(line.usd), line.usd),
            Cell::number(bar, share),
            Cell::text(if line.measured { "measured" } else { "estimated" }),
            Cell::html(format!("<span class=\"dim\">{}</span>", Escaped(&line.note))),
        ]);
    }
    let per_call = summary.totals.completed;
    let each = if per_call > 0 { format!(", {} for each value", Usd(total / per_call as f64)) } else { String::new() };
    let advice = advice::batching(summary).map(advice::Batching::html).unwrap_or_default();
    format!("<p class=\"lead\"><strong>{}</strong>{each}</p>\n{advice}{}", Usd(total), table.html())
}
