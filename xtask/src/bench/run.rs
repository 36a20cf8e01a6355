//! Running the benches: which there are, in which order, and the processes that they measure.

use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::machine::{Foreign, Noise};
use super::report::{Report, Row};
use super::{balance, death, floor, journal, latency, payload, record, scale, startup, subject, throughput};

/// Hidden words of the executable.
const FLOOR: &str = "bench-floor";
const SUBJECT: &str = "bench-subject";

/// The running executable, also after its file was replaced.
pub(super) const THIS: &str = "/proc/self/exe";

/// One bench: its name, and what measures it.
type Bench = (&'static str, fn(&mut Bencher) -> Result<()>);

const BENCHES: &[Bench] = &[
    ("startup", startup::measure),
    ("latency", latency::measure),
    ("throughput", throughput::measure),
    ("record", record::measure),
    ("payload", payload::measure),
    ("balance", balance::measure),
    ("death", death::measure),
    ("journal", journal::measure),
    ("scale", scale::measure),
    #[cfg(feature = "bench-aws")]
    ("aws", super::aws::measure),
    #[cfg(feature = "bench-google")]
    ("google", super::google::measure),
];

/// How long one bench waits for others to leave the machine alone, and measures again what they disturbed.
const PATIENCE: Duration = Duration::from_secs(40);

/// For so long one round waits at most.
const PATIENCE_EACH: Duration = Duration::from_secs(10);

/// What a bench works with.
pub(super) struct Bencher {
    quick: bool,
    report: Report,
    /// What is left of it.
    patience: Duration,
}

impl Bencher {
    /// How often to repeat: `full` times, or `quick` times in a smoke run.
    pub(super) fn times<N>(&self, full: N, quick: N) -> N {
        if self.quick { quick } else { full }
    }

    /// Measures `count` rounds and gives the numbers of each in columns.
    ///
    /// Rounds in which others used the machine are left out as long as there are better ones, up to twice as many.
    pub(super) fn rounds<const N: usize>(
        &mut self,
        count: usize,
        mut round: impl FnMut() -> Result<[f64; N]>,
    ) -> Result<[Vec<f64>; N]> {
        let most = self.times(3 * count, count);
        let mut seen: Vec<(Noise, [f64; N])> = Vec::new();
        while seen.len() < most && seen.iter().filter(|(noise, _)| noise.is_little()).count() < count {
            if seen.len() >= count && self.patience.is_zero() {
                break;
            }
            self.wait_for_silence()?;
            let foreign = Foreign::start()?;
            let start = Instant::now();
            let numbers = round()?;
            if seen.len() >= count {
                self.patience = self.patience.saturating_sub(start.elapsed());
            }
            seen.push((foreign.end()?, numbers));
        }
        seen.sort_by(|(one, _), (other, _)| one.share().total_cmp(&other.share()));
        let left_out = seen.len() - count.min(seen.len());
        seen.truncate(count);
        for (noise, _) in &seen {
            self.report.noise(*noise);
        }
        self.report.left_out(left_out);
        Ok(std::array::from_fn(|column| seen.iter().map(|(_, numbers)| numbers[column]).collect()))
    }

    fn wait_for_silence(&mut self) -> Result<()> {
        let start = Instant::now();
        let limit = PATIENCE_EACH.min(self.patience);
        while start.elapsed() < limit {
            let foreign = Foreign::start()?;
            std::thread::sleep(Duration::from_millis(100));
            if foreign.end()?.is_little() {
                break;
            }
        }
        self.patience = self.patience.saturating_sub(start.elapsed());
        Ok(())
    }

    /// Adds a line to the table.
    pub(super) fn row(&mut self, row: Row) {
        self.report.row(row);
    }
}

/// Ends in here if this process is a part of a measurement: a floor, a subject, or a worker.
pub(crate) fn child() -> Option<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        // Before anything of faast runs: it is what faast is compared with.
        [FLOOR, rest @ ..] => floor::main(rest),
        [SUBJECT, ..] => subject::main(),
        _ => {
            faast::worker::init();
            return None;
        }
    };
    Some(match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    })
}

/// The words behind [`SUBJECT`].
pub(super) fn subject_arguments() -> Vec<String> {
    std::env::args().skip(2).collect()
}

/// Measures what the words ask for, prints the table, and writes it to the file `json`.
pub(crate) fn measure(json: &str, words: &[&str]) -> Result<()> {
    let (options, filters): (Vec<&str>, Vec<&str>) = words.iter().partition(|word| word.starts_with('-'));
    ensure!(options.iter().all(|it| *it == "--quick") && filters.len() <= 1, "usage: bench [filter] [--quick]");
    let filter = filters.first().copied().unwrap_or_default();
    let chosen: Vec<&Bench> = BENCHES.iter().filter(|(name, _)| name.contains(filter)).collect();
    let names = || BENCHES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    ensure!(!chosen.is_empty(), "no bench has `{filter}` in its name; there are {}", names());

    let quick = !options.is_empty();
    let mut bencher = Bencher { quick, report: Report::new(), patience: Duration::ZERO };
    for (name, measure) in chosen {
        bencher.report.start(name);
        bencher.patience = bencher.times(PATIENCE, Duration::ZERO);
        if let Err(error) = measure(&mut bencher) {
            bencher.report.failed(&error);
        }
        bencher.report.end();
    }
    bencher.report.finish(json)
}

/// A process that uses faast.
pub(super) fn subject(words: &[&str]) -> Command {
    command(SUBJECT, words)
}

/// A process that does not.
pub(super) fn floor(words: &[&str]) -> Command {
    command(FLOOR, words)
}

fn command(role: &str, words: &[&str]) -> Command {
    let mut command = Command::new(THIS);
    command.arg(role).args(words).stdin(Stdio::null());
    command
}

/// Runs a process to its end and gives what it printed, which is one JSON value.
pub(super) fn answer(mut command: Command) -> Result<Value> {
    let output = command.stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "{command:?} failed: {}", output.status);
    serde_json::from_slice(&output.stdout)
        .with_context(|| format!("{command:?} printed `{}`", String::from_utf8_lossy(&output.stdout)))
}

/// A number of an answer.
pub(super) fn number(answer: &Value, key: &str) -> Result<f64> {
    answer[key].as_f64().with_context(|| format!("no number `{key}` in {answer}"))
}
