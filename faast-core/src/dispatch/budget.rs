//! The budget: no call starts whose worst case could take the sum over the limit. Pure.

/// US dollars spent, reserved for what is in flight, and the limit.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    limit: Option<f64>,
    worst_case: f64,
    spent: f64,
    /// Spent on what is beyond calls: storage, transfer, queues.
    beyond: f64,
    in_flight: usize,
    /// Shares of the limit that have been warned of.
    warned: usize,
}

/// Shares of the limit, in per cent, at which the user is warned.
const WARNINGS: [u32; 2] = [50, 80];

/// Sums of prices are not exact: the last call that a budget is made for must not fail for the last bit.
const ROUNDING: f64 = 1.0 + 1e-9;

impl Budget {
    /// `worst_case`: what one call costs at the very most.
    pub(crate) fn new(limit: Option<f64>, worst_case: f64) -> Self {
        Self { limit, worst_case, spent: 0.0, beyond: 0.0, in_flight: 0, warned: 0 }
    }

    /// Whether one more call may start; it is in flight then.
    pub(crate) fn start(&mut self) -> bool {
        let fits = self.limit.is_none_or(|limit| self.worst_with(self.in_flight + 1) <= limit * ROUNDING);
        self.in_flight += usize::from(fits);
        fits
    }

    /// An attempt ended and cost that much.
    pub(crate) fn end(&mut self, usd: f64) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.spent += usd;
    }

    /// An attempt was given up; what it cost is not known, so it counts as the worst.
    pub(crate) fn end_unknown(&mut self) {
        self.end(self.worst_case);
    }

    /// A failed attempt is known to have cost that much; without a bill it counts as the worst.
    pub(crate) fn end_at_least(&mut self, usd: f64) {
        self.end(if usd > 0.0 { usd } else { self.worst_case });
    }

    /// So much is spent beyond calls by now.
    pub(crate) fn beyond_calls(&mut self, usd: f64) {
        self.beyond = usd.max(self.beyond);
    }

    /// The share of the limit, in per cent, that has been passed since the last time; the highest of them.
    pub(crate) fn passed(&mut self) -> Option<u32> {
        let limit = self.limit?;
        let is_passed = |share: &&u32| self.spent() >= limit * f64::from(**share) / 100.0;
        let passed = WARNINGS.iter().take_while(is_passed).count();
        let news = passed > self.warned;
        self.warned = passed.max(self.warned);
        news.then(|| WARNINGS[passed - 1])
    }

    /// Whether nothing in flight could make room for a call.
    pub(crate) fn exhausted(&self) -> bool {
        self.in_flight == 0 && self.limit.is_some_and(|limit| self.worst_with(1) > limit * ROUNDING)
    }

    /// The sum if so many calls cost the worst.
    fn worst_with(&self, calls: usize) -> f64 {
        self.spent() + self.worst_case * calls as f64
    }

    pub(crate) fn spent(&self) -> f64 {
        self.spent + self.beyond
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_never_passed_even_if_all_in_flight_cost_the_worst() {
        let mut budget = Budget::new(Some(1.0), 0.3);
        let mut started = 0;
        while budget.start() {
            started += 1;
        }
        assert_eq!(started, 3);
        (0..started).for_each(|_| budget.end(0.3));
        assert!(!budget.start());
        assert!(budget.exhausted() && budget.spent() <= 1.0);
    }

    #[test]
    fn cheap_calls_make_room_for_more() {
        let mut budget = Budget::new(Some(1.0), 0.5);
        assert!(budget.start() && budget.start() && !budget.start() && !budget.exhausted());
        budget.end(0.001);
        assert!(!budget.start());
        budget.end(0.001);
        assert!(budget.start());
    }

    #[test]
    fn half_and_four_fifths_are_told_once() {
        let mut budget = Budget::new(Some(1.0), 0.0);
        let step = || {
            budget.start();
            budget.end(0.101);
            budget.passed()
        };
        let told: Vec<_> = std::iter::repeat_with(step).take(9).collect();
        assert_eq!(told[4], Some(50));
        assert_eq!(told[7], Some(80));
        assert_eq!(told.iter().flatten().count(), 2);
        let mut at_once = Budget::new(Some(1.0), 0.0);
        at_once.end(0.9);
        assert_eq!((at_once.passed(), at_once.passed()), (Some(80), None));
    }

    #[test]
    fn what_is_beyond_calls_counts_and_never_gets_less() {
        let mut budget = Budget::new(Some(1.0), 0.3);
        budget.beyond_calls(0.5);
        assert!(budget.start() && !budget.start());
        budget.beyond_calls(0.1);
        budget.end(0.1);
        assert!((budget.spent() - 0.6).abs() < 1e-9 && budget.start());
    }

    #[test]
    fn without_a_limit_everything_starts() {
        let mut budget = Budget::new(None, 1e9);
        assert!((0..1000).all(|_| budget.start()) && !budget.exhausted());
    }
}
