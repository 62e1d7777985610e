//! Making Linux deaf on an interface whose frames we read by `AF_PACKET` or `AF_XDP`.
//!
//! With `AF_PACKET` the kernel's own stack gets a copy of every frame. It would answer for our addresses a second time,
//! reset the connections that we translate to them, and, where it forwards, send every packet twice. A chain on the
//! ingress hook of the `netdev` family whose policy is to drop comes after the packet socket and before the stack.
//! Frames that Linux sends on the interface are not touched.
//!
//! The table stays when the process is killed, so that Linux does not reset connections before the next one starts; it
//! goes with a clean stop, and each chain goes with its interface.

use crate::netlink::raw::{Attributes, Builder};
use crate::netlink::socket::{NetlinkError, Socket};

/// `NFNL_MSG_BATCH_BEGIN` and `NFNL_MSG_BATCH_END` (linux/netfilter/nfnetlink.h).
const BATCH: [u16; 2] = [0x10, 0x11];
/// `NFNL_SUBSYS_NFTABLES`, the high byte of a message's type.
const NFTABLES: u16 = 10 << 8;
/// Message types (linux/netfilter/nf_tables.h).
const NEW_TABLE: u16 = NFTABLES;
const DELETE_TABLE: u16 = NFTABLES | 2;
const NEW_CHAIN: u16 = NFTABLES | 3;
/// `NFPROTO_NETDEV`.
const NETDEV: u8 = 5;
/// `NLM_F_REQUEST`, `NLM_F_ACK`, `NLM_F_CREATE`.
const REQUEST: u16 = 1;
const ACK: u16 = 4;
const CREATE: u16 = 0x400;

/// Dropped at the ingress of some interfaces, for as long as this value lives or longer (see the module).
#[derive(Debug)]
pub struct IngressDrop {
    socket: Socket,
    table: String,
}

impl IngressDrop {
    /// Makes Linux deaf on these interfaces; `name` tells this gateway's table from others'.
    ///
    /// # Errors
    /// The kernel's refusal, also where it has no nftables.
    pub fn new(name: &str, interfaces: &[&str]) -> Result<Self, NetlinkError> {
        let mut deaf = Self { socket: Socket::netfilter()?, table: name.replace('-', "_") };
        deaf.remove()?;
        let mut batch = begin();
        batch.message(NEW_TABLE, REQUEST | CREATE, 2, &family(NETDEV), |a| a.string(1, &deaf.table));
        for (sequence, interface) in (3..).zip(interfaces) {
            let last = sequence as usize == interfaces.len() + 2;
            let ack = if last { ACK } else { 0 };
            batch.message(NEW_CHAIN, REQUEST | CREATE | ack, sequence, &family(NETDEV), |a| {
                chain(a, &deaf.table, interface);
            });
        }
        let what = format!("drop what Linux receives on {}", interfaces.join(", "));
        let last = interfaces.len() as u32 + 2;
        deaf.socket.request_raw(&end(batch, last + 1), last, &what)?;
        Ok(deaf)
    }

    fn remove(&mut self) -> Result<(), NetlinkError> {
        let mut batch = begin();
        batch.message(DELETE_TABLE, REQUEST | ACK, 2, &family(NETDEV), |a| a.string(1, &self.table));
        match self.socket.request_raw(&end(batch, 3), 2, "remove the former ingress table") {
            Err(NetlinkError::Refused { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                Ok(())
            }
            other => other,
        }
    }
}

impl Drop for IngressDrop {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            tracing::warn!(%error, table = self.table, "the ingress table stays");
        }
    }
}

/// `struct nfgenmsg` with its family.
fn family(family: u8) -> [u8; 4] {
    [family, 0, 0, 0]
}

fn begin() -> Builder {
    let mut batch = Builder::default();
    let [begin, _] = BATCH;
    // The subsystem, in network byte order, where single messages have nothing.
    batch.message(begin, REQUEST, 1, &[0, 0, 0, 10], |_| {});
    batch
}

fn end(mut batch: Builder, sequence: u32) -> Vec<u8> {
    let [_, end] = BATCH;
    batch.message(end, REQUEST, sequence, &[0, 0, 0, 10], |_| {});
    batch.into_bytes()
}

/// `NFTA_CHAIN_*`: table, name, hook, policy, type.
fn chain(attributes: &mut Attributes<'_>, table: &str, interface: &str) {
    attributes.string(1, table);
    attributes.string(3, interface);
    // NFTA_HOOK_*: NF_NETDEV_INGRESS, a priority before any other chain's, the device.
    attributes.nested(4, |hook| {
        hook.u32_be(1, 0);
        hook.bytes(2, &(-500_i32).to_be_bytes());
        hook.string(3, interface);
    });
    attributes.u32_be(5, 0);
    attributes.string(7, "filter");
}
