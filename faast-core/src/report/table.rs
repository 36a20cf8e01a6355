//! Tables: what stands behind each chart, and what is a table by itself. Sorted by a click on a heading.

use std::fmt::{Display, Write as _};

use super::text::Escaped;

/// A cell: what is shown, and the number it is sorted by if it is one.
pub(super) struct Cell {
    html: String,
    number: Option<f64>,
}

impl Cell {
    /// Text of a user's.
    pub(super) fn text(text: &str) -> Self {
        Self { html: Escaped(text).to_string(), number: None }
    }

    /// A number, as it is to be read.
    pub(super) fn number(shown: impl Display, value: f64) -> Self {
        Self { html: shown.to_string(), number: Some(value) }
    }

    /// Markup that is this module's own.
    pub(super) fn html(html: String) -> Self {
        Self { html, number: None }
    }
}

/// A table with headings.
pub(super) struct Table {
    caption: String,
    headings: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
    sortable: bool,
}

impl Table {
    pub(super) fn new(caption: impl Into<String>, headings: &[&'static str]) -> Self {
        Self { caption: caption.into(), headings: headings.to_vec(), rows: Vec::new(), sortable: false }
    }

    /// Its headings are buttons.
    #[must_use]
    pub(super) fn sortable(mut self) -> Self {
        self.sortable = true;
        self
    }

    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The table, in a frame that scrolls sideways where it is too wide.
    pub(super) fn html(&self) -> String {
        let caption = Escaped(&self.caption);
        let mut html = format!(
            "<div class=\"wide\" role=\"region\" tabindex=\"0\" aria-label=\"{caption}\"><table><caption>{caption}</caption><thead><tr>"
        );
        for (column, heading) in self.headings.iter().enumerate() {
            let numeric =
                self.rows.first().is_some_and(|row| row.get(column).is_some_and(|cell| cell.number.is_some()));
            let class = if numeric { " class=\"number\"" } else { "" };
            // Writing to a string can't fail.
            let _ = if self.sortable {
                write!(html, "<th scope=\"col\"{class}><button type=\"button\" class=\"sort\">{heading}</button></th>")
            } else {
                write!(html, "<th scope=\"col\"{class}>{heading}</th>")
            };
        }
        html.push_str("</tr></thead><tbody>\n");
        for row in &self.rows {
            html.push_str("<tr>");
            for Cell { html: shown, number } in row {
                let _ = match number {
                    Some(number) => write!(html, "<td class=\"number\" data-value=\"{number}\">{shown}</td>"),
                    None => write!(html, "<td>{shown}</td>"),
                };
            }
            html.push_str("</tr>\n");
        }
        html.push_str("</tbody></table></div>\n");
        html
    }

    /// The table behind a chart, folded away.
    pub(super) fn folded(&self) -> String {
        let (caption, table) = (Escaped(&self.caption), self.html());
        format!("<details class=\"behind\"><summary>{caption}, as a table</summary>\n{table}</details>\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_text_is_escaped_and_numbers_can_be_sorted() {
        let mut table = Table::new("A & B", &["Name", "Time"]).sortable();
        table.row([Cell::text("<i>"), Cell::number("1 ms", 1000.0)]);
        let html = table.html();
        assert!(html.contains("<caption>A &amp; B</caption>") && html.contains("<td>&lt;i&gt;</td>"), "{html}");
        assert!(html.contains("data-value=\"1000\">1 ms"), "{html}");
        assert!(table.folded().contains("<summary>A &amp; B, as a table"));
    }
}
