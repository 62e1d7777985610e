//! Raw bindings to the system's DPDK, 22.11 (Debian 12) and 24.11 (Debian 13).
//!
//! Only what `sluice-dpdk` calls is here: `build.rs` holds the list, and `csrc/shim.h` the static inlines of the packet
//! path, macros as typed constants (`SLUICE_*`) and the structures whose layout differs between the two versions.
//! Nothing in this crate is safe to call; use `sluice-dpdk`. DPDK's own documentation speaks for each `rte_*` name.
//!
//! How to link statically, and what to install, is in the crate's README.

mod bindings {
    // Generated text: its names are C's and its documentation is DPDK's.
    #![allow(
        missing_docs,
        non_camel_case_types,
        non_snake_case,
        non_upper_case_globals,
        dead_code,
        unsafe_op_in_unsafe_fn,
        rust_2018_idioms,
        clippy::all,
        clippy::undocumented_unsafe_blocks
    )]
    include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
}

pub use bindings::*;

const _: () = {
    // One mbuf header is two cache lines; the per-packet accessors of `sluice-dpdk` rest on these places, and
    // `csrc/shim.c` asserts that they are those of `struct rte_mbuf`.
    assert!(size_of::<sluice_mbuf>() == 128);
    assert!(std::mem::offset_of!(sluice_mbuf, data_off) == 16);
    assert!(std::mem::offset_of!(sluice_mbuf, ol_flags) == 24);
    assert!(std::mem::offset_of!(sluice_mbuf, pkt_len) == 36);
    assert!(std::mem::offset_of!(sluice_mbuf, data_len) == 40);
    assert!(std::mem::offset_of!(sluice_mbuf, next) == 64);
};
