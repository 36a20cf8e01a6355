//! What is left, seen by the AWS command line: a client that shares nothing with faast.

use std::process::Command;

use crate::place;

/// Everything that a server has, a line each: `function faast-..`.
pub(crate) fn everything(endpoint: &str) -> Vec<String> {
    let output = Command::new(place::leftovers()).arg(endpoint).env("AWS", place::aws_cli()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 1)), "the audit of {endpoint} failed: {errors}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Of that, what a deployment made.
pub(crate) fn of(endpoint: &str, deployment: &str) -> Vec<String> {
    everything(endpoint).into_iter().filter(|line| line.contains(deployment)).collect()
}
