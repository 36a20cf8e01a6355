//! Tables in columns, for people.

use std::fmt::Write as _;

/// Rows below each other, each column as wide as its widest cell, with `indent` blanks in front.
pub(crate) fn table(rows: &[Vec<String>], indent: usize) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        // Writing to a string can't fail.
        let _ = writeln!(text, "{:indent$}{}", "", line.trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a", "größer", ""], ["long", "b", "c"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(table(&rows, 2), "  a     größer\n  long  b       c\n");
        assert_eq!(table(&[], 2), "");
    }
}
