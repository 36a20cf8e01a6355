//! The `faast` command: what deployments left behind and how to be rid of it, whether they would work at all, and reports
//! of recorded runs.
//!
//! This file starts the runtime and turns outcomes into exit codes. `cli.rs` says what can be asked for, each command has
//! a file of its own; what may be deleted is core's decision (`faast::core::stray`), what is well is the provider's.

#![forbid(unsafe_code)]

mod account;
mod cleanup;
mod cli;
mod doctor;
mod explain;
mod journal;
mod json;
mod list;
mod report;
mod span;
mod table;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;

use self::cli::{Cli, Command};

/// What a command has to say, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Outcome {
    /// For the standard output.
    output: String,
    /// For the standard error: what failed.
    failures: String,
    /// Whether nothing is left that the command is there to remove, and nothing failed.
    is_clean: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("error: the runtime can't start\n  caused by: {error}\n"), cli::FAILED),
    };
    let outcome = runtime.block_on(async {
        match cli.command {
            Command::Cleanup(options) => cleanup::run(&options).await,
            Command::List(options) => list::run(&options).await,
            Command::Report(options) => report::run(&options),
            Command::Journal(options) => journal::run(&options),
            Command::Doctor(options) => doctor::run(&options).await,
            Command::Policy(options) => doctor::policy(&options),
        }
    });
    match outcome {
        Ok(outcome) => end(&outcome),
        Err(error) => {
            let usage = error.kind() == faast::ErrorKind::Config;
            fail(&explain::error(&error), if usage { cli::USAGE } else { cli::FAILED })
        }
    }
}

fn end(outcome: &Outcome) -> ExitCode {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(outcome.output.as_bytes()).and_then(|()| stdout.flush());
    match written {
        // Whoever closed the pipe has read enough, as `head` does.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            return fail(&format!("error: the output can't be written\n  caused by: {error}\n"), cli::FAILED);
        }
        _ => {}
    }
    if outcome.is_clean { ExitCode::SUCCESS } else { fail(&outcome.failures, cli::FAILED) }
}

fn fail(text: &str, code: u8) -> ExitCode {
    // There is nowhere left to say that the standard error can't be written to.
    let _ = io::stderr().lock().write_all(text.as_bytes());
    ExitCode::from(code)
}
