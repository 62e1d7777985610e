//! The timer wheel: entries wait in slots of about a second, by class, until silence has lasted long enough.
//!
//! It is lazy: a packet only writes the time into its entry. When an entry's slot comes up it is either let go or, if
//! packets came meanwhile, put where its deadline now is. Each entry is touched at most once per turn of the wheel.

use super::entry::{Class, Entry};

/// Slots of each class; with a second each the wheel turns in 8.7 minutes, and longer timeouts take several turns.
pub const SLOTS: usize = 512;
/// Ticks ([`super::table::TICK_MS`]) in a slot.
pub const TICKS_PER_SLOT: u32 = 16;
/// Classes that age.
const CLASSES: usize = 3;

#[derive(Clone, Copy, Debug, Default)]
struct List {
    head: u32,
    tail: u32,
}

/// The wheel. Lists run through the entries themselves.
#[derive(Debug)]
pub struct Wheel {
    lists: Box<[List]>,
    /// One bit for each slot that is not empty, by class.
    filled: [[u64; SLOTS / 64]; CLASSES],
    /// The next slot to be looked at, counted since time zero.
    cursor: u32,
}

impl Wheel {
    /// An empty wheel at tick `now`.
    pub fn new(now: u32) -> Self {
        Self {
            lists: vec![List::default(); CLASSES * SLOTS].into_boxed_slice(),
            filled: [[0; SLOTS / 64]; CLASSES],
            cursor: now / TICKS_PER_SLOT,
        }
    }

    /// Puts entry `index`, which must be in no list, where it is due at tick `deadline`.
    pub fn insert(&mut self, entries: &mut [Entry], index: u32, class: Class, deadline: u32) {
        let due = (deadline / TICKS_PER_SLOT + 1).clamp(self.cursor + 1, self.cursor + SLOTS as u32 - 1);
        let Some(row) = (class as usize).checked_sub(1) else {
            return;
        };
        let slot = due as usize % SLOTS;
        let number = row * SLOTS + slot;
        let list = &mut self.lists[number];
        let stored = index + 1;
        entries[index as usize].wheel = number as u16 + 1;
        entries[index as usize].next = 0;
        entries[index as usize].previous = list.tail;
        match list.tail {
            0 => list.head = stored,
            tail => entries[tail as usize - 1].next = stored,
        }
        list.tail = stored;
        self.filled[row][slot / 64] |= 1 << (slot % 64);
    }

    /// Takes entry `index` out of its list, if it is in one.
    pub fn unlink(&mut self, entries: &mut [Entry], index: u32) {
        let Entry { wheel, next, previous, .. } = entries[index as usize];
        let Some(number) = usize::from(wheel).checked_sub(1) else {
            return;
        };
        let list = &mut self.lists[number];
        match previous {
            0 => list.head = next,
            previous => entries[previous as usize - 1].next = next,
        }
        match next {
            0 => list.tail = previous,
            next => entries[next as usize - 1].previous = previous,
        }
        if list.head == 0 {
            self.filled[number / SLOTS][number % SLOTS / 64] &= !(1 << (number % 64));
        }
        let entry = &mut entries[index as usize];
        (entry.wheel, entry.next, entry.previous) = (0, 0, 0);
    }

    /// Takes out one entry whose slot has come up by tick `now`.
    pub fn pop_due(&mut self, entries: &mut [Entry], now: u32) -> Option<u32> {
        let now = now / TICKS_PER_SLOT;
        // After a long pause one turn looks at everything.
        self.cursor = self.cursor.max(now.saturating_sub(SLOTS as u32 - 1));
        while self.cursor <= now {
            let slot = self.cursor as usize % SLOTS;
            for row in 0..CLASSES {
                if let Some(index) = self.lists[row * SLOTS + slot].head.checked_sub(1) {
                    self.unlink(entries, index);
                    return Some(index);
                }
            }
            if self.cursor == now {
                return None;
            }
            self.cursor += 1;
        }
        None
    }

    /// Takes out the entry of `class` that is due first, the one put there first among those of one second; also the
    /// tick by which its place in the wheel says it is due.
    pub fn pop_oldest(&mut self, entries: &mut [Entry], class: Class) -> Option<(u32, u32)> {
        let row = (class as usize).checked_sub(1)?;
        let start = self.cursor as usize % SLOTS;
        let slot = self.first_filled(row, start)?;
        let index = self.lists[row * SLOTS + slot].head.checked_sub(1)?;
        self.unlink(entries, index);
        let ahead = (slot + SLOTS - start) % SLOTS;
        Some((index, (self.cursor + ahead as u32).saturating_mul(TICKS_PER_SLOT)))
    }

    /// The first slot that is not empty, from `start` on and round.
    fn first_filled(&self, row: usize, start: usize) -> Option<usize> {
        let words = &self.filled[row];
        let (word, bit) = (start / 64, start % 64);
        for step in 0..=words.len() {
            let number = (word + step) % words.len();
            let mask = match step {
                0 => u64::MAX << bit,
                step if step == words.len() => !(u64::MAX << bit),
                _ => u64::MAX,
            };
            let filled = words[number] & mask;
            if filled != 0 {
                return Some(number * 64 + filled.trailing_zeros() as usize);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn entries_come_up_when_due_and_only_once(
            deadlines in proptest::collection::vec((0_u32..7000, 1_u8..4), 1..100),
            removed in proptest::collection::vec(any::<bool>(), 100),
        ) {
            let mut entries = vec![Entry::default(); deadlines.len()];
            let mut wheel = Wheel::new(0);
            for (i, &(deadline, class)) in deadlines.iter().enumerate() {
                wheel.insert(&mut entries, i as u32, Class::from_byte(class), deadline);
            }
            for i in (0..deadlines.len()).filter(|&i| removed[i]) {
                wheel.unlink(&mut entries, i as u32);
                wheel.unlink(&mut entries, i as u32);
            }
            let mut came = vec![None; deadlines.len()];
            for now in (0..8000).step_by(5) {
                while let Some(index) = wheel.pop_due(&mut entries, now) {
                    prop_assert!(came[index as usize].is_none());
                    came[index as usize] = Some(now);
                }
            }
            for (i, &(deadline, _)) in deadlines.iter().enumerate() {
                match came[i] {
                    None => prop_assert!(removed[i]),
                    Some(at) => {
                        prop_assert!(!removed[i] && at > deadline && at <= deadline + 2 * TICKS_PER_SLOT + 5);
                    }
                }
            }
        }
    }

    #[test]
    fn the_oldest_of_a_class_goes_first_in_order_of_arrival() {
        let mut entries = vec![Entry::default(); 4];
        let mut wheel = Wheel::new(16_000);
        wheel.insert(&mut entries, 0, Class::Embryonic, 17_000);
        wheel.insert(&mut entries, 1, Class::Embryonic, 16_100);
        wheel.insert(&mut entries, 2, Class::Embryonic, 16_101);
        wheel.insert(&mut entries, 3, Class::Established, 16_001);
        let order: Vec<_> =
            std::iter::from_fn(|| wheel.pop_oldest(&mut entries, Class::Embryonic).map(|(index, _)| index))
                .collect();
        assert_eq!(order, [1, 2, 0]);
        assert_eq!(wheel.pop_oldest(&mut entries, Class::Established).map(|(index, _)| index), Some(3));
        assert_eq!(wheel.pop_oldest(&mut entries, Class::Established), None);
    }

    #[test]
    fn a_long_pause_loses_nothing() {
        let mut entries = vec![Entry::default(); 3];
        let mut wheel = Wheel::new(0);
        for (i, deadline) in [10, 4_000, 8_000].into_iter().enumerate() {
            wheel.insert(&mut entries, i as u32, Class::Transient, deadline);
        }
        let mut count = 0;
        while wheel.pop_due(&mut entries, 1_000_000).is_some() {
            count += 1;
        }
        assert_eq!(count, 3);
    }
}
