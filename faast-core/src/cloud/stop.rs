//! Stopping a map before its end: how many failures it tolerates, who may cancel it, and what its last result says.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::cancel::CancelToken;
use crate::control::chain;
use crate::error::{Error, ErrorKind, Result};

/// How many calls of a map may fail, and how many have.
pub(super) struct Tolerance {
    most: Most,
    failed: u64,
}

enum Most {
    Calls(u64),
    Share(f64),
}

impl Tolerance {
    pub(super) fn calls(most: u64) -> Self {
        Self { most: Most::Calls(most), failed: 0 }
    }

    pub(super) fn share(most: f64) -> Self {
        Self { most: Most::Share(most), failed: 0 }
    }

    /// Checks what can't be known before the input is: `total` is how many calls there are.
    pub(super) fn check(&self, total: Option<u64>) -> Result<()> {
        let Most::Share(share) = self.most else { return Ok(()) };
        if !(0.0..=1.0).contains(&share) {
            let message = format!("`tolerate_share` of {share} is no share");
            return Err(Error::new(ErrorKind::Config, message).with_hint("give a number from 0 to 1"));
        }
        if total.is_none() {
            return Err(Error::new(ErrorKind::Config, "a share of the calls has to know how many calls there are")
                .with_hint("give it a list, or an iterator that knows its length, or use `tolerate`"));
        }
        Ok(())
    }

    /// One more has failed, of `total` calls; gives an error when that is one too many.
    pub(super) fn failed(&mut self, total: u64, pulled: u64) -> Option<Error> {
        self.failed += 1;
        let (failed, left) = (self.failed, total.saturating_sub(pulled));
        let (tolerated, is_passed) = match self.most {
            Most::Calls(most) => (most.to_string(), failed > most),
            Most::Share(share) => (format!("{} % of {total}", share * 100.0), failed as f64 > share * total as f64),
        };
        let message = format!("{failed} calls failed, and {tolerated} are tolerated; {left} were not sent");
        is_passed.then(|| {
            Error::new(ErrorKind::TooManyFailed, message)
                .with_hint("see the errors before this one for what went wrong")
        })
    }
}

/// Whether a map goes on.
#[derive(Default)]
pub(super) struct Stop {
    asked: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// What was on its way has been canceled.
    canceled: bool,
    /// Its last result.
    why: Option<Error>,
}

impl Stop {
    pub(super) fn on(&mut self, token: &CancelToken) {
        self.asked = Some(Box::pin(token.canceled()));
    }

    /// Whether the token has fired, once; if not, the task is woken when it does.
    pub(super) fn is_asked(&mut self, cx: &mut Context<'_>) -> bool {
        let is_asked = self.asked.as_mut().is_some_and(|asked| asked.as_mut().poll(cx) == Poll::Ready(()));
        if is_asked {
            self.asked = None;
        }
        is_asked
    }

    /// Takes note of why it pulls no more; the first reason counts.
    pub(super) fn because(&mut self, why: Error) {
        if !self.canceled {
            self.why.get_or_insert(why);
        }
    }

    /// Takes note of why what is on its way is canceled; says whether it was not before.
    pub(super) fn cancel(&mut self, why: Option<Error>) -> bool {
        if let Some(why) = why {
            self.because(why);
        }
        !std::mem::replace(&mut self.canceled, true)
    }

    /// Whether what was on its way has been canceled.
    pub(super) fn is_canceled(&self) -> bool {
        self.canceled
    }

    /// Whether it ends with an error.
    pub(super) fn has_reason(&self) -> bool {
        self.why.is_some()
    }

    /// A call's error; one that was canceled because the map stops says why that is.
    pub(super) fn explain(&self, error: Error) -> Error {
        match &self.why {
            Some(why) if self.canceled && error.is_canceled() => {
                error.with_source(format!("the map has stopped: {}", chain(why)))
            }
            _ => error,
        }
    }

    /// Its last result.
    pub(super) fn reason(&mut self) -> Option<Error> {
        self.why.take()
    }

    /// Its last result, if that is no call's.
    pub(super) fn own_reason(&mut self) -> Option<Error> {
        self.why.take_if(|why| why.index().is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_more_than_tolerated_is_too_many() {
        let mut three = Tolerance::calls(3);
        assert!((0..3).all(|_| three.failed(100, 10).is_none()));
        let error = three.failed(100, 10).unwrap();
        assert_eq!(error.kind(), ErrorKind::TooManyFailed);
        assert_eq!(error.message(), "4 calls failed, and 3 are tolerated; 90 were not sent");
        assert!(Tolerance::calls(0).failed(1, 1).is_some());
    }

    #[test]
    fn a_share_is_one_of_all_calls() {
        let mut tenth = Tolerance::share(0.1);
        assert!((0..10).all(|_| tenth.failed(100, 50).is_none()));
        assert!(tenth.failed(100, 50).is_some());
        assert!(Tolerance::share(1.0).failed(1, 1).is_none());
    }

    #[test]
    fn a_share_has_to_be_one_and_to_know_its_whole() {
        assert!(Tolerance::share(0.5).check(Some(7)).is_ok() && Tolerance::calls(5).check(None).is_ok());
        for (share, total) in [(0.5, None), (1.5, Some(7)), (-0.1, Some(7)), (f64::NAN, Some(7))] {
            assert_eq!(Tolerance::share(share).check(total).unwrap_err().kind(), ErrorKind::Config);
        }
    }
}
