//! Source ports of full NAT.

use sluice_model::PortRange;

/// Ports tried before a new flow is refused. With 90 % of all ports towards an endpoint taken, one in a thousand new
/// flows finds none.
pub const TRIES: u32 = 64;

/// The ports one lcore may take: those of the range that are congruent to its number, so that the port alone says
/// which lcore a reply belongs to.
#[derive(Clone, Copy, Debug)]
pub struct PortShare {
    first: u32,
    count: u32,
    lcores: u32,
}

impl PortShare {
    /// The share of `lcore` of `lcores`.
    pub fn new(range: PortRange, lcore: u16, lcores: u16) -> Self {
        let (lcore, lcores) = (u32::from(lcore), u32::from(lcores.max(1)));
        let low = u32::from(range.first());
        let first = low + (lcore + lcores - low % lcores) % lcores;
        let count = (u32::from(range.last()) + 1).saturating_sub(first).div_ceil(lcores);
        Self { first, count, lcores }
    }

    /// The lcore whose share `port` is in.
    #[inline]
    pub fn owner(port: u16, lcores: u16) -> u16 {
        port % lcores.max(1)
    }

    /// How many ports there are.
    pub fn count(self) -> u32 {
        self.count
    }

    /// The candidate of try number `attempt` for a flow with this hash; `None` where the share is empty. Candidates of
    /// one flow are spread over the whole share, so that a crowded stretch does not stop it.
    #[inline]
    pub fn candidate(self, hash: u64, attempt: u32) -> Option<u16> {
        if self.count == 0 {
            return None;
        }
        // Weyl sequence: the golden ratio spreads successive values over 64 bits as evenly as can be.
        let spread = hash.wrapping_add(u64::from(attempt).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let nth = ((u128::from(spread) * u128::from(self.count)) >> 64) as u32;
        u16::try_from(self.first + nth * self.lcores).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn shares_are_disjoint_and_cover_the_range(first in 1_u16.., span in 0_u16..300, lcores in 1_u16..9) {
            let last = first.saturating_add(span);
            let range = PortRange::new(first, last).unwrap();
            let total: u32 = (0..lcores).map(|l| PortShare::new(range, l, lcores).count()).sum();
            prop_assert_eq!(total, range.count());
            for lcore in 0..lcores {
                let share = PortShare::new(range, lcore, lcores);
                for attempt in 0..TRIES {
                    if let Some(port) = share.candidate(0x1234_5678_9ABC_DEF0, attempt) {
                        prop_assert!(range.contains(port));
                        prop_assert_eq!(PortShare::owner(port, lcores), lcore);
                    }
                }
            }
        }
    }

    #[test]
    fn candidates_differ() {
        let share = PortShare::new(PortRange::default(), 0, 1);
        let mut seen: Vec<_> = (0..TRIES).filter_map(|a| share.candidate(42, a)).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), TRIES as usize);
    }
}
