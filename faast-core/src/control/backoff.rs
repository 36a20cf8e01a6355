//! Waiting for what becomes true later: pauses that grow, with jitter, until the time is up.
//!
//! Responsible for every wait of a control plane (a role that is not known yet, a function that is not active yet), so that
//! there is one policy and one loop. The decision, [`Pauses::next`], reads neither a clock nor a random
//! source of its own; [`wait`] drives it by a [`Clock`], which tests turn by hand.

use std::future::Future;
use std::time::Duration;

use fastrand::Rng;
use tokio::time::Instant;

use crate::cancel::CancelToken;

/// How long the pauses are.
///
/// ```
/// # use std::time::Duration;
/// # use faast_core::control::{Backoff, Pauses};
/// # use fastrand::Rng;
/// let (first, most) = (Duration::from_secs(1), Duration::from_secs(8));
/// let policy = Backoff { first, factor: 2.0, most, total: Duration::from_mins(5) };
/// let mut pauses = Pauses::new(policy, Rng::new());
/// for longest in [1, 2, 4, 8, 8].map(Duration::from_secs) {
///     let pause = pauses.next(Duration::ZERO).unwrap();
///     assert!(longest / 2 <= pause && pause <= longest); // jitter takes up to half away
/// }
/// assert_eq!(pauses.next(Duration::from_mins(5)), None); // the time is up
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// The first pause, before jitter.
    pub first: Duration,
    /// By how much each pause is longer than the one before.
    pub factor: f64,
    /// The longest pause, before jitter.
    pub most: Duration,
    /// No pause ends later than this, counted from the start.
    pub total: Duration,
}

/// The pauses of one wait.
///
/// Each is between half and all of what the policy says, so that two jobs drift apart.
#[derive(Debug)]
pub struct Pauses {
    policy: Backoff,
    next: Duration,
    rng: Rng,
}

impl Pauses {
    /// The pauses of a policy, with this source of jitter.
    pub fn new(policy: Backoff, rng: Rng) -> Self {
        Self { policy, next: policy.first, rng }
    }

    /// The next pause after `elapsed` since the start; `None` when the time is up.
    pub fn next(&mut self, elapsed: Duration) -> Option<Duration> {
        let left = self.policy.total.checked_sub(elapsed).filter(|left| !left.is_zero())?;
        let pause = self.next.mul_f64(0.5 + self.rng.f64() / 2.0);
        self.next = self.next.mul_f64(self.policy.factor).min(self.policy.most);
        Some(pause.min(left))
    }
}

/// Why a wait ended without a value.
#[derive(Debug)]
pub enum Ended<E> {
    /// A step failed for good.
    Failed(E),
    /// The time is up; the last step said why it was not yet done.
    TimeUp(E),
    /// The deployment was given up.
    Halted,
}

/// What a step came to.
#[derive(Debug)]
pub enum Step<T, E> {
    /// It is done.
    Done(T),
    /// Not yet, for this reason.
    NotYet(E),
    /// It failed for good.
    Failed(E),
}

/// Where time comes from.
pub trait Clock {
    /// Time since some start.
    fn now(&self) -> Duration;

    /// Waits.
    fn sleep(&self, pause: Duration) -> impl Future<Output = ()> + Send;
}

/// Real time, since the clock was made.
#[derive(Debug)]
pub struct RealTime(Instant);

impl RealTime {
    /// Real time from now on.
    pub fn start() -> Self {
        Self(Instant::now())
    }
}

impl Clock for RealTime {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn sleep(&self, pause: Duration) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(pause)
    }
}

/// Takes a step again and again until it is done.
///
/// A step that has begun is never dropped: it may have an effect.
///
/// ```
/// # use std::{sync::Mutex, time::Duration};
/// # use faast_core::{CancelToken, control::{Backoff, Clock, Ended, Pauses, Step, wait}};
/// /// Time that passes only where somebody waits for it, for tests. Else: `RealTime::start()`.
/// #[derive(Default)]
/// struct Turned(Mutex<Duration>);
///
/// impl Clock for Turned {
///     fn now(&self) -> Duration {
///         *self.0.lock().unwrap()
///     }
///     async fn sleep(&self, pause: Duration) {
///         *self.0.lock().unwrap() += pause;
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let (first, most, total) = (Duration::from_secs(1), Duration::from_secs(8), Duration::from_mins(5));
/// # let policy = Backoff { first, factor: 2.0, most, total };
/// # let pauses = || Pauses::new(policy, fastrand::Rng::new());
/// let (clock, halt) = (Turned::default(), CancelToken::new());
/// let mut asked = 0;
/// let state = wait(&clock, pauses(), &halt, || {
///     asked += 1;
///     let step = if asked < 3 { Step::NotYet("it is pending") } else { Step::Done("active") };
///     async { step }
/// });
/// assert!(matches!(state.await, Ok("active")));
///
/// // When the policy's five minutes are up, the last reason stands.
/// let never = wait::<(), _, _>(&clock, pauses(), &halt, || async { Step::NotYet("the role is not known yet") });
/// assert!(matches!(never.await, Err(Ended::TimeUp("the role is not known yet"))));
/// # }
/// ```
///
/// # Errors
///
/// When it failed for good, when the time is up, or when the deployment was given up.
pub async fn wait<T, E, F>(
    clock: &impl Clock,
    mut pauses: Pauses,
    halt: &CancelToken,
    mut step: impl FnMut() -> F,
) -> Result<T, Ended<E>>
where
    F: Future<Output = Step<T, E>>,
{
    let start = clock.now();
    loop {
        if halt.is_canceled() {
            return Err(Ended::Halted);
        }
        let why = match step().await {
            Step::Done(value) => return Ok(value),
            Step::Failed(error) => return Err(Ended::Failed(error)),
            Step::NotYet(why) => why,
        };
        let elapsed = clock.now().saturating_sub(start);
        let Some(pause) = pauses.next(elapsed) else { return Err(Ended::TimeUp(why)) };
        tokio::select! {
            () = clock.sleep(pause) => {}
            () = halt.canceled() => return Err(Ended::Halted),
        }
    }
}

/// Calls again while the failure is one that passes, for as long as there are pauses; then the failure stands.
///
/// ```
/// # use std::time::Duration;
/// # use faast_core::{CancelToken, control::{Backoff, Pauses, RealTime, again}};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let (first, total) = (Duration::from_millis(1), Duration::from_mins(5));
/// # let policy = Backoff { first, factor: 2.0, most: first, total };
/// # let (clock, halt) = (RealTime::start(), CancelToken::new());
/// # let pauses = Pauses::new(policy, fastrand::Rng::new());
/// let mut answers = [Err("busy"), Err("busy"), Ok(7)].into_iter();
/// let is_passing = |failure: &&str| *failure == "busy";
/// let answer = again(&clock, pauses, &halt, is_passing, || {
///     let answer = answers.next().unwrap();
///     async move { answer }
/// });
/// assert_eq!(answer.await, Ok(7));
/// # }
/// ```
///
/// # Errors
///
/// The last failure.
pub async fn again<T, E, F>(
    clock: &impl Clock,
    mut pauses: Pauses,
    halt: &CancelToken,
    is_passing: impl Fn(&E) -> bool,
    mut call: impl FnMut() -> F,
) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let start = clock.now();
    loop {
        let failure = match call().await {
            Err(failure) if is_passing(&failure) && !halt.is_canceled() => failure,
            other => return other,
        };
        let Some(pause) = pauses.next(clock.now().saturating_sub(start)) else { return Err(failure) };
        tokio::select! {
            () = clock.sleep(pause) => {}
            () = halt.canceled() => return Err(failure),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    const POLICY: Backoff = Backoff {
        first: Duration::from_secs(1),
        factor: 2.0,
        most: Duration::from_secs(8),
        total: Duration::from_mins(5),
    };

    fn pauses(seed: u64) -> Pauses {
        Pauses::new(POLICY, Rng::with_seed(seed))
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_jitter_takes_at_most_half() {
        for seed in 0..50 {
            let mut pauses = pauses(seed);
            for expected in [1, 2, 4, 8, 8, 8] {
                let pause = pauses.next(Duration::ZERO).unwrap();
                let most = Duration::from_secs(expected);
                assert!(pause >= most / 2 && pause <= most, "{pause:?} of {most:?}");
            }
        }
    }

    #[test]
    fn two_jobs_do_not_wait_in_step() {
        assert_ne!(pauses(1).next(Duration::ZERO), pauses(2).next(Duration::ZERO));
    }

    #[test]
    fn no_pause_goes_beyond_the_total() {
        let mut pauses = pauses(3);
        assert!(pauses.next(Duration::from_secs(299)).unwrap() <= Duration::from_secs(1));
        assert_eq!(pauses.next(Duration::from_mins(5)), None);
    }

    /// Time that passes only where somebody waits for it.
    #[derive(Default)]
    struct Turned {
        now: AtomicU64,
        /// Fires when its time has come.
        halt_at: Option<(Duration, CancelToken)>,
    }

    impl Clock for Turned {
        fn now(&self) -> Duration {
            Duration::from_nanos(self.now.load(Ordering::Relaxed))
        }

        async fn sleep(&self, pause: Duration) {
            let end = self.now() + pause;
            let stop = self.halt_at.as_ref().filter(|(at, _)| *at < end);
            let reached = stop.map_or(end, |(at, _)| *at);
            self.now.store(reached.as_nanos().try_into().unwrap(), Ordering::Relaxed);
            if let Some((_, halt)) = stop {
                halt.cancel();
                std::future::pending::<()>().await;
            }
        }
    }

    #[tokio::test]
    async fn a_wait_ends_when_the_time_is_up_and_says_why() {
        let (clock, steps) = (Turned::default(), Cell::new(0));
        let ended = wait::<(), _, _>(&clock, pauses(4), &CancelToken::new(), || {
            steps.set(steps.get() + 1);
            async { Step::NotYet("the role is not known yet") }
        })
        .await;
        assert!(matches!(ended, Err(Ended::TimeUp("the role is not known yet"))));
        assert_eq!(clock.now(), POLICY.total);
        assert!((40..=90).contains(&steps.get()), "{} steps", steps.get());
    }

    #[tokio::test]
    async fn a_wait_goes_on_until_the_step_is_done() {
        let clock = Turned::default();
        let done = wait::<_, (), _>(&clock, pauses(5), &CancelToken::new(), || async {
            if clock.now() > Duration::from_secs(10) { Step::Done(7) } else { Step::NotYet(()) }
        })
        .await;
        assert!(matches!(done, Ok(7)));
        assert!(clock.now() < Duration::from_secs(20), "{:?}", clock.now());
    }

    #[tokio::test]
    async fn a_wait_that_is_given_up_ends_at_once() {
        let (halt, at) = (CancelToken::new(), Duration::from_secs(3));
        let clock = Turned { halt_at: Some((at, halt.clone())), ..Turned::default() };
        let ended = wait::<(), _, _>(&clock, pauses(6), &halt, || async { Step::NotYet(()) }).await;
        assert!(matches!(ended, Err(Ended::Halted)));
        assert_eq!(clock.now(), at);
    }

    #[tokio::test]
    async fn what_fails_for_good_is_not_tried_again() {
        let steps = Cell::new(0);
        let ended = wait::<(), _, _>(&Turned::default(), pauses(7), &CancelToken::new(), || {
            steps.set(steps.get() + 1);
            async { Step::Failed("denied") }
        })
        .await;
        assert!(matches!(ended, Err(Ended::Failed("denied"))));
        assert_eq!(steps.get(), 1);
    }

    #[tokio::test]
    async fn what_passes_is_called_again_and_what_does_not_is_not() {
        let calls = Cell::new(0);
        let call = || {
            calls.set(calls.get() + 1);
            let ended = if calls.get() < 4 { Err("busy") } else { Err("denied") };
            async move { ended }
        };
        let (clock, abort) = (Turned::default(), CancelToken::new());
        let ended = again::<(), _, _>(&clock, pauses(8), &abort, |failure: &&str| *failure == "busy", call);
        assert_eq!((ended.await, calls.get()), (Err("denied"), 4));
    }

    #[tokio::test]
    async fn what_does_not_pass_in_time_stands() {
        let (clock, abort) = (Turned::default(), CancelToken::new());
        let ended = again::<(), _, _>(&clock, pauses(9), &abort, |_| true, || async { Err("busy") });
        assert_eq!((ended.await, clock.now()), (Err("busy"), POLICY.total));
    }
}
