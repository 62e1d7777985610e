//! Cutting a built packet into fragments, as a sender does.

use super::Packet;
use crate::protocol::ip;

impl Packet {
    /// The frames of the packet's fragments, each with `size` bytes of the datagram's payload (rounded down to a multiple
    /// of eight, at least eight) but the last, which has the rest. For IPv6 the extension headers are in every fragment,
    /// in front of the fragment header. A packet that fits one fragment is given whole.
    pub fn fragments(&self, size: usize) -> Vec<Vec<u8>> {
        let transport = self.transport();
        let size = (size & !7).max(8);
        if transport.len() <= size {
            return vec![self.frame()];
        }
        let last = (transport.len() - 1) / size;
        let pieces = transport.chunks(size).enumerate();
        pieces.map(|(at, piece)| self.fragment((at * size / 8) as u16, at < last, piece)).collect()
    }

    /// The frame of one fragment, at `offset` in units of eight bytes, with any payload: for fragments that no sender
    /// makes.
    pub fn fragment(&self, offset: u16, more: bool, payload: &[u8]) -> Vec<u8> {
        let mut packet = self.clone();
        packet.dont_fragment = false;
        if self.src.is_ipv4() {
            return packet.framed(&packet.ip(self.proto, payload, (offset, more)));
        }
        let field = ((offset << 3) | u16::from(more)).to_be_bytes();
        packet = packet.extension(ip::FRAGMENT, &[&field[..], &self.id.to_be_bytes()].concat());
        let (protocol, chain) = packet.chain();
        packet.framed(&packet.ip(protocol, &[&chain[..], payload].concat(), (0, false)))
    }
}
