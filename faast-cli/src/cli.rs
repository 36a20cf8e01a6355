//! What can be asked for on the command line, and what the exit codes mean.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Something is left, or something failed.
pub(crate) const FAILED: u8 = 1;

/// The command line makes no sense; clap uses the same code.
pub(crate) const USAGE: u8 = 2;

const EXIT_CODES: &str = "\
Exit codes:
  0  done, and nothing is left to clean up
  1  something is left that `faast cleanup <PROVIDER> -x` would delete, or something failed
  2  the command line is wrong: an unknown option or provider";

/// Sees and removes what deployments of faast left behind, says beforehand whether one would work, and makes reports of
/// recorded runs.
#[derive(Debug, Parser)]
#[command(name = "faast", version, about, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Shows what dead clients left behind, and with -x deletes it.
    ///
    /// Only what faast made is ever touched: what carries all of its tags, or stands in the ledger of this home
    /// (`~/.faast`, moved by `FAAST_HOME`). And only what has expired: a client that lives moves the expiry of its resources
    /// forward every hour.
    #[command(after_help = EXIT_CODES)]
    Cleanup(Cleanup),
    /// Lists the deployments of which anything is there, with their resources.
    #[command(
        after_help = "Exit codes:\n  0  listed\n  1  something could not be looked at\n  2  the command line is wrong"
    )]
    List(List),
    /// Makes the report of a recorded run, as a page that needs nothing else or as JSON.
    ///
    /// Runs are recorded where the program says `.record()`. Without a run, those of the provider are listed, the newest
    /// first.
    #[command(
        after_help = "Exit codes:\n  0  written or listed\n  1  there is no such run, or the file can't be written\n  2  the command line is wrong"
    )]
    Report(Report),
    /// Writes the results in a journal as JSON Lines: function, position in the input, arguments and value.
    ///
    /// Journals are made where the program says `.journal(path)`. A program may go on writing to it meanwhile.
    #[command(
        after_help = "Exit codes:\n  0  written\n  1  it is no journal, or the output can't be written\n  2  the command line is wrong"
    )]
    Journal(Journal),
    /// Finds everything that would keep a deployment from working, or make it slow, without changing anything.
    ///
    /// Credentials and region with their sources, the account, every permission that is missing, quotas and the time that
    /// a job needs, endpoints, the clock, tools for builds.
    #[command(
        after_help = "Exit codes:\n  0  a deployment should work; there may be warnings\n  1  it does not work, or it \
                      can't be found out\n  2  the command line is wrong: an unknown option or provider"
    )]
    Doctor(Doctor),
    /// Prints the least policy for whoever deploys.
    #[command(
        after_help = "Exit codes:\n  0  printed\n  1  the provider has no permissions\n  2  the command line is wrong: an \
                      unknown option or provider"
    )]
    Policy(Policy),
}

#[derive(Debug, Args)]
pub(crate) struct Journal {
    /// The journal.
    pub(crate) journal: PathBuf,
    /// The file to write; by default the standard output.
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) job: Job,
    /// Say how long so many calls need.
    #[arg(long, value_name = "N")]
    pub(crate) calls: Option<u64>,
    /// How long one of these calls runs.
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = seconds)]
    pub(crate) seconds: f64,
    /// The job's `concurrency`.
    #[arg(long, value_name = "N")]
    pub(crate) concurrency: Option<usize>,
    /// Print JSON, for machines.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Policy {
    #[command(flatten)]
    pub(crate) job: Job,
}

/// What is meant to be deployed.
#[derive(Debug, Args)]
pub(crate) struct Job {
    /// The provider: aws, google, local.
    pub(crate) provider: String,
    /// An option that the job uses, as the provider's documentation names it; can be given several times. An unknown one
    /// is answered with those that there are.
    #[arg(long = "with", value_name = "OPTION")]
    pub(crate) with: Vec<String>,
    /// What is done by default and the job does without; can be given several times.
    #[arg(long = "without", value_name = "OPTION")]
    pub(crate) without: Vec<String>,
    /// The region; by default the configured one.
    #[arg(long, value_name = "REGION")]
    pub(crate) region: Option<String>,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "it is no number".to_owned())?;
    if (0.0..=1e6).contains(&seconds) { Ok(seconds) } else { Err("it is not between 0 and 1000000".to_owned()) }
}

#[derive(Debug, Args)]
pub(crate) struct Cleanup {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Do it, cache files included; without it nothing is changed.
    #[arg(short = 'x', long = "execute")]
    pub(crate) execute: bool,
    /// Take what has not expired yet too: jobs that still run will fail.
    #[arg(long)]
    pub(crate) include_live: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Report {
    /// The provider: aws, google, local.
    pub(crate) provider: String,
    /// The run: its name or the beginning of it, the beginning of its deployment's id, `last`, or the path of its folder.
    pub(crate) run: Option<String>,
    /// Where to write the report: a page, or JSON where the name ends in `.json`.
    #[arg(short, long, value_name = "FILE", default_value = "run.html")]
    pub(crate) output: PathBuf,
    /// Print JSON instead: of the run, or of the list.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) place: Place,
}

/// Where to look, and how to tell.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The provider: aws, google, local.
    pub(crate) provider: String,
    /// Look in this region; can be given several times. By default: in the configured one, and wherever the ledger of
    /// this home says that something is.
    #[arg(long = "region", value_name = "REGION")]
    pub(crate) regions: Vec<String>,
    /// Only this deployment; can be given several times.
    #[arg(long = "deployment", value_name = "ID")]
    pub(crate) deployments: Vec<String>,
    /// Print JSON, for machines.
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
