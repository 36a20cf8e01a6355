//! Where the results are that were in a journal when it was opened: 28 bytes for each.

use super::key::Key;

/// Places in the file by key. Equal calls are told apart by how often they occur: the n-th of a map gets the n-th result.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Sorted.
    entries: Vec<(Key, u64)>,
    /// At the first place of each key, how many of them are taken.
    taken: Vec<u32>,
}

impl Index {
    pub(super) fn new(mut entries: Vec<(Key, u64)>) -> Self {
        entries.sort_unstable();
        entries.shrink_to_fit();
        let taken = vec![0; entries.len()];
        Self { entries, taken }
    }

    /// Results in all, taken or not.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The place of a result that nobody has taken.
    pub(super) fn take(&mut self, key: &Key) -> Option<u64> {
        let first = self.entries.partition_point(|(known, _)| known < key);
        let taken = self.taken.get_mut(first)?;
        let (_, place) = self.entries.get(first + *taken as usize).filter(|(known, _)| known == key)?;
        *taken += 1;
        Some(*place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_result_is_taken_once_and_in_the_order_of_the_file() {
        let key = |n: u8| [n; 16];
        let mut index = Index::new(vec![(key(2), 50), (key(1), 90), (key(2), 10), (key(3), 70), (key(2), 30)]);
        let mut take = |n| std::iter::from_fn(|| index.take(&key(n))).collect::<Vec<_>>();
        assert_eq!((take(2), take(1), take(3)), (vec![10, 30, 50], vec![90], vec![70]));
        assert_eq!((take(0), take(2), take(4)), (vec![], vec![], vec![]));
        assert_eq!(Index::default().take(&key(1)), None);
    }
}
