//! The steps of one deployment, side by side: the first that fails makes the others end before their next call.
//!
//! A call that is under way is never dropped: what it makes would come into being after the cleanup.

use std::sync::{Mutex, PoisonError};

use super::Stop;
use crate::cancel::CancelToken;
use crate::error::{Error, ErrorKind};
use crate::provider::CleanupReport;

/// The steps of one deployment, and the first failure among them.
///
/// ```
/// # use faast_core::{CancelToken, Error, ErrorKind, control::{Steps, Stop}, provider::CleanupReport};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let halt = CancelToken::new();
/// let steps = Steps::new(&halt);
/// let role = async { Err::<(), _>(Stop::Failed(Error::new(ErrorKind::Denied, "the role can't be made"))) };
/// let queue = async {
///     // Looks before each of its calls, as with `Held::go_on`.
///     if halt.is_canceled() { Err(Stop::Halted) } else { Ok("queue") }
/// };
/// let made = tokio::join!(steps.run(role), steps.run(queue));
/// assert_eq!(made, (None, None));
/// assert_eq!(steps.into_error("lab", &CleanupReport::default()).kind(), ErrorKind::Denied);
/// # }
/// ```
#[derive(Debug)]
pub struct Steps<'a> {
    halt: &'a CancelToken,
    /// Written by the first step that fails, read when all have ended.
    failed: Mutex<Option<Error>>,
}

impl<'a> Steps<'a> {
    /// Steps that end when `halt` fires; it is fired by the first that fails.
    pub fn new(halt: &'a CancelToken) -> Self {
        Self { halt, failed: Mutex::default() }
    }

    /// Runs a step; its failure makes the others end.
    pub async fn run<T>(&self, step: impl Future<Output = Result<T, Stop>>) -> Option<T> {
        match step.await {
            Ok(value) => Some(value),
            Err(ended) => {
                if let Stop::Failed(error) = ended {
                    self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                }
                self.halt.cancel();
                None
            }
        }
    }

    /// Passes the user's giving up on to the steps, and never ends.
    pub async fn watch<T>(&self, abort: &CancelToken) -> T {
        abort.canceled().await;
        self.halt.cancel();
        std::future::pending().await
    }

    /// Why the deployment failed: the first failure, else the user; and what could not be removed again, for which
    /// `faast cleanup` is the remedy.
    pub fn into_error(self, provider: &str, report: &CleanupReport) -> Error {
        let failed = self.failed.into_inner().unwrap_or_else(PoisonError::into_inner);
        let error = failed.unwrap_or_else(given_up);
        if report.is_clean() {
            return error;
        }
        let left: Vec<_> = report.left.iter().map(|(resource, _)| resource.to_string()).collect();
        let left = left.join(", ");
        let advice =
            format!("may be left behind: {left}; `faast cleanup {provider} -x` removes it once it has expired");
        let hint = error.hint().map_or_else(|| advice.clone(), |hint| format!("{hint}; {advice}"));
        error.with_hint(hint)
    }
}

/// The error of a deployment that its user gave up.
pub fn given_up() -> Error {
    Error::new(ErrorKind::Canceled, "the deployment was given up")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Resource;

    #[tokio::test]
    async fn the_first_failure_is_told_and_ends_the_others() {
        let halt = CancelToken::new();
        let steps = Steps::new(&halt);
        assert_eq!(steps.run(async { Ok(1) }).await, Some(1));
        assert!(!halt.is_canceled());
        let failed = |text: &'static str| async move { Err::<(), _>(Error::new(ErrorKind::Deploy, text).into()) };
        assert_eq!(steps.run(failed("first")).await, None);
        assert!(halt.is_canceled());
        steps.run(async { Err::<(), _>(Stop::Halted) }).await;
        steps.run(failed("second")).await;
        assert_eq!(steps.into_error("x", &CleanupReport::default()).message(), "first");
    }

    #[tokio::test]
    async fn what_is_left_is_said_with_its_remedy() {
        let halt = CancelToken::new();
        let mut report = CleanupReport::default();
        report.left.push((Resource::new("queue", "q1"), "denied".into()));
        let error = Steps::new(&halt).into_error("x", &report);
        assert_eq!(error.kind(), ErrorKind::Canceled);
        let hint = error.hint().unwrap_or_default();
        assert!(hint.contains("queue `q1`") && hint.contains("faast cleanup x -x"), "{hint}");
    }
}
