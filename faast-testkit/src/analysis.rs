//! What an analysis shows: its rows, once more, as others read them.

#![expect(clippy::missing_panics_doc, clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use faast_core::cost::Analysis;

/// Every row has to stand in the CSV and in the chart.
///
/// In the CSV it has numbers wherever a spreadsheet reckons, and no error.
pub fn stands_in_csv_and_chart(analysis: &Analysis) {
    let csv = analysis.to_csv();
    let mut lines = csv.lines().map(fields);
    let heads = lines.next().unwrap();
    let rows: Vec<_> = lines.collect();
    assert_eq!(rows.len(), analysis.rows().len());
    for row in rows {
        assert_eq!(row.len(), heads.len());
        for (head, field) in heads.iter().zip(&row) {
            match head.as_str() {
                "configuration" => assert!(field.parse::<f64>().is_err() && !field.is_empty()),
                "measured" => assert!(["true", "false"].contains(&field.as_str())),
                "error" => assert!(field.is_empty()),
                _ => assert!(field.parse::<f64>().is_ok(), "{head}: {field}"),
            }
        }
    }
    assert_eq!(analysis.chart().matches("class=\"point\"").count(), analysis.rows().len());
}

/// A line of CSV, its quotes taken away, as a spreadsheet does it.
fn fields(line: &str) -> Vec<String> {
    let (mut fields, mut quoted) = (vec![String::new()], false);
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            c => fields.last_mut().unwrap().push(c),
        }
    }
    fields
}
