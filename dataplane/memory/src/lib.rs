//! Large tables on mapped memory, and prefetching: the two things the engine needs that safe Rust cannot say.
//!
//! # Why this crate may use `unsafe`
//!
//! * **Prefetch.** A burst is worked in passes so that memory latency overlaps; without a prefetch instruction a
//!   flow table larger than the cache costs one full miss per packet. `core::arch` offers it as `unsafe` only.
//! * **Flow tables that survive a restart.** They lie in a shared file mapping, which has to be seen as a slice of
//!   entries. A mapping is `unsafe` in Rust because another process could change or shorten the file; the module
//!   [`storage`] says what is done about both.
//! * **Lazily zeroed tables.** `vec![T::zeroed(); n]` writes every page of a table sized for the worst case;
//!   an anonymous mapping costs only what is touched, and can be advised onto huge pages.
//!
//! The element types need no `unsafe`: [`Pod`] is a name for `zerocopy` traits whose derives check the layout and
//! compile under `#![forbid(unsafe_code)]`. A crate that does not itself depend on `zerocopy` writes:
//!
//! ```
//! #![forbid(unsafe_code)]
//! use sluice_memory::{Storage, zerocopy};
//!
//! #[derive(Clone, Copy, zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)]
//! #[zerocopy(crate = "sluice_memory::zerocopy")]
//! #[repr(C)]
//! struct Entry {
//!     hash: u32,
//!     age: u16,
//!     state: u16,
//!     packets: u64,
//! }
//!
//! let mut table = Storage::<Entry>::anonymous(1 << 20)?;
//! table[7].packets += 1;
//! # Ok::<(), sluice_memory::StorageError>(())
//! ```
//!
//! A struct with padding, a `bool`, an enum or a reference in it does not compile there:
//!
//! ```compile_fail,E0277
//! # use sluice_memory::zerocopy;
//! #[derive(Clone, Copy, zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable, zerocopy::KnownLayout)]
//! #[zerocopy(crate = "sluice_memory::zerocopy")]
//! #[repr(C)]
//! struct Padded {
//!     state: u8,
//!     packets: u64,
//! }
//! ```

pub mod backing;
pub mod pod;
pub mod prefetch;
pub mod storage;

mod file;

pub use backing::Backing;
pub use pod::Pod;
pub use prefetch::{prefetch_address, prefetch_read, prefetch_slice, prefetch_write};
pub use storage::{Origin, Storage, StorageError};
pub use zerocopy;
