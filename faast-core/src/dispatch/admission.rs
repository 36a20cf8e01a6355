//! Admission: how many requests may be in flight, and when the next call may start. Pure; time is passed in.

use std::time::{Duration, Instant};

/// After a throttled request the window is this share of what was in flight.
const SHRINK: f64 = 0.7;
/// Successes for each request of the window, until the window grows by one again.
const GROW_AFTER: f64 = 1.0;

/// The window of concurrency: as asked for, smaller after throttling, and growing back (additive increase,
/// multiplicative decrease, as TCP does).
#[derive(Debug)]
pub(crate) struct Window {
    limit: f64,
    size: f64,
    /// When it last got smaller.
    shrunk: Option<Instant>,
}

impl Window {
    pub(crate) fn new(limit: usize) -> Self {
        let limit = limit.max(1) as f64;
        Self { limit, size: limit, shrunk: None }
    }

    /// Requests that may be in flight at once.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 1 and the limit, which is a usize"
    )]
    pub(crate) fn size(&self) -> usize {
        self.size as usize
    }

    /// A request was refused that was sent at `sent`. What was on its way when the window last shrank says nothing more:
    /// of a thousand requests ten may be refused at once, and that is one piece of news.
    pub(crate) fn throttled(&mut self, in_flight: usize, sent: Instant, now: Instant) {
        if self.shrunk.is_none_or(|shrunk| sent >= shrunk) {
            self.size = (self.size.min(in_flight as f64) * SHRINK).max(1.0);
            self.shrunk = Some(now);
        }
    }

    pub(crate) fn succeeded(&mut self) {
        if self.size < self.limit {
            self.size = (self.size + GROW_AFTER / self.size).min(self.limit);
        }
    }
}

/// The limit of starts: at most `rate + burst - 1` calls in any half-open second.
///
/// A token bucket that holds `burst` tokens would let `burst + rate` calls start in the first second, so the bucket is
/// kept as the time at which it was full (GCRA): a call may start when the theoretical arrival time is no more than
/// `burst - 1` intervals ahead.
#[derive(Debug)]
pub(crate) struct Rate {
    interval: Duration,
    tolerance: Duration,
    theoretical: Option<Instant>,
}

impl Rate {
    /// `per_second` calls a second, and `burst` calls at once after a pause.
    pub(crate) fn new(per_second: f64, burst: u32) -> Self {
        let interval = Duration::from_secs_f64(1.0 / per_second);
        Self { interval, tolerance: interval.saturating_mul(burst.saturating_sub(1)), theoretical: None }
    }

    /// Takes up to `wanted` starts at `now`; gives how many, and when to ask again if there were fewer.
    pub(crate) fn take(&mut self, now: Instant, wanted: usize) -> (usize, Option<Instant>) {
        for taken in 0..wanted {
            let arrival = self.theoretical.map_or(now, |at| at.max(now));
            let earliest = arrival.checked_sub(self.tolerance).unwrap_or(now);
            if earliest > now {
                return (taken, Some(earliest));
            }
            self.theoretical = Some(arrival + self.interval);
        }
        (wanted, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn starts(per_second: f64, burst: u32, total: usize) -> Vec<Duration> {
        let (mut rate, start) = (Rate::new(per_second, burst), Instant::now());
        let (mut now, mut at) = (start, Vec::new());
        while at.len() < total {
            let (taken, again) = rate.take(now, total - at.len());
            at.extend(std::iter::repeat_n(now - start, taken));
            now = again.unwrap_or(now);
        }
        at
    }

    #[test]
    fn at_most_rate_plus_burst_minus_one_start_in_any_second() {
        for (per_second, burst) in [(10.0, 1), (10.0, 5), (3.5, 2), (1000.0, 100)] {
            let at = starts(per_second, burst, 300);
            let bound = per_second.ceil() + f64::from(burst) - 1.0;
            for (i, first) in at.iter().enumerate() {
                let within = at[i..].iter().take_while(|t| t.saturating_sub(*first) < Duration::from_secs(1)).count();
                assert!(within as f64 <= bound, "{within} > {bound} at rate {per_second} burst {burst}");
            }
        }
    }

    #[test]
    fn the_rate_is_reached() {
        let at = starts(100.0, 1, 201);
        assert_eq!(at[200].as_millis(), 2000);
    }

    #[test]
    fn throttling_shrinks_the_window_and_success_lets_it_grow_back() {
        let (mut window, now) = (Window::new(100), Instant::now());
        window.throttled(50, now, now);
        assert_eq!(window.size(), 35);
        (0..10_000).for_each(|_| window.succeeded());
        assert_eq!(window.size(), 100);
    }

    #[test]
    fn requests_that_are_refused_together_shrink_it_once() {
        let (mut window, sent) = (Window::new(1000), Instant::now());
        let (refused, again) = (sent + Duration::from_millis(1), sent + Duration::from_millis(2));
        (0..10).for_each(|_| window.throttled(1000, sent, refused));
        assert_eq!(window.size(), 700);
        window.throttled(700, refused, again);
        assert!(window.size() < 500);
    }

    #[test]
    fn the_window_never_closes() {
        let (mut window, now) = (Window::new(2), Instant::now());
        (0..50).for_each(|_| window.throttled(1, now, now));
        assert_eq!(window.size(), 1);
    }
}
