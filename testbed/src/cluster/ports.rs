//! Ports that nobody else has.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

use super::ClusterError;
use super::options::Options;

/// The ports of one cluster. It keeps them over restarts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ports {
    pub(super) etcd: u16,
    pub(super) etcd_peer: u16,
    pub(super) api: u16,
}

impl Ports {
    /// Three ports that are free now.
    pub(super) fn free(options: &Options) -> Result<Self, ClusterError> {
        let address = options.address;
        let search =
            move || Some(Self { etcd: free(address)?, etcd_peer: free(address)?, api: free(address)? });
        let found = match &options.namespace {
            Some(namespace) => namespace.enter(search),
            None => search(),
        };
        found.ok_or(ClusterError::NoPort(address))
    }
}

/// Below the range the kernel takes the near ends of connections from (32768 and up), so that none takes a port while its
/// server is being restarted, and below node ports. Every process starts somewhere else in it.
fn free(address: Ipv4Addr) -> Option<u16> {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 10_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // 61 is prime to the count: neighbouring process ids end up well apart.
    let start = (std::process::id() % u32::from(COUNT)) * 61;
    (0..COUNT).find_map(|_| {
        let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = FIRST + u16::try_from((start + step) % u32::from(COUNT)).ok()?;
        let loopback = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        (loopback && TcpListener::bind((address, port)).is_ok()).then_some(port)
    })
}
