//! The engine's view of a packet buffer: [`PacketBuf`] for [`Mbuf`].

use sluice_wire::PacketBuf;

use crate::mbuf::Mbuf;
use crate::quiesce;

impl PacketBuf for Mbuf {
    /// The first segment's bytes: all of them in a contiguous packet.
    #[inline(always)]
    fn data(&self) -> &[u8] {
        let header = self.header();
        // SAFETY: `data_off + data_len ≤ buf_len` bytes at `buf_addr` belong to this buffer; pool memory is initialised (it
        // comes zeroed from the kernel and holds old packets at worst), and `&self` keeps writers out.
        unsafe {
            let start = header.buf_addr.cast::<u8>().add(usize::from(header.data_off));
            std::slice::from_raw_parts(start, usize::from(header.data_len))
        }
    }

    #[inline(always)]
    fn data_mut(&mut self) -> &mut [u8] {
        let header = self.header_mut();
        // SAFETY: as in `data`; `&mut self` makes this the only reference.
        unsafe {
            let start = header.buf_addr.cast::<u8>().add(usize::from(header.data_off));
            std::slice::from_raw_parts_mut(start, usize::from(header.data_len))
        }
    }

    #[inline]
    fn prepend(&mut self, n: usize) -> bool {
        if n > self.headroom() || self.packet_len() + n > usize::from(u16::MAX) {
            return false;
        }
        let header = self.header_mut();
        // Both casts keep the value: `n` is at most `data_off`.
        header.data_off -= n as u16;
        header.data_len += n as u16;
        header.pkt_len += n as u32;
        true
    }

    #[inline]
    fn trim_front(&mut self, n: usize) -> bool {
        let header = self.header_mut();
        if n > usize::from(header.data_len) {
            return false;
        }
        header.data_off += n as u16;
        header.data_len -= n as u16;
        header.pkt_len -= n as u32;
        true
    }

    /// Only a contiguous packet can grow at its end.
    #[inline]
    fn append(&mut self, n: usize) -> bool {
        if !self.is_contiguous() || n > self.tailroom() {
            return false;
        }
        let header = self.header_mut();
        header.data_len += n as u16;
        header.pkt_len += n as u32;
        true
    }

    #[inline]
    fn truncate(&mut self, len: usize) {
        if len >= self.packet_len() {
            return;
        }
        if !self.is_contiguous() {
            return truncate_chain(self, len);
        }
        let header = self.header_mut();
        header.data_len = len as u16;
        header.pkt_len = len as u32;
    }

    fn another(&self, frame: &[u8]) -> Option<Self> {
        let mut packet = self.sibling()?;
        if !packet.append(frame.len()) {
            return None;
        }
        packet.data_mut().copy_from_slice(frame);
        Some(packet)
    }
}

/// Shortens a packet of several segments and gives those back that it no longer needs.
#[cold]
fn truncate_chain(packet: &mut Mbuf, len: usize) {
    let mut left = len;
    let mut kept: u16 = 1;
    let mut segment: *mut dpdk_sys::sluice_mbuf = packet.header_mut();
    // SAFETY: the chain is owned by `packet` alone and ends with a null `next`; only its own members are followed and
    // written, and the rest is cut off before it is freed.
    unsafe {
        while left > usize::from((*segment).data_len) && !(*segment).next.is_null() {
            left -= usize::from((*segment).data_len);
            segment = (*segment).next;
            kept += 1;
        }
        (*segment).data_len = left.min(usize::from((*segment).data_len)) as u16;
        let rest = (*segment).next;
        (*segment).next = std::ptr::null_mut();
        if !rest.is_null() {
            quiesce::enter(|| dpdk_sys::sluice_mbuf_free(rest));
        }
    }
    let header = packet.header_mut();
    header.nb_segs = kept;
    header.pkt_len = len as u32;
}
