//! DPDK, safely: the environment (EAL), packet pools, packet buffers, ports and their queues, lcores and hand-over rings.
//!
//! ```no_run
//! use arrayvec::ArrayVec;
//! use sluice_dpdk::{Eal, EalOptions, HugePages, Mempool, Port, PortOptions};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let eal = Eal::init(EalOptions::new().huge_pages(HugePages::Auto).memory_mib(256))?;
//! eal.attach(&"net_null0".parse()?)?;
//! let pool = Mempool::builder("packets").capacity(8191).build(&eal)?;
//! let (port, mut rx, mut tx) = Port::open(&eal, "net_null0", &PortOptions::new(1, 1), &pool)?;
//! let mut burst: ArrayVec<_, 64> = ArrayVec::new();
//! rx[0].receive(&mut burst);
//! tx[0].transmit(&mut burst);
//! // What the driver did not take is still in `burst`.
//! # drop(port);
//! # Ok(())
//! # }
//! ```
//!
//! # Who owns what
//!
//! Every handle keeps alive what it needs: queues their port, ports their pools, all of them the EAL. An [`Mbuf`] is one
//! pointer and keeps nothing alive by count; instead a pool's memory is given back only once every one of its buffers
//! has come home, and EAL is shut down only once every pool has been given back. So handles and packets may be dropped in
//! any order, on any thread.
//!
//! # What DPDK's drivers do that one should know
//!
//! * `net_tap` asks the kernel at every poll (a system call, up to 1 µs, also when nothing waits): poll it in turn with busier queues.
//! * `net_af_xdp` forgets the packets in its rings (about 2,000) when it is closed. Their pool then never becomes whole, so
//!   its memory, and with it EAL, stays until the process ends.
//! * Closing `net_af_packet` and `net_af_xdp` ports sets their interface down.
//! * A port is gone once closed; attach its device again to reopen it.
//!
//! # Why `unsafe` is allowed here
//!
//! DPDK is a C library whose packets are raw pointers into memory it maps. This crate is the only place that turns them
//! into Rust values; what it exports is safe. Each block says why it is sound.

mod asserts;
mod device;
mod eal;
mod errno;
mod lcore;
mod mbuf;
mod mempool;
mod offload;
mod packet;
mod port;
mod quiesce;
mod ring;
mod tsc;

pub use device::{DeviceError, DeviceSpec};
pub use eal::{AttachError, Eal, EalError, EalOptions, HugePages, IovaMode, LogLevel};
pub use errno::Errno;
pub use lcore::{Lcore, LcoreError};
pub use mbuf::Mbuf;
pub use mempool::{Mempool, MempoolBuilder, MempoolError};
pub use offload::{Checksum, L4Checksum, TxChecksums};
pub use port::{
    Link, Offloads, Port, PortError, PortInfo, PortOptions, PortStats, PortStep, Rss, RssFunctions,
    RssOptions, RxQueue, TxQueue, Xstat,
};
pub use ring::{RingError, RingReceiver, RingSender, ring};
pub use tsc::{tsc, tsc_hz};

/// The DPDK release that this program was built with, for example `DPDK 22.11.11`; the running library says it itself.
pub fn version() -> &'static str {
    // SAFETY: rte_version returns a pointer to a static NUL-terminated string and needs no initialisation.
    let text = unsafe { std::ffi::CStr::from_ptr(dpdk_sys::rte_version()) };
    text.to_str().unwrap_or("DPDK")
}
