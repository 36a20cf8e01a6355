//! How it was set up: options, the machine, and where the logs are.

use std::fmt::Write as _;

use super::calls::link;
use super::text::Escaped;
use crate::record::Summary;

pub(super) fn section(summary: &Summary) -> String {
    let header = &summary.header;
    let mut machine = vec![
        ("program".to_owned(), header.program.clone()),
        ("provider".to_owned(), header.provider.clone()),
        ("deployment".to_owned(), header.deployment.clone()),
    ];
    machine.extend(header.environment.iter().cloned());
    format!(
        "<div class=\"pair\"><div><h3>Options</h3>{}</div><div><h3>Environment</h3>{}<h3>Logs</h3><p class=\"message\">{}</p></div></div>\n",
        list(&header.options),
        list(&machine),
        link(&header.log_url)
    )
}

fn list(entries: &[(String, String)]) -> String {
    let mut html = String::from("<dl class=\"list\">");
    for (name, value) in entries {
        // Writing to a string can't fail.
        let _ = write!(html, "<div><dt>{}</dt><dd>{}</dd></div>", Escaped(name), Escaped(value));
    }
    html + "</dl>"
}
