//! What can be asked for on the command line, and what the exit codes mean.

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

/// Sees and removes what deployments of faast left behind.
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
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) place: Place,
}

/// Where to look, and how to tell.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The provider: aws, local.
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
