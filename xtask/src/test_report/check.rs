//! What a report has to show and do, checked in the browser against the run's own numbers.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::browser::Page;
use super::number;

/// Drives the page, with the run's numbers at hand.
type Check = fn(&mut Page<'_>, &Value) -> Result<()>;

/// Each check by its name.
const CHECKS: &[(&str, Check)] = &[
    ("numbers at the top", totals),
    ("latencies", latencies),
    ("failed and slowest calls", calls),
    ("errors", errors),
    ("timeline", timeline),
    ("tabs by keyboard", tabs),
    ("sorting", sorting),
    ("filter", filter),
    ("theme", theme),
    ("tables behind charts", tables),
    ("names for screen readers", names),
    ("focus order", focus),
    ("phone and print", narrow),
];

/// Runs all of them; gives how many there are.
pub(super) fn all(page: &mut Page<'_>, folder: &Path) -> Result<usize> {
    let data = page.evaluate("JSON.parse(document.getElementById('data').textContent)")?;
    for (name, check) in CHECKS {
        check(page, &data).with_context(|| format!("check `{name}`"))?;
    }
    save(page, folder).context("check `save as JSON`")?;
    ensure!(page.requests().is_empty(), "the page asked for {:?}", page.requests());
    Ok(CHECKS.len() + 2)
}

/// What a number says to a reader: digits only.
fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

fn totals(page: &mut Page<'_>, data: &Value) -> Result<()> {
    let shown = page.evaluate(
        "Object.fromEntries([...document.querySelectorAll('.tiles > div')].map((tile) => \
         [tile.querySelector('dt').textContent, tile.querySelector('dd').firstChild.textContent]))",
    )?;
    let named = [
        ("Values", "completed"),
        ("Failed", "failed"),
        ("In flight", "max_in_flight"),
        ("Tried again", "retried"),
        ("Hedged", "hedged"),
        ("Cold starts", "cold"),
    ];
    for (tile, total) in named {
        let wanted = number(data, &format!("/totals/{total}"))?;
        let got = shown[tile].as_str().context("no tile")?;
        ensure!(digits(got) == wanted.to_string(), "{tile} is {got}, and {wanted} in the data");
    }
    let (bins, totals) = (&data["timeline"]["bins"], &data["totals"]);
    for (of_bin, of_run) in [("completed", "completed"), ("failed", "failed"), ("sent", "attempts")] {
        let sum: u64 = bins.as_array().context("bins")?.iter().filter_map(|bin| bin[of_bin].as_u64()).sum();
        ensure!(Some(sum) == totals[of_run].as_u64(), "{of_bin} of all bins is {sum}, not {}", totals[of_run]);
    }
    Ok(())
}

fn latencies(page: &mut Page<'_>, data: &Value) -> Result<()> {
    let rows = page.evaluate(
        "[...document.querySelectorAll('#latency > .wide tbody tr')].map((row) => \
         [...row.cells].slice(1).map((cell) => Number(cell.dataset.value)))",
    )?;
    for (row, phase) in rows.as_array().context("rows")?.iter().zip(["total", "queue", "start", "run", "return"]) {
        for (column, key) in [(0, "count"), (1, "min_us"), (3, "p50_us"), (4, "p90_us"), (5, "p99_us"), (6, "max_us")] {
            let wanted = number(data, &format!("/latency/{phase}/{key}"))?;
            ensure!(
                row[column].as_f64() == Some(wanted),
                "{key} of {phase} is {}, and {wanted} in the data",
                row[column]
            );
        }
    }
    let (count, completed) = (number(data, "/latency/total/count")?, number(data, "/totals/completed")?);
    ensure!((count - completed).abs() < 0.5, "{count} latencies of {completed} values");
    Ok(())
}

fn calls(page: &mut Page<'_>, data: &Value) -> Result<()> {
    for part in ["failed", "slowest"] {
        let shown = page.evaluate(&format!(
            "[...document.querySelectorAll('#{part} tbody tr')].map((row) => Number(row.cells[0].dataset.value))"
        ))?;
        let wanted: Vec<_> = data[part].as_array().context("calls")?.iter().map(|call| call["call"].as_f64()).collect();
        let shown: Vec<_> = shown.as_array().context("rows")?.iter().map(Value::as_f64).collect();
        ensure!(shown == wanted, "{part}: {shown:?} instead of {wanted:?}");
    }
    Ok(())
}

fn errors(page: &mut Page<'_>, data: &Value) -> Result<()> {
    let shown = page.evaluate("[...document.querySelectorAll('.error .many')].map((many) => many.textContent)")?;
    let shown: u64 =
        shown.as_array().context("groups")?.iter().filter_map(|many| digits(many.as_str()?).parse::<u64>().ok()).sum();
    let ungrouped = data["ungrouped"].as_u64().unwrap_or_default();
    ensure!(Some(shown + ungrouped) == data["totals"]["failed"].as_u64(), "{shown} in groups");
    Ok(())
}

fn timeline(page: &mut Page<'_>, data: &Value) -> Result<()> {
    let rows = data["attempts"]["rows"].as_array().context("rows")?.len();
    let drawn = page.evaluate("document.querySelectorAll('#timeline .a').length")?.as_u64().unwrap_or_default();
    if drawn == 0 {
        let shaded = page.evaluate("document.querySelectorAll('#timeline .run').length")?;
        ensure!(shaded.as_u64() > Some(0), "nothing is drawn");
        return Ok(());
    }
    ensure!(drawn == rows as u64, "{drawn} attempts are drawn of {rows}");
    let hidden =
        "[...document.querySelectorAll('#timeline .a.ok')].every((a) => getComputedStyle(a).display === 'none')";
    let toggle = "document.querySelector('[data-hides=ok]').click()";
    for wanted in [false, true, false] {
        ensure!(page.evaluate(hidden)? == wanted, "the legend does not hide and show");
        page.evaluate(toggle)?;
    }
    page.evaluate(toggle)?;
    Ok(())
}

fn tabs(page: &mut Page<'_>, _: &Value) -> Result<()> {
    const SHOWN: &str =
        "[...document.querySelectorAll('.panel')].filter((panel) => !panel.hidden).map((panel) => panel.id).join()";
    page.evaluate("document.getElementById('tab-total').focus()")?;
    for (key, panel) in [
        ("ArrowRight", "queue"),
        ("End", "return"),
        ("ArrowRight", "total"),
        ("ArrowLeft", "return"),
        ("Home", "total"),
    ] {
        page.press(key)?;
        let shown = page.evaluate(SHOWN)?;
        ensure!(shown == format!("phase-{panel}"), "after {key}: {shown}");
        let focus =
            page.evaluate("document.activeElement.id + document.activeElement.getAttribute('aria-selected')")?;
        ensure!(focus == format!("tab-{panel}true"), "{focus}");
    }
    Ok(())
}

fn sorting(page: &mut Page<'_>, _: &Value) -> Result<()> {
    const ORDER: &str = "(() => { const values = [...document.querySelectorAll('#slowest tbody tr')].map((row) => \
        Number(row.cells[0].dataset.value)); const sorted = [...values].sort((a, b) => a - b); \
        return [values.join() === sorted.join(), values.join() === sorted.reverse().join(), \
        document.querySelector('#slowest th').getAttribute('aria-sort')]; })()";
    page.evaluate("document.querySelector('#slowest .sort').focus()")?;
    page.press("Enter")?;
    ensure!(page.evaluate(ORDER)?[1] == true, "not sorted downwards");
    page.press("Enter")?;
    let order = page.evaluate(ORDER)?;
    ensure!(order[0] == true && order[2] == "ascending", "{order}");
    Ok(())
}

fn filter(page: &mut Page<'_>, data: &Value) -> Result<()> {
    let wanted = data["failed"].as_array().context("failed")?.iter().filter(|call| call["kind"] == "panic").count();
    let shown = page.evaluate(
        "(() => { const input = document.querySelector('#failed input'); if (!input) return 0; const show = (text) => { \
         input.value = text; input.dispatchEvent(new Event('input')); return \
         [...document.querySelectorAll('#failed tbody tr')].filter((row) => row.offsetParent !== null).length; }; \
         const shown = show('panic'); show(''); return shown; })()",
    )?;
    ensure!(shown == wanted, "{shown} rows instead of {wanted}");
    Ok(())
}

fn theme(page: &mut Page<'_>, _: &Value) -> Result<()> {
    const PAPER: &str = "getComputedStyle(document.body).backgroundColor";
    let mut papers = Vec::new();
    for scheme in ["light", "dark"] {
        page.media("screen", scheme)?;
        for _ in 0..3 {
            papers.push(page.evaluate(PAPER)?);
            page.evaluate("document.getElementById('theme').click()")?;
        }
    }
    page.media("screen", "light")?;
    // As the system has it, light, dark: on a light system, then on a dark one.
    let (light, dark) = (&papers[0], &papers[3]);
    ensure!(light != dark && papers == [light, light, dark, dark, light, dark].map(Clone::clone), "{papers:?}");
    Ok(())
}

fn tables(page: &mut Page<'_>, _: &Value) -> Result<()> {
    let missing = page.evaluate(
        "[...document.querySelectorAll('.chart')].filter((chart) => !chart.closest('section').querySelector('details.behind table')).length",
    )?;
    ensure!(missing == 0, "{missing} charts have no table");
    let opened = page.evaluate(
        "(() => { const details = document.querySelector('#concurrency details'); details.querySelector('summary').click(); \
         const shown = details.open && details.querySelector('table').offsetParent !== null; details.open = false; return shown; })()",
    )?;
    ensure!(opened == true, "the table stays folded");
    Ok(())
}

fn names(page: &mut Page<'_>, _: &Value) -> Result<()> {
    let nameless = page.evaluate(
        "[...document.querySelectorAll('svg, section, nav, [role=region], [role=tablist], [role=group]')].filter((it) => \
         !it.getAttribute('aria-label') && !it.getAttribute('aria-labelledby')).map((it) => it.outerHTML.slice(0, 80))",
    )?;
    ensure!(nameless == json!([]), "without a name: {nameless}");
    let heads = page.evaluate("[...document.querySelectorAll('th')].every((th) => th.scope === 'col')")?;
    ensure!(heads == true, "headings without a scope");
    let levels =
        page.evaluate("document.querySelectorAll('h1').length === 1 && document.documentElement.lang === 'en'")?;
    ensure!(levels == true, "one h1, and a language");
    Ok(())
}

fn focus(page: &mut Page<'_>, _: &Value) -> Result<()> {
    page.evaluate("(() => { document.activeElement.blur(); window.scrollTo(0, 0); })()")?;
    page.evaluate("document.querySelector('.skip').focus()")?;
    let mut seen = Vec::new();
    for _ in 0..4 {
        seen.push(page.evaluate("document.activeElement.id || document.activeElement.textContent")?);
        page.press("Tab")?;
    }
    ensure!(seen == ["To the report", "theme", "save", "Timeline"].map(Value::from), "{seen:?}");
    Ok(())
}

fn narrow(page: &mut Page<'_>, _: &Value) -> Result<()> {
    for width in [320, 390, 768, 1280] {
        page.size(width)?;
        let wide = page.evaluate("document.documentElement.scrollWidth")?;
        ensure!(wide == width, "{wide} wide on a screen of {width}");
    }
    page.media("print", "dark")?;
    let print = page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, [...document.querySelectorAll('.panel')].every((panel) => \
         panel.offsetParent !== null), document.querySelector('nav').offsetParent === null]",
    )?;
    ensure!(print == json!(["rgb(255, 255, 255)", true, true]), "{print}");
    page.media("screen", "light")
}

/// The button gives the same data as a file.
fn save(page: &mut Page<'_>, folder: &Path) -> Result<()> {
    let path = folder.join("run.json");
    if path.exists() {
        fs::remove_file(&path)?;
    }
    let downloads = json!({ "behavior": "allow", "downloadPath": folder });
    page.call("Page.setDownloadBehavior", &downloads)?;
    page.evaluate("document.getElementById('save').click()")?;
    // The browser writes it in its own time.
    while !path.exists() {
        page.evaluate("new Promise((then) => setTimeout(then, 20))")?;
    }
    let embedded = page.evaluate("document.getElementById('data').textContent")?;
    ensure!(embedded == fs::read_to_string(path)?, "the file has other data than the page");
    Ok(())
}
