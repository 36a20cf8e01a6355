//! The budget: no call starts whose worst case could take the sum over the limit. Pure.

/// US dollars spent, reserved for what is in flight, and the limit.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    limit: Option<f64>,
    worst_case: f64,
    spent: f64,
    in_flight: usize,
}

impl Budget {
    /// `worst_case`: what one call costs at the very most.
    pub(crate) fn new(limit: Option<f64>, worst_case: f64) -> Self {
        Self { limit, worst_case, spent: 0.0, in_flight: 0 }
    }

    /// Whether one more call may start; it is in flight then.
    pub(crate) fn start(&mut self) -> bool {
        let fits = self.limit.is_none_or(|limit| self.spent + self.worst_case * (self.in_flight + 1) as f64 <= limit);
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

    /// Whether nothing in flight could make room for a call.
    pub(crate) fn exhausted(&self) -> bool {
        self.in_flight == 0 && self.limit.is_some_and(|limit| self.spent + self.worst_case > limit)
    }

    pub(crate) fn spent(&self) -> f64 {
        self.spent
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
    fn without_a_limit_everything_starts() {
        let mut budget = Budget::new(None, 1e9);
        assert!((0..1000).all(|_| budget.start()) && !budget.exhausted());
    }
}
