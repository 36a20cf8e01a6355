//! The page of a run made up of everything that can be in one.

use std::fs;
use std::sync::Arc;
use std::time::Instant;

use crate::ErrorKind;
use crate::cache::CacheFolder;
use crate::cost::{Price, PriceTable, Quantity, Usage};
use crate::provider::InstanceId;
use crate::record::{Attempt, End, Failure, Header, Note, RecordedRun, Recording, Tape};

const NASTY: &str = "</script><script>alert(1)</script>\"'&\u{2028}";

/// A run of so many calls, each third of which fails with a nasty message.
fn run(calls: u64) -> RecordedRun {
    let home = tempfile::tempdir().unwrap();
    let tape = Tape::new(Instant::now());
    let header = Header {
        provider: NASTY.into(),
        program: NASTY.into(),
        deployment: "0123".into(),
        concurrency: 4,
        options: vec![("description".into(), NASTY.into())],
        ..Header::default()
    };
    let recording =
        Recording::start(Arc::new(CacheFolder::at(home.path())), header, tape.clone(), Box::new(|| None)).unwrap();
    let mut prices = PriceTable::default();
    prices.prices.insert("requests".into(), Price { usd: 0.25, unit: "request".into(), source: NASTY.into() });
    let used = Quantity { metric: "requests".into(), amount: calls as f64, measured: true };
    let cost = prices.report(&[used].into_iter().collect::<Usage>());
    for call in 0..calls {
        let at = call * 700;
        let fails = call % 3 == 0;
        tape.note(Note::Attempt(Attempt {
            call,
            number: 1,
            function: Some("tests::f"),
            submitted_us: at,
            queued_us: at,
            sent_us: at + 50,
            started_us: Some(at + 80),
            ended_us: at + 600,
            run_us: Some(500),
            end: if fails { End::Failed(ErrorKind::User) } else { End::Answered },
            hedge: call % 50 == 1,
            worker: (call % 7 != 0).then(|| InstanceId(format!("{NASTY}{}", call % 4).into())),
            usd: 0.25,
            peak_memory: Some(77 << 20),
        }));
        tape.note(Note::Request { sent_us: at + 50, ended_us: at + 600 });
        if fails {
            tape.note(Note::Failure(Box::new(Failure {
                at_us: at + 600,
                call,
                index: Some(call),
                label: Some(NASTY.into()),
                function: "tests::f",
                kind: ErrorKind::User,
                message: NASTY.into(),
                location: Some(NASTY.into()),
                attempts: 1,
                elapsed_us: 600,
                log_url: Some(format!("javascript:{NASTY}")),
            })));
        }
        if call % 10_000 == 0 {
            recording.flush(&cost);
        }
    }
    recording.finish(&cost);
    RecordedRun::open(&recording.flush(&cost)).unwrap()
}

#[test]
fn what_came_from_users_is_text_everywhere() {
    for calls in [30, 10_000] {
        let html = run(calls).to_html();
        assert!(!html.contains("<script>alert") && !html.contains("href=\"javascript:"));
        // The page's own: the data and the script.
        assert_eq!((html.matches("<script").count(), html.matches("</script>").count()), (2, 2));
        assert!(html.contains("&lt;script&gt;alert(1)"));
    }
}

#[test]
fn the_page_needs_no_network() {
    let html = run(30).to_html();
    for what in ["src=", "url(", "@import", "<link", "fetch(", "XMLHttpRequest"] {
        assert!(!html.contains(what), "{what}");
    }
}

#[test]
fn the_embedded_data_are_the_exported_ones() {
    let run = run(100);
    let html = run.to_html();
    let (_, rest) = html.split_once("id=\"data\">").unwrap();
    let embedded: serde_json::Value = serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap();
    assert_eq!(embedded, serde_json::from_str::<serde_json::Value>(&run.to_json()).unwrap());
    assert_eq!(embedded["attempts"]["rows"].as_array().unwrap().len(), 100);
    assert_eq!(embedded["latency"]["run"]["p50_us"], 500);
    assert_eq!(embedded["cost"][0]["usd"], 25.0);
}

#[test]
fn a_large_run_has_a_page_below_five_megabytes_and_a_small_one_shows_each_attempt() {
    let small = run(10).to_html();
    assert_eq!(small.matches("<g class=\"a ").count(), 10);
    let large = run(200_000).to_html();
    assert!(large.len() < 5 << 20, "{} bytes", large.len());
    assert!(!large.contains("<g class=\"a "));
}

#[test]
fn every_reference_within_the_page_leads_somewhere() {
    let html = run(30).to_html();
    for (_, rest) in html.match_indices("href=\"#").map(|(at, start)| html.split_at(at + start.len())) {
        let id = rest.split_once('"').unwrap().0;
        assert!(html.contains(&format!(" id=\"{id}\"")), "{id}");
    }
    for attribute in ["aria-controls", "aria-labelledby"] {
        for (at, start) in html.match_indices(&format!("{attribute}=\"")) {
            let id = html[at + start.len()..].split_once('"').unwrap().0;
            assert!(html.contains(&format!(" id=\"{id}\"")), "{attribute} {id}");
        }
    }
}

#[test]
fn the_name_of_the_file_says_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let run = run(3);
    let [page, json] = ["a/run.html", "run.JSON"].map(|name| folder.path().join(name));
    run.report(&page).unwrap();
    run.report(&json).unwrap();
    assert!(std::fs::read_to_string(page).unwrap().starts_with("<!DOCTYPE html>"));
    assert_eq!(std::fs::read_to_string(json).unwrap(), run.to_json());
    assert_eq!(run.report(folder.path()).unwrap_err().kind(), ErrorKind::Io);
}

/// A report of a damaged record is made of what can be read, without a panic, and is no longer than one of a whole.
#[test]
fn a_damaged_record_is_an_error_or_a_page() {
    const SEEDS: u64 = 600;
    let whole = run(300);
    let summary = serde_json::to_vec(&whole.summary).unwrap();
    let mut rows = String::from("{}\n");
    whole.rows.iter().for_each(|row| row.write(&mut rows));
    let longest = 4 * whole.to_html().len();
    let folder = tempfile::tempdir().unwrap();
    let mut pages = 0;
    for seed in 0..SEEDS {
        // Mostly one of the two files, so that the other one is looked at.
        let summary = if seed % 3 == 0 { summary.clone() } else { faast_testkit::hostile::text(seed, &summary) };
        fs::write(folder.path().join("summary.json"), summary).unwrap();
        fs::write(folder.path().join("attempts.jsonl"), faast_testkit::hostile::text(seed, rows.as_bytes())).unwrap();
        if let Ok(run) = RecordedRun::open(folder.path()) {
            pages += 1;
            let page = run.to_html();
            assert!(page.len() <= longest, "seed {seed}: {} bytes", page.len());
            run.to_json();
        }
    }
    assert!(pages > SEEDS / 4, "only {pages} could be read");
}
