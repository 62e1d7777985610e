//! ICMPv6 (RFC 4443).

/// Length of the header of errors and echoes.
pub const HEADER: usize = 8;
/// Destination unreachable.
pub const UNREACHABLE: u8 = 1;
/// Packet too big for the next link.
pub const PACKET_TOO_BIG: u8 = 2;
/// Hop limit or reassembly time exceeded.
pub const TIME_EXCEEDED: u8 = 3;
/// A header field is wrong.
pub const PARAMETER_PROBLEM: u8 = 4;
/// Echo request.
pub const ECHO: u8 = 128;
/// Echo reply.
pub const ECHO_REPLY: u8 = 129;
/// Router solicitation (RFC 4861, as the four below).
pub const ROUTER_SOLICITATION: u8 = 133;
/// Router advertisement.
pub const ROUTER_ADVERTISEMENT: u8 = 134;
/// Neighbour solicitation.
pub const NEIGHBOR_SOLICITATION: u8 = 135;
/// Neighbour advertisement.
pub const NEIGHBOR_ADVERTISEMENT: u8 = 136;
/// Redirect.
pub const REDIRECT: u8 = 137;

/// Codes of [`UNREACHABLE`].
pub mod unreachable {
    /// No route.
    pub const NO_ROUTE: u8 = 0;
    /// Filtered.
    pub const ADMINISTRATIVELY_PROHIBITED: u8 = 1;
    /// The host does not answer on its link.
    pub const ADDRESS: u8 = 3;
    /// Nobody listens on the port.
    pub const PORT: u8 = 4;
}

/// Whether messages of this type may not be answered by an error: errors, known or not, and redirects
/// (RFC 4443 section 2.4 e).
#[inline]
pub const fn is_error(kind: u8) -> bool {
    kind < 128 || kind == REDIRECT
}

/// Whether the message belongs to neighbour discovery, which the kernel has to see.
#[inline]
pub const fn is_neighbor_discovery(kind: u8) -> bool {
    kind >= ROUTER_SOLICITATION && kind <= REDIRECT
}
