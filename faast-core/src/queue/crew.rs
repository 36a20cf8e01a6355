//! How many listeners there are at the queue: two at least, one for every twenty outstanding requests, as many as the
//! process may have connections for. Pure: it is told what is outstanding, and says who starts and who leaves.

/// Listeners while anything is outstanding: one that deletes what it got leaves another that waits.
const LEAST: usize = 2;

/// Outstanding requests for each listener.
const REQUESTS: usize = 20;

/// The listeners of one queue.
#[derive(Debug)]
pub(super) struct Crew {
    most: usize,
    listening: usize,
}

impl Crew {
    /// Nobody yet, and `most` at most.
    pub(super) fn new(most: usize) -> Self {
        Self { most: most.max(1), listening: 0 }
    }

    fn wanted(&self, outstanding: usize) -> usize {
        outstanding.div_ceil(REQUESTS).max(LEAST).min(self.most)
    }

    /// A request goes out: how many listeners are to start.
    pub(super) fn start(&mut self, outstanding: usize) -> usize {
        let missing = self.wanted(outstanding).saturating_sub(self.listening);
        self.listening += missing;
        missing
    }

    /// A listener has heard to the end: whether it leaves. The last ones stay until they have heard nothing, because
    /// what is delivered twice comes after the last answer.
    pub(super) fn leaves(&mut self, outstanding: usize, heard_nothing: bool) -> bool {
        let leaves = self.listening > self.wanted(outstanding) || outstanding == 0 && heard_nothing;
        self.listening -= usize::from(leaves);
        leaves
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    use super::*;

    #[test]
    fn there_are_two_at_least_and_one_for_every_twenty() {
        for (outstanding, expected) in [(1, 2), (40, 2), (41, 3), (100, 5), (1000, 50), (10_000, 200)] {
            let mut crew = Crew::new(200);
            assert_eq!(crew.start(outstanding), expected, "{outstanding}");
            assert_eq!(crew.start(outstanding), 0, "they are there");
        }
    }

    #[test]
    fn one_listens_where_there_are_no_descriptors_for_more() {
        assert_eq!(Crew::new(0).start(1000), 1);
    }

    /// Polls of a queue in virtual time: one that hears something takes 10 ms, one that hears nothing 20 s.
    struct Queue {
        crew: Crew,
        now_ms: u64,
        /// When the polls that are under way end at the latest.
        polls: BinaryHeap<Reverse<u64>>,
        outstanding: usize,
        peak: usize,
    }

    impl Queue {
        fn send(&mut self, requests: usize) {
            self.outstanding += requests;
            for _ in 0..self.crew.start(self.outstanding) {
                self.polls.push(Reverse(self.now_ms + 20_000));
            }
            self.peak = self.peak.max(self.polls.len());
        }

        /// So many answers come in; a poll takes ten of them.
        fn answer(&mut self, mut answers: usize) {
            while answers > 0 && !self.polls.is_empty() {
                let taken = answers.min(10);
                self.polls.pop();
                self.now_ms += 10;
                self.outstanding -= taken;
                answers -= taken;
                self.ended(false);
            }
        }

        /// The next poll ends without a message.
        fn quiet(&mut self) {
            if let Some(Reverse(end)) = self.polls.pop() {
                self.now_ms = self.now_ms.max(end);
                self.ended(true);
            }
        }

        fn ended(&mut self, heard_nothing: bool) {
            if !self.crew.leaves(self.outstanding, heard_nothing) {
                self.polls.push(Reverse(self.now_ms + 20_000));
            }
        }
    }

    #[test]
    fn a_burst_brings_listeners_who_leave_with_the_answers_and_all_are_gone_when_it_is_quiet() {
        let crew = Crew::new(usize::MAX);
        let mut queue = Queue { crew, now_ms: 0, polls: BinaryHeap::new(), outstanding: 0, peak: 0 };
        (0..1000).for_each(|_| queue.send(1));
        assert_eq!(queue.peak, 50);
        queue.answer(900);
        assert!((5..20).contains(&queue.polls.len()), "{}", queue.polls.len());
        queue.answer(100);
        assert_eq!((queue.outstanding, queue.polls.len()), (0, 2), "two wait for what comes twice");
        let before = queue.now_ms;
        queue.quiet();
        queue.quiet();
        assert_eq!(queue.polls.len(), 0);
        assert!(queue.now_ms <= before + 20_000, "one poll of silence is enough");
        queue.send(1);
        assert_eq!(queue.polls.len(), 2, "and they come back");
    }

    #[test]
    fn a_request_that_takes_long_keeps_its_two_listeners() {
        let mut crew = Crew::new(10);
        crew.start(1);
        assert!((0..100).all(|_| !crew.leaves(1, true)));
    }
}
