//! Project automation: `cargo xtask <command>`.
//!
//! One module for each command; this file only chooses between them. It knows nothing of what they do.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

mod bench;
mod ci;
mod command;
mod deny;
mod faults;
mod install;
mod soak;
mod suite;
mod test_aws;
mod test_cloud;
mod test_google;
mod test_local;
mod test_report;
mod tidy;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask <command>

  tidy [--fix]         check the rules of this repository; --fix rewrites generated tables
  score                numbers of the sources, for docs/score-sheet.md
  ci                   everything that has to pass before a merge, in order
  test-local [filter]  the tests that need no account, or those whose name holds the filter
  test-aws [filter | --fast] [--emulated | --independent]
                       what faast does on AWS: in a real account, against the emulator of faast-testkit, or against
                       servers that nobody of this project wrote, which are installed below the target folder;
                       --fast are the tests that are done in seconds
  test-google [filter | --fast] [--emulated | --independent]
                       the same on Google Cloud, in a real project
  test-report [calls..]
                       reports of real runs of so many calls in headless Chromium: every control, the numbers, pictures
  faults --provider <local | aws | google> [--seeds A..B]
                       jobs in trouble, one for each seed, and a model that knows what must come out
  soak [--provider <local | aws | google>] [--seconds N]
                       a million calls on local workers, then calls on emulators under faults, for so long at least
  bench [filter] [--quick]
                       how fast it is beside what the machine allows, all of it or the benches whose name holds the filter";

fn main() -> ExitCode {
    #[cfg(feature = "bench")]
    if let Some(code) = bench::child() {
        return code;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["tidy"] => tidy::check(),
        ["tidy", "--fix"] => tidy::fix(),
        ["score"] => tidy::score::print(),
        ["ci"] => ci::run(),
        ["test-local"] => test_local::run(None),
        ["test-local", filter] => test_local::run(Some(filter)),
        ["test-report", words @ ..] => test_report::run(words),
        ["test-aws", words @ ..] => test_aws::AWS.run(words),
        ["test-google", words @ ..] => test_google::GOOGLE.run(words),
        ["bench", words @ ..] => bench::launch(words),
        ["faults", words @ ..] => faults::run(words),
        ["soak", words @ ..] => soak::run(words),
        #[cfg(feature = "bench")]
        [bench::MEASURE, json, words @ ..] => bench::measure(json, words),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
