//! Retry: the closed table of what is sent again, and when. Pure; randomness is passed in.
//!
//! | class | without being asked | uses an attempt |
//! |---|---|---|
//! | throttled | yes, after a wait with full jitter | no |
//! | unreachable | yes, as soon as anything may be sent again (`outage.rs`) | no |
//! | transient, worker lost | yes | yes |
//! | crash, timeout, out of memory, panic, user error | only by `retry_if` | yes |
//! | permanent, canceled | never | |
//!
//! A function with `idempotent = false` is never sent again once it may have run.

use std::time::Duration;

use crate::provider::{Ran, RetryClass};

const BASE: Duration = Duration::from_millis(50);
const CAP: Duration = Duration::from_secs(20);

/// A failure, and what is known about its call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt {
    pub(crate) class: RetryClass,
    pub(crate) ran: Ran,
    pub(crate) idempotent: bool,
    /// Attempts that were used up, this one included.
    pub(crate) used: u32,
    /// Attempts after the first that are allowed.
    pub(crate) retries: u32,
    /// How often the call was throttled before.
    pub(crate) throttled: u32,
    /// The call's own `retry_if` asks for it.
    pub(crate) wanted: bool,
    pub(crate) retry_after: Option<Duration>,
}

/// What to do with a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Send it again after a pause.
    Again(Duration),
    /// Tell the caller.
    GiveUp,
    /// Tell the caller: it would go again, but it may have run, and must not run twice.
    GiveUpForItMayHaveRun,
}

/// Decides; `random` is uniform in 0..1.
pub(crate) fn decide(attempt: Attempt, random: f64) -> Decision {
    let (again, tries) = match attempt.class {
        RetryClass::Throttled => (true, attempt.throttled),
        // The wait is everybody's, and no matter of this call.
        RetryClass::Unreachable => (true, 0),
        RetryClass::Transient => (attempt.used <= attempt.retries, attempt.used),
        // Nothing is overloaded: another worker can take it at once.
        RetryClass::WorkerLost => (attempt.used <= attempt.retries, 0),
        RetryClass::Crash | RetryClass::Timeout | RetryClass::OutOfMemory | RetryClass::Panic | RetryClass::User => {
            (attempt.wanted && attempt.used <= attempt.retries, 0)
        }
        RetryClass::Permanent | RetryClass::Canceled => (false, 0),
    };
    if !again {
        return Decision::GiveUp;
    }
    if !attempt.idempotent && attempt.ran != Ran::No {
        return Decision::GiveUpForItMayHaveRun;
    }
    let pause =
        if attempt.class == RetryClass::Throttled { backoff(tries + 1, random) } else { backoff(tries, random) };
    Decision::Again(pause.max(attempt.retry_after.unwrap_or_default()))
}

/// Whether a failure of that class is tried again only where the call's own `retry_if` asks for it.
pub(crate) fn is_asked_for(class: RetryClass) -> bool {
    use RetryClass::{Crash, OutOfMemory, Panic, Timeout, User};
    matches!(class, Crash | Timeout | OutOfMemory | Panic | User)
}

/// Exponential backoff with full jitter; none before the first try.
fn backoff(tries: u32, random: f64) -> Duration {
    if tries == 0 {
        return Duration::ZERO;
    }
    CAP.min(BASE.saturating_mul(1 << tries.min(16))).mul_f64(random)
}

#[cfg(test)]
mod tests {
    use super::*;
    use RetryClass::*;

    fn attempt(class: RetryClass) -> Attempt {
        Attempt {
            class,
            ran: Ran::Maybe,
            idempotent: true,
            used: 1,
            retries: 2,
            throttled: 0,
            wanted: false,
            retry_after: None,
        }
    }

    fn again(attempt: Attempt) -> bool {
        matches!(decide(attempt, 0.5), Decision::Again(_))
    }

    #[test]
    fn the_table_is_closed() {
        let all = [
            Throttled,
            Unreachable,
            Transient,
            WorkerLost,
            Crash,
            Timeout,
            OutOfMemory,
            Panic,
            User,
            Permanent,
            Canceled,
        ];
        let by_itself: Vec<_> = all.into_iter().filter(|class| again(attempt(*class))).collect();
        assert_eq!(by_itself, [Throttled, Unreachable, Transient, WorkerLost]);
        let asked: Vec<_> =
            all.into_iter().filter(|class| again(Attempt { wanted: true, ..attempt(*class) })).collect();
        assert_eq!(asked, [Throttled, Unreachable, Transient, WorkerLost, Crash, Timeout, OutOfMemory, Panic, User]);
    }

    #[test]
    fn attempts_come_to_an_end_but_what_did_not_run_uses_none() {
        for class in [Transient, WorkerLost] {
            assert!(again(Attempt { used: 2, ..attempt(class) }));
            assert!(!again(Attempt { used: 3, ..attempt(class) }));
        }
        assert!(again(Attempt { used: 99, throttled: 99, ..attempt(Throttled) }));
        assert!(again(Attempt { used: 99, ..attempt(Unreachable) }));
    }

    #[test]
    fn what_must_not_run_twice_is_sent_again_only_if_it_did_not_run() {
        for class in [Throttled, Transient, WorkerLost, User] {
            let once = Attempt { idempotent: false, wanted: true, ..attempt(class) };
            assert_eq!(decide(once, 0.5), Decision::GiveUpForItMayHaveRun);
            assert_eq!(decide(Attempt { ran: Ran::Yes, ..once }, 0.5), Decision::GiveUpForItMayHaveRun);
            assert!(again(Attempt { ran: Ran::No, ..once }));
        }
        // These would not go again in any case.
        for class in [Permanent, Panic] {
            assert_eq!(decide(Attempt { idempotent: false, ..attempt(class) }, 0.5), Decision::GiveUp);
        }
    }

    #[test]
    fn pauses_grow_are_jittered_and_respect_the_service() {
        let pause = |throttled, random| match decide(Attempt { throttled, ..attempt(Throttled) }, random) {
            Decision::Again(pause) => pause,
            other => unreachable!("{other:?}"),
        };
        assert_eq!(pause(0, 1.0), BASE * 2);
        assert_eq!(pause(3, 0.5), BASE * 8);
        assert_eq!(pause(60, 1.0), CAP);
        let told = Attempt { retry_after: Some(Duration::from_secs(30)), ..attempt(Throttled) };
        assert_eq!(decide(told, 0.1), Decision::Again(Duration::from_secs(30)));
    }

    #[test]
    fn a_lost_worker_is_replaced_without_a_pause() {
        assert_eq!(decide(attempt(WorkerLost), 1.0), Decision::Again(Duration::ZERO));
    }
}
