//! The flow table of one lcore: entries, their index and their ageing.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sluice_memory::{Backing, Storage, StorageError, prefetch_read};
use sluice_model::Timeouts;

use super::entry::{Addresses6, Class, Direction, Entry, FLAG_V6, FlowRef, NO_SLOT};
use super::hash::HashKeys;
use super::index::Index;
use super::record::FlowRecord;
use super::state::State;
use super::wheel::{self, Wheel};
use crate::nat::rewrite::{deltas4, deltas6};
use crate::{Now, Tuple};

/// Milliseconds of a tick, the unit of [`Entry::last_seen`].
pub const TICK_MS: u64 = 64;

/// Flows an index can number.
pub const MAX_FLOWS: u32 = 1 << 30;

/// Ticks that the wheel reaches ahead.
const TURN: u32 = (wheel::SLOTS as u32 - 2) * wheel::TICKS_PER_SLOT;

/// An embryonic flow may not push out an established one that spoke within this many seconds.
const ESTABLISHED_IDLE_SECONDS: u32 = 60;

/// The memory of a flow table.
#[derive(Debug)]
pub struct FlowStorage {
    entries: Storage<Entry>,
    addresses6: Storage<Addresses6>,
}

impl FlowStorage {
    /// Room for `flows` flows that go with the process.
    ///
    /// # Errors
    /// Those of [`Storage::anonymous`].
    pub fn anonymous(flows: u32) -> Result<Self, StorageError> {
        Self::allocate(&Backing::Anonymous, 0, 1, flows)
    }

    /// Room for `flows` flows in files of `directory`, which a later process takes over. The flows of `lcore` of
    /// `lcores`: with another number of lcores they would belong to other lcores, so they are other files.
    ///
    /// # Errors
    /// Those of [`Storage::file`].
    pub fn file(directory: &Path, lcore: u16, lcores: u16, flows: u32) -> Result<Self, StorageError> {
        Self::allocate(&Backing::Directory(directory.to_owned()), lcore, lcores, flows)
    }

    fn allocate(backing: &Backing, lcore: u16, lcores: u16, flows: u32) -> Result<Self, StorageError> {
        let flows = flows.clamp(1, MAX_FLOWS) as usize;
        Ok(Self {
            entries: backing.allocate(&format!("flows-v1-{lcore}-of-{lcores}"), flows)?,
            addresses6: backing.allocate(&format!("flows6-v1-{lcore}-of-{lcores}"), flows)?,
        })
    }
}

/// How full a flow table is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowStats {
    /// Flows it can hold.
    pub capacity: u32,
    /// Flows with packets in one direction only.
    pub embryonic: u32,
    /// Datagrams both ways, and closing connections.
    pub transient: u32,
    /// Established connections.
    pub established: u32,
}

impl FlowStats {
    /// Flows it holds.
    pub fn used(&self) -> u32 {
        self.embryonic + self.transient + self.established
    }
}

/// Why a flow was not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InsertError {
    /// Another flow has the same addresses and ports in one direction.
    #[error("the tuple is taken")]
    Taken,
    /// Everything in the table may not be evicted for this one.
    #[error("the flow table is full")]
    Full,
}

/// What the maker of a flow decides about it.
#[derive(Clone, Copy, Debug)]
pub struct NewFlow {
    /// The client's packet as received.
    pub forward: Tuple,
    /// The backend's answer as it will be received.
    pub reverse: Tuple,
    /// Everything else; keys, links, class and times are the table's.
    pub entry: Entry,
}

/// The flow table.
#[derive(Debug)]
pub struct FlowTable {
    entries: Storage<Entry>,
    addresses6: Storage<Addresses6>,
    index: Index,
    wheel: Wheel,
    keys: HashKeys,
    /// First free entry that was used before, plus 1.
    free: u32,
    /// Entries from here on were never used.
    fresh: u32,
    counts: [u32; 4],
    timeouts: Timeouts,
    /// Flows pushed out since the counter was last read.
    evicted: u64,
}

impl FlowTable {
    /// A table on `storage`. Entries that are already there are taken over where they make sense, and dropped where
    /// they do not: the file may be of a process that was killed in the middle of a change.
    ///
    /// # Errors
    /// Those of [`Storage::anonymous`], for the index.
    pub fn new(
        storage: FlowStorage,
        keys: HashKeys,
        timeouts: Timeouts,
        now: Now,
    ) -> Result<Self, StorageError> {
        let FlowStorage { entries, addresses6 } = storage;
        let index = Index::new(entries.len() as u32)?;
        let mut table = Self {
            entries,
            addresses6,
            index,
            wheel: Wheel::new(tick(now)),
            keys,
            free: 0,
            fresh: 0,
            counts: [0; 4],
            timeouts,
            evicted: 0,
        };
        if table.entries.path().is_some() {
            super::takeover::take_over(&mut table, tick(now));
        } else {
            table.counts[0] = table.capacity();
        }
        Ok(table)
    }

    /// Sets the idle times that hold from now on.
    pub fn set_timeouts(&mut self, timeouts: Timeouts) {
        self.timeouts = timeouts;
    }

    /// Flows it can hold.
    pub fn capacity(&self) -> u32 {
        self.entries.len() as u32
    }

    /// How full it is.
    pub fn stats(&self) -> FlowStats {
        let [_, embryonic, transient, established] = self.counts;
        FlowStats { capacity: self.capacity(), embryonic, transient, established }
    }

    /// Bytes it may touch, for each flow it can hold.
    pub fn bytes_per_flow(&self) -> f64 {
        let tables = self.entries.len() * (size_of::<Entry>() + size_of::<Addresses6>());
        (tables + self.index.bytes()) as f64 / self.entries.len() as f64
    }

    /// Hash of an IPv4 packet.
    #[inline(always)]
    pub fn hash4(&self, addresses: u64, ports: u32, protocol: u8) -> u64 {
        self.keys.v4(addresses, ports, protocol)
    }

    /// Hash of an IPv6 packet.
    #[inline(always)]
    pub fn hash6(&self, src: u128, dst: u128, ports: u32, protocol: u8) -> u64 {
        self.keys.v6(src, dst, ports, protocol)
    }

    /// Starts loading what a lookup of `hash` reads first.
    #[inline(always)]
    pub fn prefetch_index(&self, hash: u64) {
        self.index.prefetch(hash);
    }

    /// The flow that a lookup of `hash` will probably find, its entry on the way into the cache. To be confirmed by
    /// [`FlowTable::is4`] or [`FlowTable::is6`].
    #[inline(always)]
    pub fn candidate(&self, hash: u64, v6: bool) -> Option<FlowRef> {
        let flow = self.index.candidate(hash)?;
        prefetch_read(&self.entries[flow.index()]);
        if v6 {
            prefetch_read(&self.addresses6[flow.index()]);
        }
        Some(flow)
    }

    /// Whether `flow` is that of an IPv4 packet.
    #[inline(always)]
    pub fn is4(&self, flow: FlowRef, addresses: u64, ports: u32, protocol: u8) -> bool {
        self.entry(flow).matches4(flow.direction(), addresses, ports, protocol)
    }

    /// Whether `flow` is that of an IPv6 packet.
    #[inline(always)]
    pub fn is6(&self, flow: FlowRef, src: u128, dst: u128, ports: u32, protocol: u8) -> bool {
        let (entry, d) = (self.entry(flow), flow.direction() as usize);
        self.addresses6(flow).addresses[d] == [src, dst]
            && entry.ports[d] == ports
            && entry.protocol == protocol
            && entry.is_v6()
    }

    /// The flow of an IPv4 packet.
    #[inline(never)]
    pub fn find4(&self, hash: u64, addresses: u64, ports: u32, protocol: u8) -> Option<FlowRef> {
        self.index.find(hash, |flow| self.is4(flow, addresses, ports, protocol))
    }

    /// The flow of an IPv6 packet.
    #[inline(never)]
    pub fn find6(&self, hash: u64, src: u128, dst: u128, ports: u32, protocol: u8) -> Option<FlowRef> {
        self.index.find(hash, |flow| self.is6(flow, src, dst, ports, protocol))
    }

    /// The flow of a packet with this tuple.
    pub fn find(&self, tuple: &Tuple) -> Option<FlowRef> {
        let ports = u32::from(tuple.sport) << 16 | u32::from(tuple.dport);
        match (tuple.src, tuple.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                let addresses = u64::from(src.to_bits()) << 32 | u64::from(dst.to_bits());
                self.find4(self.hash4(addresses, ports, tuple.protocol), addresses, ports, tuple.protocol)
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                let (src, dst) = (src.to_bits(), dst.to_bits());
                self.find6(self.hash6(src, dst, ports, tuple.protocol), src, dst, ports, tuple.protocol)
            }
            _ => None,
        }
    }

    /// An entry; one past the table's end reads as the last.
    #[inline(always)]
    pub fn entry(&self, flow: FlowRef) -> &Entry {
        &self.entries[flow.index()]
    }

    /// An entry, writable. Keys, class and links must stay as they are.
    #[inline(always)]
    pub fn entry_mut(&mut self, flow: FlowRef) -> &mut Entry {
        &mut self.entries[flow.index()]
    }

    /// IPv6 addresses of an entry.
    #[inline(always)]
    pub fn addresses6(&self, flow: FlowRef) -> &Addresses6 {
        &self.addresses6[flow.index()]
    }

    /// The tuple of packets as received in `direction`.
    pub fn tuple(&self, flow: FlowRef, direction: Direction) -> Tuple {
        let entry = self.entry(flow);
        let d = direction as usize;
        let (src, dst) = if entry.is_v6() {
            let [src, dst] = self.addresses6(flow).addresses[d];
            (IpAddr::from(src.to_be_bytes()), IpAddr::from(dst.to_be_bytes()))
        } else {
            let both = entry.addresses[d];
            (IpAddr::from(((both >> 32) as u32).to_be_bytes()), IpAddr::from((both as u32).to_be_bytes()))
        };
        let ports = entry.ports[d];
        Tuple { src, dst, sport: (ports >> 16) as u16, dport: ports as u16, protocol: entry.protocol }
    }

    /// Makes a flow, pushing out another one where there is no room.
    ///
    /// # Errors
    /// [`InsertError`], and nothing changed but for what was evicted.
    pub fn insert(&mut self, new: NewFlow, now: Now) -> Result<FlowRef, InsertError> {
        if self.find(&new.forward).is_some() || self.find(&new.reverse).is_some() {
            return Err(InsertError::Taken);
        }
        let index = self.make_room(tick(now)).ok_or(InsertError::Full)?;
        let flow = FlowRef::new(index, Direction::Forward);
        let mut entry = new.entry;
        entry.protocol = new.forward.protocol;
        entry.last_seen = tick(now);
        (entry.wheel, entry.next, entry.previous) = (0, 0, 0);
        entry.ports = [ports_of(&new.forward), ports_of(&new.reverse)];
        match (addresses4_of(&new.forward), addresses4_of(&new.reverse)) {
            (Some(forward), Some(reverse)) => {
                entry.flags &= !FLAG_V6;
                entry.addresses = [forward, reverse];
            }
            _ => {
                entry.flags |= FLAG_V6;
                entry.addresses = [0; 2];
                self.addresses6[index as usize].addresses =
                    [addresses6_of(&new.forward), addresses6_of(&new.reverse)];
            }
        }
        // Written last of all: until then the entry is free to whoever takes the table over.
        entry.class = Class::Free as u8;
        let state = State::from_byte(entry.state).unwrap_or(State::OneWay);
        self.entries[index as usize] = entry;
        if !self.link(flow, state) {
            self.entries[index as usize] = Entry { next: self.free, ..Entry::default() };
            self.free = index + 1;
            return Err(InsertError::Full);
        }
        Ok(flow)
    }

    /// Writes anew what follows from an entry's keys or is not known to this process: it may be damaged.
    pub(super) fn recompute(&mut self, flow: FlowRef) {
        let Entry { addresses, ports, .. } = *self.entry(flow);
        let (from, to) = (ports[0], ports[1].rotate_left(16));
        let deltas = if self.entry(flow).is_v6() {
            let [forward, [src, dst]] = self.addresses6(flow).addresses;
            deltas6(forward, from, [dst, src], to)
        } else {
            deltas4(addresses[0], from, addresses[1].rotate_left(32), to)
        };
        let entry = self.entry_mut(flow);
        (entry.l3_delta, entry.l4_delta) = (deltas.l3.to_bits(), deltas.l4.to_bits());
        entry.adjacency = [u16::MAX; 2];
    }

    /// Enters a free entry whose keys are set into index and wheel; false where the index has no room.
    pub(super) fn link(&mut self, flow: FlowRef, state: State) -> bool {
        let index = flow.index() as u32;
        let [forward, reverse] = [Direction::Forward, Direction::Reverse].map(|d| self.hash_of(flow, d));
        if self.index.insert(forward, FlowRef::new(index, Direction::Forward)).is_err() {
            return false;
        }
        if self.index.insert(reverse, FlowRef::new(index, Direction::Reverse)).is_err() {
            self.index.remove(forward, FlowRef::new(index, Direction::Forward));
            return false;
        }
        let class = state.class();
        let entry = &mut self.entries[index as usize];
        entry.class = class as u8;
        let deadline = entry.last_seen.saturating_add(ticks(state.timeout(&self.timeouts)));
        self.wheel.insert(&mut self.entries, index, class, deadline);
        self.counts[class as usize] += 1;
        self.counts[0] = self.counts[0].saturating_sub(1);
        true
    }

    /// Writes a new state into a flow; ageing follows.
    pub fn set_state(&mut self, flow: FlowRef, state: State) {
        let index = flow.index() as u32;
        let entry = &mut self.entries[flow.index()];
        let old = entry.class();
        if old == Class::Free || entry.state == state as u8 {
            return;
        }
        entry.state = state as u8;
        let class = state.class();
        entry.class = class as u8;
        let deadline = entry.last_seen.saturating_add(ticks(state.timeout(&self.timeouts)));
        self.wheel.unlink(&mut self.entries, index);
        self.wheel.insert(&mut self.entries, index, class, deadline);
        self.counts[old as usize] -= 1;
        self.counts[class as usize] += 1;
    }

    /// The flow whose packets from the backend look like this, if it is embryonic, and when its last packet came.
    pub fn embryonic_with(&self, reverse: &Tuple) -> Option<(u32, FlowRef)> {
        let flow = self.find(reverse)?;
        let entry = self.entry(flow);
        (entry.class() == Class::Embryonic).then_some((entry.last_seen, flow))
    }

    /// Pushes out a flow in favour of another.
    pub fn evict_flow(&mut self, flow: FlowRef) {
        self.remove(flow);
        self.evicted += 1;
    }

    /// Forgets a flow.
    pub fn remove(&mut self, flow: FlowRef) {
        let index = flow.index() as u32;
        let class = self.entries[flow.index()].class();
        if class == Class::Free {
            return;
        }
        for direction in [Direction::Forward, Direction::Reverse] {
            let hash = self.hash_of(flow, direction);
            self.index.remove(hash, FlowRef::new(index, direction));
        }
        self.wheel.unlink(&mut self.entries, index);
        self.counts[class as usize] -= 1;
        self.counts[0] += 1;
        self.entries[flow.index()] = Entry { next: self.free, ..Entry::default() };
        self.free = index + 1;
    }

    /// Lets up to `most` flows go whose time is over; how many went.
    pub fn expire(&mut self, now: Now, most: usize) -> u64 {
        let now = tick(now);
        let mut expired = 0;
        for _ in 0..most {
            let Some(index) = self.wheel.pop_due(&mut self.entries, now) else {
                break;
            };
            if self.deadline(index) <= now {
                self.remove(FlowRef::new(index, Direction::Forward));
                expired += 1;
            } else {
                self.put_back(index);
            }
        }
        expired
    }

    /// Flows evicted since the last call.
    pub fn take_evicted(&mut self) -> u64 {
        std::mem::take(&mut self.evicted)
    }

    /// Appends up to `most` flows from entry `from` on; the entry to go on from, if there is more.
    pub fn dump(&self, from: u32, most: usize, now: Now, out: &mut Vec<FlowRecord>) -> Option<u32> {
        let used = self.fresh.min(self.capacity());
        // Looking at an entry costs a cache miss, and packets wait meanwhile.
        let last = from.saturating_add((most as u32).saturating_mul(4)).min(used);
        for index in from..last {
            if out.len() >= most {
                return Some(index);
            }
            let flow = FlowRef::new(index, Direction::Forward);
            if self.entry(flow).class() != Class::Free {
                out.push(self.record(flow, now));
            }
        }
        (last < used).then_some(last)
    }

    fn record(&self, flow: FlowRef, now: Now) -> FlowRecord {
        let entry = self.entry(flow);
        let (forward, reverse) = (self.tuple(flow, Direction::Forward), self.tuple(flow, Direction::Reverse));
        FlowRecord {
            protocol: entry.protocol,
            client: SocketAddr::new(forward.src, forward.sport),
            frontend: SocketAddr::new(forward.dst, forward.dport),
            source: SocketAddr::new(reverse.dst, reverse.dport),
            backend: SocketAddr::new(reverse.src, reverse.sport),
            state: State::from_byte(entry.state).map_or_else(|| "unknown".into(), |s| format!("{s:?}")),
            idle_seconds: tick(now).saturating_sub(entry.last_seen) / TICKS_PER_SECOND,
            slot: (entry.slot != NO_SLOT).then_some(entry.slot),
        }
    }

    /// A free entry, made by eviction if need be.
    fn make_room(&mut self, now: u32) -> Option<u32> {
        // Every new flow starts embryonic, so that class alone can be flooded: it gets a quarter.
        if self.counts[Class::Embryonic as usize] >= (self.capacity() / 4).max(1) {
            self.evict(Class::Embryonic, now, 0);
        }
        if self.counts[0] == 0 {
            // A few handshakes need room to finish, however full the table is of what has finished its own.
            let floor = self.capacity() / 16;
            let _ = (self.counts[Class::Embryonic as usize] > floor && self.evict(Class::Embryonic, now, 0))
                || self.evict(Class::Transient, now, 0)
                || self.evict(Class::Embryonic, now, 0)
                || self.evict(Class::Established, now, ESTABLISHED_IDLE_SECONDS);
        }
        if let Some(index) = self.free.checked_sub(1) {
            self.free = self.entries[index as usize].next;
            self.entries[index as usize].next = 0;
            return Some(index);
        }
        (self.fresh < self.capacity()).then(|| {
            self.fresh += 1;
            self.fresh - 1
        })
    }

    /// Pushes out the flow of `class` that has been silent longest, as far as a few looks can tell, if that is at least
    /// `idle` seconds.
    fn evict(&mut self, class: Class, now: u32, idle: u32) -> bool {
        for _ in 0..16 {
            let Some((index, due)) = self.wheel.pop_oldest(&mut self.entries, class) else {
                return false;
            };
            let silent = now.saturating_sub(self.entries[index as usize].last_seen);
            // Packets came since it was put there, so its place in the queue is no longer true. Established flows wait
            // longer than the wheel's turn and say nothing by their place; embryonic ones go in order of arrival.
            // A deadline beyond the wheel's turn is always later than the place says.
            let deadline = self.deadline(index);
            let told_by_place = deadline.saturating_sub(now) < TURN;
            let moved = class == Class::Transient && told_by_place && deadline >= due;
            if silent < ticks(idle) || moved {
                self.put_back(index);
                continue;
            }
            self.remove(FlowRef::new(index, Direction::Forward));
            self.evicted += 1;
            return true;
        }
        false
    }

    fn put_back(&mut self, index: u32) {
        let deadline = self.deadline(index);
        let class = self.entries[index as usize].class();
        self.wheel.insert(&mut self.entries, index, class, deadline);
    }

    fn deadline(&self, index: u32) -> u32 {
        let entry = &self.entries[index as usize];
        let timeout = State::from_byte(entry.state).map_or(0, |s| s.timeout(&self.timeouts));
        entry.last_seen.saturating_add(ticks(timeout))
    }

    fn hash_of(&self, flow: FlowRef, direction: Direction) -> u64 {
        let (entry, d) = (self.entry(flow), direction as usize);
        if entry.is_v6() {
            let [src, dst] = self.addresses6(flow).addresses[d];
            self.hash6(src, dst, entry.ports[d], entry.protocol)
        } else {
            self.hash4(entry.addresses[d], entry.ports[d], entry.protocol)
        }
    }

    pub(super) fn entries_mut(&mut self) -> (&mut [Entry], &mut u32, &mut u32, &mut [u32; 4]) {
        (&mut self.entries, &mut self.free, &mut self.fresh, &mut self.counts)
    }
}

/// Ticks of a second, rounded down: timeouts err to the long side by at most a 40th.
const TICKS_PER_SECOND: u32 = 1000 / TICK_MS as u32;

/// Tick of a point in time. Wraps after eight years without a reboot.
#[inline(always)]
pub fn tick(now: Now) -> u32 {
    (now.0 / TICK_MS) as u32
}

fn ticks(seconds: u32) -> u32 {
    seconds.saturating_mul(1000 / 8) / (TICK_MS as u32 / 8)
}

fn ports_of(tuple: &Tuple) -> u32 {
    u32::from(tuple.sport) << 16 | u32::from(tuple.dport)
}

fn addresses4_of(tuple: &Tuple) -> Option<u64> {
    match (tuple.src, tuple.dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => Some(u64::from(src.to_bits()) << 32 | u64::from(dst.to_bits())),
        _ => None,
    }
}

fn addresses6_of(tuple: &Tuple) -> [u128; 2] {
    [tuple.src, tuple.dst].map(|ip| match ip {
        IpAddr::V4(ip) => u128::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.to_bits(),
    })
}
