//! The thread that follows Linux: a dump at the start, notifications after it, a dump again where they do not suffice.

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::LinkMessage;
use netlink_packet_route::neighbour::NeighbourMessage;
use netlink_packet_route::route::RouteMessage;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use sluice_engine::PortId;
use sluice_engine::snapshot::FibChange;

use super::mirror::{Mirror, MirroredPort, Outcome};
use super::socket::{NetlinkError, Socket};
use crate::stop::Stop;

/// `RTMGRP_LINK | RTMGRP_NEIGH | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE`.
const GROUPS: u32 = 0x1 | 0x4 | 0x10 | 0x40 | 0x100 | 0x400;
/// Least time between two dumps; the second of a burst of reasons waits, the first does not.
const RESYNC_PAUSE: Duration = Duration::from_millis(100);
/// How long notifications that an overrun made worthless may be read, before other work has its turn.
const DRAIN_TIME: Duration = Duration::from_millis(500);
/// How long a failing socket is left alone.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);
/// Dumps may take this part of the thread's time: a large table is read less often.
const RESYNC_SHARE: u32 = 10;
/// How often the thread looks whether it should end.
const TICK: Duration = Duration::from_millis(200);

/// Who is told what Linux says.
pub trait Listener {
    /// Changes for the engine's tables, in order.
    fn changed(&mut self, changes: Vec<FibChange>);
    /// Neighbours to be checked, since Linux last heard from them a while ago.
    fn stale(&mut self, neighbors: Vec<(PortId, IpAddr)>);
    /// The gateways of all routes, which should be kept resolved; told when they change.
    fn gateways(&mut self, gateways: HashSet<(PortId, IpAddr)>);
}

/// Follows Linux on behalf of a listener.
#[derive(Debug)]
pub struct Monitor<L> {
    notifications: Socket,
    requests: Socket,
    mirror: Mirror,
    listener: L,
    gateways: HashSet<(PortId, IpAddr)>,
    /// When the next dump may be made, and whether one is wanted.
    next_dump: Instant,
    wanted: bool,
    /// Notifications were lost, and more may be until the socket's queue has been empty.
    overrun: bool,
}

impl<L: Listener> Monitor<L> {
    /// Subscribes, reads everything once and tells the listener, so that it is complete when this returns.
    ///
    /// # Errors
    /// Those of the sockets.
    pub fn start(ports: Vec<MirroredPort>, listener: L) -> Result<Self, NetlinkError> {
        let mut monitor = Self {
            // Subscribed before the dump, so that nothing falls between.
            notifications: Socket::route(GROUPS)?,
            requests: Socket::route(0)?,
            mirror: Mirror::new(ports),
            listener,
            gateways: HashSet::new(),
            next_dump: Instant::now(),
            wanted: false,
            overrun: false,
        };
        monitor.listener.changed(monitor.mirror.ports());
        monitor.resync()?;
        Ok(monitor)
    }

    /// Follows until told to stop. Errors are logged and followed by a new dump: there is nothing better to do.
    pub fn run(mut self, stop: &Stop) {
        while !stop.is_set() {
            if let Err(error) = self.step(TICK)
                && !matches!(error, NetlinkError::Overrun)
            {
                tracing::warn!(%error, "following Linux's addresses, routes and neighbours");
                stop.wait(FAILURE_PAUSE);
            }
        }
    }

    /// Waits up to `timeout` for notifications and takes in what came.
    ///
    /// # Errors
    /// Those of the sockets; a new dump is then due.
    pub fn step(&mut self, timeout: Duration) -> Result<(), NetlinkError> {
        let result = self.try_step(timeout);
        if let Err(error) = &result {
            self.overrun |= matches!(error, NetlinkError::Overrun);
            self.wanted = true;
        }
        result
    }

    fn try_step(&mut self, timeout: Duration) -> Result<(), NetlinkError> {
        let now = Instant::now();
        if self.wanted && now >= self.next_dump {
            self.resync()?;
        }
        let timeout =
            if self.wanted { timeout.min(self.next_dump.saturating_duration_since(now)) } else { timeout };
        let mut outcome = Outcome::default();
        let mirror = &mut self.mirror;
        let received = self.notifications.notifications(timeout, |message| {
            let one = mirror.apply(&message);
            outcome.changes.extend(one.changes);
            outcome.stale.extend(one.stale);
            outcome.resync |= one.resync;
        });
        // What was understood before an overrun still counts.
        self.tell(outcome);
        received.map(drop)
    }

    fn resync(&mut self) -> Result<(), NetlinkError> {
        let started = Instant::now();
        if self.overrun && !self.notifications.drain(DRAIN_TIME)? {
            return Ok(());
        }
        self.overrun = false;
        self.wanted = false;
        let mut all =
            self.requests.dump(RouteNetlinkMessage::GetLink(LinkMessage::default()), "list interfaces")?;
        let addresses = RouteNetlinkMessage::GetAddress(AddressMessage::default());
        all.extend(self.requests.dump(addresses, "list addresses")?);
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut routes = RouteMessage::default();
            routes.header.address_family = family;
            all.extend(self.requests.dump(RouteNetlinkMessage::GetRoute(routes), "list routes")?);
            let mut neighbors = NeighbourMessage::default();
            neighbors.header.family = family;
            all.extend(self.requests.dump(RouteNetlinkMessage::GetNeighbour(neighbors), "list neighbours")?);
        }
        let outcome = self.mirror.reconcile(&all);
        self.tell(outcome);
        self.next_dump = Instant::now() + RESYNC_PAUSE.max(started.elapsed() * RESYNC_SHARE);
        Ok(())
    }

    fn tell(&mut self, outcome: Outcome) {
        self.wanted |= outcome.resync;
        let routes =
            outcome.changes.iter().any(|c| matches!(c, FibChange::Route(_) | FibChange::RouteGone(_)));
        if !outcome.changes.is_empty() {
            self.listener.changed(outcome.changes);
        }
        if !outcome.stale.is_empty() {
            self.listener.stale(outcome.stale);
        }
        if routes {
            let gateways = self.mirror.gateways();
            if gateways != self.gateways {
                self.gateways.clone_from(&gateways);
                self.listener.gateways(gateways);
            }
        }
    }
}
