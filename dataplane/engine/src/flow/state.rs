//! The life of a flow: what its packets say about the connection, and how long silence may last.
//!
//! No sequence windows are tracked: the endpoints check those. What matters here is that a forged packet can neither
//! promote a flow nor shorten its life for good.

use sluice_model::Timeouts;

use super::entry::{Class, Direction};

/// TCP flag bits (RFC 9293, section 3.1).
pub mod tcp {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronise sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset the connection.
    pub const RST: u8 = 0x04;
    /// The acknowledgement field counts.
    pub const ACK: u8 = 0x10;
}

/// Seconds for which a closed connection's tuple is kept where the endpoint keeps none.
const LINGER_SECONDS: u32 = 5;

/// Where a flow is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Datagrams in one direction, or an SCTP association being set up.
    OneWay = 0,
    /// Datagrams in both.
    BothWays = 1,
    /// The client's SYN went by.
    SynSent = 2,
    /// So did the backend's SYN-ACK.
    SynReceived = 3,
    /// Handshake finished.
    Established = 4,
    /// The client sent FIN first.
    ClientFin = 5,
    /// The backend sent FIN first.
    BackendFin = 6,
    /// Both sent FIN, the client first: TIME_WAIT is the client's, the backend forgets with the last ACK.
    ClosedByClient = 7,
    /// Both sent FIN, the backend first: it holds TIME_WAIT, and the tuple must not be used again before that ends.
    ClosedByBackend = 8,
    /// A reset went by. It may be forged: a later packet without RST brings the flow back.
    Reset = 9,
    /// An SCTP association with packets in both directions.
    Associated = 10,
    /// A reset went by before the connection or association was set up: by the backend, or by who pretends.
    Refused = 11,
}

impl State {
    /// From the byte in an entry; `None` where it is damaged.
    #[inline(always)]
    pub fn from_byte(byte: u8) -> Option<Self> {
        const ALL: [State; 12] = [
            State::OneWay,
            State::BothWays,
            State::SynSent,
            State::SynReceived,
            State::Established,
            State::ClientFin,
            State::BackendFin,
            State::ClosedByClient,
            State::ClosedByBackend,
            State::Reset,
            State::Associated,
            State::Refused,
        ];
        ALL.get(byte as usize).copied()
    }

    /// The state of a flow whose first packet just came.
    pub fn first(protocol: u8, tcp_flags: u8) -> Self {
        if protocol != 6 {
            Self::OneWay
        } else if tcp_flags & tcp::SYN != 0 {
            Self::SynSent
        } else {
            // A connection that another gateway set up, picked up in its middle. Its own packets have to show that it
            // lives before it counts as established.
            Self::SynReceived
        }
    }

    /// Which class a flow in this state ages with.
    #[inline]
    pub fn class(self) -> Class {
        match self {
            // A stranger can make as many of them as of those that were never answered.
            Self::OneWay | Self::SynSent | Self::SynReceived | Self::Refused => Class::Embryonic,
            Self::Established | Self::ClientFin | Self::BackendFin | Self::Associated => Class::Established,
            Self::BothWays | Self::ClosedByClient | Self::ClosedByBackend | Self::Reset => Class::Transient,
        }
    }

    /// How long it may be silent, in seconds.
    #[inline]
    pub fn timeout(self, timeouts: &Timeouts) -> u32 {
        match self {
            Self::OneWay => timeouts.udp_one_way,
            Self::BothWays => timeouts.udp,
            Self::SynSent | Self::SynReceived => timeouts.tcp_handshake,
            Self::Established => timeouts.tcp_established,
            // A half-closed connection may still send for long; Linux gives it 60 s as FIN_WAIT2, conntrack 120 s.
            Self::ClientFin | Self::BackendFin => timeouts.tcp_closing.max(120),
            Self::ClosedByBackend => timeouts.tcp_closing,
            Self::ClosedByClient | Self::Reset | Self::Refused => LINGER_SECONDS,
            Self::Associated => timeouts.sctp,
        }
    }

    /// Whether the connection has been seen to its end.
    pub fn is_closed(self) -> bool {
        matches!(self, Self::ClosedByClient | Self::ClosedByBackend | Self::Reset | Self::Refused)
    }

    /// Whether a packet can pass in this state without changing it: TCP with ACK and without SYN, FIN and RST on an established
    /// connection. The common case, tested with two compares.
    #[inline(always)]
    pub fn is_steady(byte: u8, tcp_flags: u8) -> bool {
        byte == Self::Established as u8 && tcp_flags & (tcp::SYN | tcp::FIN | tcp::RST | tcp::ACK) == tcp::ACK
    }

    /// The state after a packet of a datagram protocol.
    #[inline]
    pub fn after_datagram(self, direction: Direction) -> Self {
        match (self, direction) {
            (Self::OneWay, Direction::Reverse) => Self::BothWays,
            (state, _) => state,
        }
    }

    /// The state after an SCTP packet whose first chunk has this type (RFC 9260, section 3.2).
    pub fn after_sctp(self, direction: Direction, chunk: u8) -> Self {
        const ABORT: u8 = 6;
        const SHUTDOWN_COMPLETE: u8 = 14;
        match (self, direction, chunk) {
            (Self::OneWay | Self::Refused, _, ABORT | SHUTDOWN_COMPLETE) => Self::Refused,
            (_, _, ABORT | SHUTDOWN_COMPLETE) => Self::Reset,
            (Self::OneWay | Self::Refused, Direction::Reverse, _) | (Self::Reset, _, _) => Self::Associated,
            (state, _, _) => state,
        }
    }

    /// The state after a TCP packet. `completes` says that it acknowledges exactly the backend's SYN.
    pub fn after_tcp(self, direction: Direction, flags: u8, completes: bool) -> Self {
        let client = direction == Direction::Forward;
        if flags & tcp::RST != 0 {
            return match self {
                Self::SynSent | Self::SynReceived | Self::Refused => Self::Refused,
                _ => Self::Reset,
            };
        }
        if flags & tcp::SYN != 0 {
            return match (self, client) {
                (Self::SynSent | Self::Refused, false) => Self::SynReceived,
                // The client uses its port again for a new connection over the same tuple.
                (state, true) if state.is_closed() => Self::SynSent,
                (state, _) => state,
            };
        }
        let open = match (self, client) {
            // A backend sends nothing but SYN before it has accepted the client's acknowledgement.
            (Self::SynReceived, true) if completes => Self::Established,
            // After a SYN too, which a stranger may have put between: a backend that was not asked answers nothing but SYN.
            (Self::SynSent | Self::SynReceived | Self::Reset, false) => Self::Established,
            (state, _) => state,
        };
        if flags & tcp::FIN == 0 {
            return open;
        }
        match (open, client) {
            (Self::Established, true) => Self::ClientFin,
            (Self::Established, false) => Self::BackendFin,
            (Self::ClientFin, false) => Self::ClosedByClient,
            (Self::BackendFin, true) => Self::ClosedByBackend,
            (state, _) => state,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Direction::{Forward, Reverse};
    use super::*;

    fn run(steps: &[(Direction, u8)]) -> State {
        let mut state = State::first(6, tcp::SYN);
        for &(direction, flags) in &steps[1..] {
            state = state.after_tcp(direction, flags, true);
        }
        state
    }

    #[test]
    fn handshake_and_orderly_close_by_either_side() {
        let open = [(Forward, tcp::SYN), (Reverse, tcp::SYN | tcp::ACK), (Forward, tcp::ACK)];
        assert_eq!(run(&open), State::Established);
        let fin = tcp::FIN | tcp::ACK;
        let client = [&open[..], &[(Forward, fin), (Reverse, fin), (Forward, tcp::ACK)]].concat();
        assert_eq!(run(&client), State::ClosedByClient);
        let backend = [&open[..], &[(Reverse, fin), (Forward, tcp::ACK), (Forward, fin)]].concat();
        assert_eq!(run(&backend), State::ClosedByBackend);
    }

    #[test]
    fn a_blind_acknowledgement_does_not_establish() {
        let state = State::SynReceived.after_tcp(Forward, tcp::ACK, false);
        assert_eq!(state, State::SynReceived);
        assert_eq!(state.after_tcp(Reverse, tcp::ACK, false), State::Established);
    }

    #[test]
    fn a_forged_reset_does_not_last() {
        let state = State::Established.after_tcp(Forward, tcp::RST, false);
        assert_eq!(state, State::Reset);
        assert_eq!(state.after_tcp(Reverse, tcp::ACK, false), State::Established);
    }

    #[test]
    fn every_state_survives_its_byte() {
        for byte in 0..=255_u8 {
            assert!(State::from_byte(byte).is_none_or(|state| state as u8 == byte));
        }
        assert_eq!(State::from_byte(12), None);
    }
}
