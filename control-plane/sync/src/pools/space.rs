//! The pools' addresses: which pool one belongs to, who may have it, and the lowest one that is free.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sluice_config::AddressPool;
use sluice_model::ServiceName;

use super::runs::Runs;
use super::{Refusal, Wish};

/// All pools. Memory goes with the addresses that are taken, not with those there are.
#[derive(Debug, Default)]
pub(super) struct Space {
    pools: Vec<Pool>,
    /// Pools in the order in which they are tried: those that choose their Services first, for they are there for them.
    order: Vec<usize>,
    by_name: BTreeMap<Box<str>, usize>,
    /// First address of each range, to its pool and the range's place there.
    by_first: BTreeMap<IpAddr, (usize, usize)>,
    taken: [Runs; 2],
}

#[derive(Debug)]
struct Pool {
    pool: AddressPool,
    /// How many addresses of each range are taken.
    taken: Vec<u128>,
    /// Ranges with free addresses, by family.
    open: [BTreeSet<usize>; 2],
    /// Whether it has any addresses, by family.
    has: [bool; 2],
}

impl Space {
    pub(super) fn new(pools: &[AddressPool]) -> Self {
        let mut space = Self::default();
        for (index, pool) in pools.iter().enumerate() {
            let mut open = [BTreeSet::new(), BTreeSet::new()];
            for (place, (first, _)) in pool.ranges.iter().enumerate() {
                open[usize::from(first.is_ipv6())].insert(place);
                space.by_first.insert(*first, (index, place));
            }
            space.by_name.entry(pool.name.clone()).or_insert(index);
            let has = [!open[0].is_empty(), !open[1].is_empty()];
            space.pools.push(Pool { pool: pool.clone(), taken: vec![0; pool.ranges.len()], open, has });
        }
        space.order = (0..pools.len()).collect();
        let chooses = |p: &AddressPool| !p.namespaces.is_empty() || !p.labels.is_empty();
        space.order.sort_by_key(|&index| !pools.get(index).is_some_and(chooses));
        space
    }

    pub(super) fn named(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    pub(super) fn name(&self, pool: usize) -> Box<str> {
        self.pools.get(pool).map_or_else(Box::default, |p| p.pool.name.clone())
    }

    /// The pool that an address belongs to.
    pub(super) fn pool_of(&self, address: IpAddr) -> Option<usize> {
        self.place(address).map(|(pool, _)| pool)
    }

    /// Whether a Service may have addresses of this pool.
    pub(super) fn permits(&self, pool: usize, name: &ServiceName, wish: &Wish) -> Result<(), Refusal> {
        let Some(Pool { pool, .. }) = self.pools.get(pool) else { return Ok(()) };
        if !pool.namespaces.is_empty() && !pool.namespaces.contains(&name.namespace) {
            return Err(Refusal::NamespaceNotAllowed {
                pool: pool.name.clone(),
                namespace: name.namespace.clone(),
            });
        }
        match pool.labels.iter().find(|(key, value)| wish.labels.get(*key) != Some(value)) {
            Some((key, value)) => {
                Err(Refusal::LabelMissing { pool: pool.name.clone(), label: format!("{key}={value}").into() })
            }
            None => Ok(()),
        }
    }

    /// Pools that give this Service addresses of this family without being asked, the first to try first.
    pub(super) fn automatic(&self, v6: bool, name: &ServiceName, wish: &Wish) -> Vec<usize> {
        let suits = |&index: &usize| {
            self.pools.get(index).is_some_and(|p| p.pool.automatic)
                && self.has(index, v6)
                && self.permits(index, name, wish).is_ok()
        };
        self.order.iter().copied().filter(suits).collect()
    }

    /// Whether a pool has addresses of this family, free or not.
    pub(super) fn has(&self, pool: usize, v6: bool) -> bool {
        self.pools.get(pool).is_some_and(|p| p.has[usize::from(v6)])
    }

    /// Whether a pool has free addresses of this family.
    pub(super) fn has_free(&self, pool: usize, v6: bool) -> bool {
        self.pools.get(pool).is_some_and(|p| !p.open[usize::from(v6)].is_empty())
    }

    /// The lowest free address of this family in a pool.
    pub(super) fn lowest_free(&self, pool: usize, v6: bool) -> Option<IpAddr> {
        let pool = self.pools.get(pool)?;
        let place = pool.open[usize::from(v6)].first()?;
        let &(first, last) = pool.pool.ranges.get(*place)?;
        let number = self.taken[usize::from(v6)].lowest_missing(number(first), number(last))?;
        Some(if v6 {
            Ipv6Addr::from_bits(number).into()
        } else {
            Ipv4Addr::from_bits(u32::try_from(number).ok()?).into()
        })
    }

    /// Takes a free address.
    pub(super) fn take(&mut self, address: IpAddr) {
        self.taken[usize::from(address.is_ipv6())].insert(number(address));
        self.count(address, |taken| taken.saturating_add(1));
    }

    /// Gives a taken address back.
    pub(super) fn free(&mut self, address: IpAddr) {
        self.taken[usize::from(address.is_ipv6())].remove(number(address));
        self.count(address, |taken| taken.saturating_sub(1));
    }

    fn count(&mut self, address: IpAddr, change: impl FnOnce(u128) -> u128) {
        let Some((pool, place)) = self.place(address) else { return };
        let Some(pool) = self.pools.get_mut(pool) else { return };
        let (Some(taken), Some(&(first, last))) = (pool.taken.get_mut(place), pool.pool.ranges.get(place))
        else {
            return;
        };
        *taken = change(*taken);
        let open = &mut pool.open[usize::from(address.is_ipv6())];
        // One less than there are, so that a range of all numbers counts too.
        if *taken > number(last) - number(first) {
            open.remove(&place);
        } else {
            open.insert(place);
        }
    }

    fn place(&self, address: IpAddr) -> Option<(usize, usize)> {
        let (_, &(pool, place)) = self.by_first.range(..=address).next_back()?;
        let &(_, last) = self.pools.get(pool)?.pool.ranges.get(place)?;
        // All IPv4 addresses sort before all of IPv6.
        (address <= last).then_some((pool, place))
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_bits().into(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}
