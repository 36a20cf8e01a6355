//! Chance by seed: the nth roll for a name is the same in every run with the same seed, whatever else is rolled for.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use fastrand::Rng;

/// Which requests meet faults.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum FaultScope {
    /// Invocations only.
    #[default]
    Invocations,
    /// All but invocations.
    ControlPlane,
    /// Reading, writing and deleting objects.
    Objects,
    /// All.
    All,
}

/// Rolls by seed.
#[derive(Debug)]
pub(crate) struct Dice {
    seed: u64,
    /// Written by every roll: how many there were for each name.
    seen: Mutex<HashMap<String, u64>>,
}

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, seen: Mutex::default() }
    }

    /// The fate of the next of its name, each at its rate; nothing is the rest. Rates that are all zero roll nothing.
    pub(crate) fn pick<T: Copy>(&self, name: &str, rates: &[(f64, T)]) -> Option<T> {
        if rates.iter().all(|(rate, _)| *rate <= 0.0) {
            return None;
        }
        let mut roll = self.roll(name);
        let falls = |rate: f64| {
            roll -= rate;
            roll < 0.0
        };
        let place = rates.iter().map(|(rate, _)| *rate).position(falls);
        place.map(|place| rates[place].1)
    }

    /// Whether the next of its name meets what comes at that rate.
    pub(crate) fn meets(&self, rate: f64, name: &str) -> bool {
        self.pick(name, &[(rate, ())]).is_some()
    }

    fn roll(&self, name: &str) -> f64 {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let count = seen.entry(name.to_owned()).or_default();
        *count += 1;
        let mut hasher = DefaultHasher::new();
        (self.seed, name, *count).hash(&mut hasher);
        Rng::with_seed(hasher.finish()).f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_what_it_gave_at_the_given_rates() {
        let picks = |seed| {
            let dice = Dice::new(seed);
            (0..1000).map(|_| dice.pick("Invoke", &[(0.2, 'a'), (0.2, 'b'), (0.0, 'c')])).collect::<Vec<_>>()
        };
        assert_eq!(picks(7), picks(7));
        assert_ne!(picks(7), picks(8));
        let count = |fate| picks(7).iter().filter(|it| **it == Some(fate)).count();
        assert!((150..250).contains(&count('a')) && (150..250).contains(&count('b')));
        assert_eq!(count('c'), 0);
    }

    #[test]
    fn names_do_not_disturb_each_other() {
        let (alone, beside) = (Dice::new(3), Dice::new(3));
        let of = |dice: &Dice| (0..50).map(|_| dice.meets(0.5, "a")).collect::<Vec<_>>();
        assert!((0..20).filter(|_| beside.meets(0.5, "b")).count() > 0);
        assert_eq!(of(&alone), of(&beside));
    }
}
