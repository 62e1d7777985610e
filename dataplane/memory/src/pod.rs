//! What may lie in a mapping.

use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Plain data: `Copy`, every bit pattern is a value, no padding, no interior mutability, no borrow.
///
/// Implemented for whatever derives the three `zerocopy` traits, which prove it at compile time, for the integers and
/// for arrays of them. Any-bit-pattern is what makes a file that somebody damaged merely wrong and not undefined
/// behaviour; no padding keeps uninitialised bytes of the process out of the file.
pub trait Pod: FromBytes + IntoBytes + Immutable + Copy + 'static {}

impl<T: FromBytes + IntoBytes + Immutable + Copy + 'static> Pod for T {}
