//! How hard it is to find source ports, by service: what to raise an alarm on before connections fail.

use arrayvec::ArrayVec;

/// Tries beyond which a search was a hard one. Candidates are random, so with nine tenths of the ports towards an
/// endpoint taken one new flow in five needs more, with three quarters one in a hundred, with half hardly any.
pub const HARD: u32 = 16;
/// Service ports counted by themselves between two readings; those beyond are left out until the next.
const SLOTS: usize = 64;

/// What one service's new flows met with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scarcity {
    /// Found a source port after more than [`HARD`] tries.
    pub hard: u64,
    /// Found none, and were dropped.
    pub failed: u64,
}

/// The counts since they were last read.
#[derive(Debug, Default)]
pub struct Pressure {
    by_slot: ArrayVec<(u32, Scarcity), SLOTS>,
}

impl Pressure {
    /// A search for `slot` ended after so many tries, with a port or without.
    #[cold]
    pub(crate) fn count(&mut self, slot: u32, found: bool) {
        let known = self.by_slot.iter().position(|(known, _)| *known == slot);
        let at = known.or_else(|| {
            self.by_slot.try_push((slot, Scarcity::default())).ok()?;
            Some(self.by_slot.len() - 1)
        });
        if let Some((_, scarcity)) = at.and_then(|at| self.by_slot.get_mut(at)) {
            if found {
                scarcity.hard += 1;
            } else {
                scarcity.failed += 1;
            }
        }
    }

    /// Slots of service ports and what their flows met with; nearly always none.
    pub fn counts(&self) -> &[(u32, Scarcity)] {
        &self.by_slot
    }

    /// Begins anew.
    pub fn clear(&mut self) {
        self.by_slot.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_counted_apart_and_their_number_is_bounded() {
        let mut pressure = Pressure::default();
        for slot in 0..1000 {
            pressure.count(slot, slot % 2 == 0);
            pressure.count(0, false);
        }
        assert_eq!(pressure.counts().len(), SLOTS);
        assert_eq!(pressure.counts()[0], (0, Scarcity { hard: 1, failed: 1000 }));
        assert_eq!(pressure.counts()[1], (1, Scarcity { hard: 0, failed: 1 }));
        pressure.clear();
        assert!(pressure.counts().is_empty());
    }
}
