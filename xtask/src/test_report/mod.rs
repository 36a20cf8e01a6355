//! `cargo xtask test-report`: reports of real runs in a real browser.
//!
//! Runs the example `report` on local workers, opens its page in headless Chromium, drives every control, and compares
//! what the page shows with the JSON of the same run. Pictures of it (light, dark, print, phone) stay in
//! `target/report/`, to be looked at. Needs `chromium` (Debian's package of that name), or what `CHROMIUM` names.

mod browser;
mod check;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use cargo_metadata::MetadataCommand;
use serde_json::Value;

use self::browser::{Browser, Page};
use crate::command::{CommandLine, root};

/// Numbers of calls: all attempts drawn, workers shaded, rows bounded.
const RUNS: [u32; 3] = [10, 10_000, 1_000_000];

pub(crate) fn run(words: &[&str]) -> Result<()> {
    let runs = match words {
        [] => RUNS.to_vec(),
        words => words.iter().map(|word| word.parse().context("a number of calls")).collect::<Result<_>>()?,
    };
    let folder = root().join("target/report");
    fs::create_dir_all(&folder)?;
    CommandLine::new("cargo build --release -p faast --example report").run()?;
    let metadata = MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec()?;
    let program = metadata.target_directory.join("release/examples/report").into_string();
    let mut browser = Browser::start(&folder)?;
    for calls in runs {
        let page = make(&program, &folder, calls)?;
        println!("{calls} calls: {} bytes", fs::metadata(&page)?.len());
        let mut page = browser.open(&page)?;
        let done = check::all(&mut page, &folder).with_context(|| format!("the report of {calls} calls"))?;
        pictures(&mut page, &folder, calls)?;
        println!("{calls} calls: {done} checks passed; pictures are in target/report");
    }
    browser.close()
}

/// Runs the example; its page must be below five megabytes.
fn make(program: &str, folder: &Path, calls: u32) -> Result<std::path::PathBuf> {
    let page = folder.join(format!("{calls}.html"));
    let home = folder.join("home");
    CommandLine::default()
        .arg(program)
        .arg(&page.to_string_lossy())
        .arg(&calls.to_string())
        .env("FAAST_HOME", home.to_string_lossy())
        .run()?;
    ensure!(fs::metadata(&page)?.len() < 5 << 20, "the page of {calls} calls has more than five megabytes");
    Ok(page)
}

fn pictures(page: &mut Page<'_>, folder: &Path, calls: u32) -> Result<()> {
    for (name, width, scheme) in
        [("light", 1280, "light"), ("dark", 1280, "dark"), ("phone", 390, "light"), ("phone-dark", 390, "dark")]
    {
        page.size(width)?;
        page.media("screen", scheme)?;
        fs::write(folder.join(format!("{calls}-{name}.png")), page.picture()?)?;
    }
    page.size(800)?;
    page.media("print", "dark")?;
    fs::write(folder.join(format!("{calls}-print.png")), page.picture()?)?;
    fs::write(folder.join(format!("{calls}.pdf")), page.print()?)?;
    page.media("screen", "light")
}

/// A number in a JSON document, by its path.
fn number(json: &Value, path: &str) -> Result<f64> {
    json.pointer(path).and_then(Value::as_f64).with_context(|| format!("there is no number at {path}"))
}
