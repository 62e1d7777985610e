//! Framing of netlink messages: splitting a datagram, and building messages the route library does not know.

/// Bytes of `struct nlmsghdr`.
const HEADER: usize = 16;
/// Messages and attributes start at multiples of this (`NLMSG_ALIGNTO`, `NLA_ALIGNTO`).
const ALIGN: usize = 4;
/// `NLA_F_NESTED`.
const NESTED: u16 = 1 << 15;

/// One message of a datagram.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// `nlmsg_type`.
    pub kind: u16,
    /// `nlmsg_flags`.
    pub flags: u16,
    /// `nlmsg_seq`.
    pub sequence: u32,
    /// The message with its header, without padding.
    pub bytes: &'a [u8],
}

impl Frame<'_> {
    /// The code of an `NLMSG_ERROR`: 0 acknowledges, a negated `errno` refuses.
    pub fn error_code(&self) -> i32 {
        self.bytes
            .get(HEADER..)
            .and_then(|rest| rest.first_chunk())
            .map_or(0, |code| i32::from_ne_bytes(*code))
    }
}

/// The messages of a datagram, up to the first whose length does not hold together.
pub fn frames(mut datagram: &[u8]) -> impl Iterator<Item = Frame<'_>> {
    std::iter::from_fn(move || {
        let header: &[u8; HEADER] = datagram.first_chunk()?;
        let &[l0, l1, l2, l3, k0, k1, f0, f1, s0, s1, s2, s3, ..] = header;
        let length = u32::from_ne_bytes([l0, l1, l2, l3]) as usize;
        if length < HEADER {
            return None;
        }
        let bytes = datagram.get(..length)?;
        datagram = datagram.get(length.next_multiple_of(ALIGN)..).unwrap_or_default();
        Some(Frame {
            kind: u16::from_ne_bytes([k0, k1]),
            flags: u16::from_ne_bytes([f0, f1]),
            sequence: u32::from_ne_bytes([s0, s1, s2, s3]),
            bytes,
        })
    })
}

/// Builds messages one behind the other, for a batch.
#[derive(Debug, Default)]
pub struct Builder {
    bytes: Vec<u8>,
}

impl Builder {
    /// Adds a message with a fixed part and then what `attributes` adds.
    pub fn message(
        &mut self,
        kind: u16,
        flags: u16,
        sequence: u32,
        fixed: &[u8],
        attributes: impl FnOnce(&mut Attributes<'_>),
    ) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(&flags.to_ne_bytes());
        self.bytes.extend_from_slice(&sequence.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(fixed);
        pad(&mut self.bytes);
        attributes(&mut Attributes { bytes: &mut self.bytes });
        let length = (self.bytes.len() - start) as u32;
        if let Some(field) = self.bytes.get_mut(start..start + 4) {
            field.copy_from_slice(&length.to_ne_bytes());
        }
    }

    /// The messages in wire form.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Adds attributes to a message.
#[derive(Debug)]
pub struct Attributes<'a> {
    bytes: &'a mut Vec<u8>,
}

impl Attributes<'_> {
    /// An attribute with this value.
    pub fn bytes(&mut self, kind: u16, value: &[u8]) {
        self.sized(kind, |bytes| bytes.extend_from_slice(value));
    }

    /// An attribute with a zero-terminated string.
    pub fn string(&mut self, kind: u16, value: &str) {
        self.sized(kind, |bytes| {
            bytes.extend_from_slice(value.as_bytes());
            bytes.push(0);
        });
    }

    /// An attribute with a 32-bit number in network byte order, as netfilter wants them.
    pub fn u32_be(&mut self, kind: u16, value: u32) {
        self.bytes(kind, &value.to_be_bytes());
    }

    /// An attribute that holds attributes.
    pub fn nested(&mut self, kind: u16, inner: impl FnOnce(&mut Attributes<'_>)) {
        self.sized(kind | NESTED, |bytes| inner(&mut Attributes { bytes }));
    }

    fn sized(&mut self, kind: u16, value: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        value(self.bytes);
        let length = (self.bytes.len() - start) as u16;
        if let Some(field) = self.bytes.get_mut(start..start + 2) {
            field.copy_from_slice(&length.to_ne_bytes());
        }
        pad(self.bytes);
    }
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(ALIGN), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_messages() -> Vec<u8> {
        let mut batch = Builder::default();
        batch.message(20, 1, 7, &[1, 2, 3], |attributes| {
            attributes.string(1, "abcd");
            attributes.nested(2, |inner| inner.u32_be(3, 9));
        });
        batch.message(2, 0, 8, &(-17_i32).to_ne_bytes(), |_| {});
        batch.into_bytes()
    }

    #[test]
    fn built_messages_are_split_again() {
        let bytes = two_messages();
        let all: Vec<_> = frames(&bytes).collect();
        assert_eq!(all.len(), 2);
        assert_eq!((all[0].kind, all[0].flags, all[0].sequence), (20, 1, 7));
        // Header 16, fixed part 4 with padding, string 4 + 5 padded to 12, nest 4 + 8.
        assert_eq!(all[0].bytes.len(), 44);
        assert_eq!((all[1].kind, all[1].sequence, all[1].error_code()), (2, 8, -17));
    }

    #[test]
    fn damaged_lengths_end_the_walk() {
        let bytes = two_messages();
        for cut in 0..bytes.len() {
            assert!(frames(&bytes[..cut]).count() < 2, "{cut}");
        }
        let mut short = bytes;
        short[..4].copy_from_slice(&15_u32.to_ne_bytes());
        assert_eq!(frames(&short).count(), 0);
    }
}
