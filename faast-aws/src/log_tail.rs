//! The last lines of an execution's log, which come with the answer: what was billed, and last words.
//!
//! Lambda ends the log of every execution with a line `REPORT RequestId: .. Billed Duration: .. ms ..`. That is the
//! platform's own figure, exact where the worker's clock is an estimate.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Characters of base64 at the end of a tail that hold the report: a whole number of groups.
const REPORT_IN: usize = 1024;

/// What the platform says about one execution.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Report {
    /// Time in the function.
    pub(crate) duration: Duration,
    /// Time that is billed, with the start where it counts.
    pub(crate) billed: Duration,
    /// Memory that it may have, in MB.
    pub(crate) memory_mb: Option<u64>,
    /// Memory that the environment had at most, in MB.
    pub(crate) max_memory_mb: Option<u64>,
}

/// The report in a tail as it comes, in base64. Decodes no more of it than holds the report.
pub(crate) fn report(tail: &str) -> Option<Report> {
    let from = tail.len().saturating_sub(REPORT_IN);
    // Groups are of four characters, and the padding is at the end.
    let end = tail.get(from.next_multiple_of(4)..)?;
    parse(&String::from_utf8_lossy(&STANDARD.decode(end).ok()?))
}

/// A tail as text.
pub(crate) fn text(tail: &str) -> String {
    // A tail that can't be read says nothing; it is an extra in any case.
    let bytes = STANDARD.decode(tail).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The last report in a log.
pub(crate) fn parse(log: &str) -> Option<Report> {
    let line = log.lines().rev().find(|line| line.starts_with("REPORT RequestId: "))?;
    let field = |name: &str, unit: &str| {
        line.split('\t').find_map(|field| field.trim().strip_prefix(name)?.strip_suffix(unit)?.parse::<f64>().ok())
    };
    let millis = |name| field(name, " ms").and_then(|ms| Duration::try_from_secs_f64(ms / 1000.0).ok());
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "megabytes of a machine")]
    let megabytes = |name| field(name, " MB").map(|mb| mb as u64);
    Some(Report {
        duration: millis("Duration: ")?,
        billed: millis("Billed Duration: ")?,
        memory_mb: megabytes("Memory Size: "),
        max_memory_mb: megabytes("Max Memory Used: "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "REPORT RequestId: 8f5f36f6-0a3d-4b5c-9a3c-111111111111\tDuration: 1.44 ms\tBilled Duration: \
                          20 ms\tMemory Size: 128 MB\tMax Memory Used: 15 MB\tInit Duration: 18.45 ms\t";

    fn expected() -> Report {
        Report {
            duration: Duration::from_micros(1440),
            billed: Duration::from_millis(20),
            memory_mb: Some(128),
            max_memory_mb: Some(15),
        }
    }

    #[test]
    fn a_damaged_tail_says_something_or_nothing() {
        for seed in 0..5_000 {
            let damaged = faast_testkit::hostile::text(seed, REPORT.as_bytes());
            let _ = parse(&String::from_utf8_lossy(&damaged));
            let _ = report(&STANDARD.encode(&damaged));
            let encoded = faast_testkit::hostile::bytes(seed, STANDARD.encode(REPORT).as_bytes());
            let encoded = String::from_utf8_lossy(&encoded);
            let _ = (report(&encoded), text(&encoded));
        }
    }

    #[test]
    fn the_report_is_read_from_the_end_of_any_tail() {
        for noise in 0..2000 {
            let log = format!("{}\n{REPORT}\nXRAY TraceId: 1-5e\tSegmentId: 6f\tSampled: true\t\n", "x".repeat(noise));
            assert_eq!(report(&STANDARD.encode(log)), Some(expected()), "{noise} bytes before it");
        }
    }

    #[test]
    fn a_status_behind_the_report_does_not_hide_it() {
        assert_eq!(
            parse(&format!("START\n{REPORT}\tStatus: error\tError Type: Runtime.ExitError\n")),
            Some(expected())
        );
    }

    #[test]
    fn a_log_without_a_report_has_none() {
        for log in ["", "START RequestId: 1\n", "REPORT RequestId: 1\tDuration: x ms\tBilled Duration: 2 ms"] {
            assert_eq!(parse(log), None);
            assert_eq!(report(&STANDARD.encode(log)), None);
        }
        assert_eq!(report("no base64"), None);
    }
}
