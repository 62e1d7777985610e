//! Taking over the flows of the process before.
//!
//! Links, index and wheel are made anew from the entries, so that a process killed half-way through a change leaves at
//! worst one odd entry, which does not pass the checks here.

use super::entry::{Class, Direction, Entry, FlowRef, NO_SLOT};
use super::state::State;
use super::table::FlowTable;

/// Enters every sound entry of the table's storage, and frees the others.
pub(super) fn take_over(table: &mut FlowTable, now: u32) {
    let capacity = table.capacity();
    let (entries, free, fresh, counts) = table.entries_mut();
    *counts = [capacity, 0, 0, 0];
    *free = 0;
    *fresh = entries.iter().rposition(|e| e.class() != Class::Free).map_or(0, |last| last as u32 + 1);
    for index in 0..*fresh {
        let flow = FlowRef::new(index, Direction::Forward);
        let entry = table.entry_mut(flow);
        let state = sound(entry, now);
        // Slot numbers and epochs were the other process's; checking against the service restores them.
        (entry.slot, entry.epoch, entry.fib_epoch) = (NO_SLOT, 0, 0);
        (entry.wheel, entry.next, entry.previous, entry.class) = (0, 0, 0, Class::Free as u8);
        let known = state.is_some()
            && (table.find(&table.tuple(flow, Direction::Forward)).is_some()
                || table.find(&table.tuple(flow, Direction::Reverse)).is_some());
        if state.is_some() && !known {
            table.recompute(flow);
        }
        let entered = !known && state.is_some_and(|state| table.link(flow, state));
        if !entered {
            let (entries, free, _, _) = table.entries_mut();
            entries[index as usize] = Entry { next: *free, ..Entry::default() };
            *free = index + 1;
        }
    }
}

/// The entry's state, where the entry can be a flow at all.
fn sound(entry: &Entry, now: u32) -> Option<State> {
    // Time goes on across processes of one boot; an entry from the future is damage.
    let plausible = entry.class() != Class::Free
        && matches!(entry.protocol, 6 | 17 | 132)
        && entry.last_seen <= now
        && entry.ports.iter().all(|&ports| ports >> 16 != 0 && ports & 0xFFFF != 0);
    let state = State::from_byte(entry.state).filter(|_| plausible)?;
    (state.class() == entry.class()).then_some(state)
}

#[cfg(test)]
mod tests {
    use super::super::hash::HashKeys;
    use super::super::table::{FlowStorage, NewFlow};
    use super::*;
    use crate::{Now, Tuple};

    fn flow(n: u16, v6: bool) -> NewFlow {
        let ip = |last: u16| -> std::net::IpAddr {
            if v6 { format!("fd00::{last:x}") } else { format!("10.0.0.{last}") }.parse().unwrap()
        };
        NewFlow {
            forward: Tuple { src: ip(1), dst: ip(2), sport: 1000 + n, dport: 80, protocol: 6 },
            reverse: Tuple { src: ip(4), dst: ip(3), sport: 8080, dport: 2000 + n, protocol: 6 },
            entry: Entry { state: State::SynSent as u8, ..Entry::default() },
        }
    }

    fn open(directory: &std::path::Path, now: Now) -> FlowTable {
        let storage = FlowStorage::file(directory, 0, 1, 64).unwrap();
        FlowTable::new(storage, HashKeys::new([9; 32]), Default::default(), now).unwrap()
    }

    #[test]
    fn flows_survive_the_process_and_damage_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let mut table = open(directory.path(), Now(1_000_000));
        for n in 0..10 {
            let made = table.insert(flow(n, n % 2 == 1), Now(1_000_000)).unwrap();
            table.set_state(made, State::Established);
        }
        let gone = table.find(&flow(4, false).forward).unwrap();
        table.remove(gone);
        let damaged = table.find(&flow(6, false).forward).unwrap();
        table.entry_mut(damaged).state = 200;
        let torn = table.find(&flow(8, false).forward).unwrap();
        table.entry_mut(torn).ports[1] = 0;
        drop(table);

        let mut table = open(directory.path(), Now(1_002_000));
        assert_eq!(table.stats().established, 7);
        for n in [0, 1, 2, 3, 5, 7, 9] {
            let found = table.find(&flow(n, n % 2 == 1).reverse).unwrap();
            assert_eq!(found.direction(), Direction::Reverse);
            assert_eq!(table.tuple(found, Direction::Forward), flow(n, n % 2 == 1).forward);
        }
        for n in [4, 6, 8] {
            assert!(table.find(&flow(n, false).forward).is_none());
            table.insert(flow(n, false), Now(1_002_000)).unwrap();
        }
        for n in 10..64 {
            table.insert(flow(n, false), Now(1_002_000)).ok();
        }
        assert!(table.stats().used() >= 10);
    }

    #[test]
    fn a_file_of_another_boot_is_of_the_future_and_ignored() {
        let directory = tempfile::tempdir().unwrap();
        open(directory.path(), Now(9_000_000)).insert(flow(0, false), Now(9_000_000)).unwrap();
        assert_eq!(open(directory.path(), Now(1_000)).stats().used(), 0);
    }
}
