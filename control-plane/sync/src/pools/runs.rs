//! A set of numbers kept as runs of neighbours, so that the lowest one missing is found at once.

use std::collections::BTreeMap;

/// A set of numbers. Each run of neighbours costs one entry, whatever its length; all operations are O(log runs).
#[derive(Debug, Default)]
pub(super) struct Runs {
    /// First to last of each run; no two touch.
    runs: BTreeMap<u128, u128>,
}

impl Runs {
    /// Adds a number that is not in it.
    pub(super) fn insert(&mut self, number: u128) {
        let before = self.runs.range(..=number).next_back().map(|(&first, &last)| (first, last));
        if before.is_some_and(|(_, last)| last >= number) {
            return;
        }
        let first = match before {
            Some((first, last)) if last.checked_add(1) == Some(number) => first,
            _ => number,
        };
        let after = number.checked_add(1).and_then(|next| self.runs.remove(&next));
        self.runs.insert(first, after.unwrap_or(number));
    }

    /// Takes a number out of it.
    pub(super) fn remove(&mut self, number: u128) {
        let Some((&first, &last)) = self.runs.range(..=number).next_back() else { return };
        if last < number {
            return;
        }
        self.runs.remove(&first);
        if first < number {
            self.runs.insert(first, number - 1);
        }
        if number < last {
            self.runs.insert(number + 1, last);
        }
    }

    /// The lowest number of `first` to `last` that is not in it.
    pub(super) fn lowest_missing(&self, first: u128, last: u128) -> Option<u128> {
        let run = self.runs.range(..=first).next_back().filter(|&(_, &end)| end >= first);
        match run {
            None => Some(first),
            // Runs do not touch, so what follows one is not in the set.
            Some((_, end)) => end.checked_add(1).filter(|&next| next <= last),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ends_of_the_numbers_do_not_overflow() {
        let mut runs = Runs::default();
        runs.insert(u128::MAX);
        runs.insert(0);
        assert_eq!(runs.lowest_missing(u128::MAX, u128::MAX), None);
        assert_eq!(runs.lowest_missing(0, 5), Some(1));
        runs.insert(u128::MAX - 1);
        runs.remove(u128::MAX);
        assert_eq!(runs.lowest_missing(u128::MAX - 1, u128::MAX), Some(u128::MAX));
        runs.remove(0);
        assert_eq!(runs.lowest_missing(0, 5), Some(0));
    }

    proptest! {
        #[test]
        fn same_as_a_plain_set(steps in prop::collection::vec((any::<bool>(), 0..40u128), 0..200)) {
            let mut runs = Runs::default();
            let mut plain = BTreeSet::new();
            for (add, number) in steps {
                if add {
                    runs.insert(number);
                    plain.insert(number);
                } else {
                    runs.remove(number);
                    plain.remove(&number);
                }
                for first in 0..42 {
                    let expected = (first..42).find(|n| !plain.contains(n));
                    prop_assert_eq!(runs.lowest_missing(first, 41), expected);
                }
                let runs: Vec<(u128, u128)> = runs.runs.iter().map(|(&a, &b)| (a, b)).collect();
                prop_assert!(runs.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0), "{:?}", runs);
            }
        }
    }
}
