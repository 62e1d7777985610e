//! CRC32c, the checksum of SCTP (RFC 9260 section 6.8 and appendix A).
//!
//! In software, eight bytes a step from 8 KiB of tables: the CPU's instruction would need `unsafe`. A NAT does not
//! run over the packet at all: see [`update`].

/// The Castagnoli polynomial, bits reversed.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// `TABLES[k][b]`: the CRC, from a zero register, of byte `b` followed by `k` zero bytes.
static TABLES: [[u32; 256]; 8] = tables();

/// `SHIFT_BYTES[n]` is x^(8n) and `SHIFT_PAGES[n]` is x^(8·256n), modulo the polynomial, bits reversed.
static SHIFT_BYTES: [u32; 256] = powers(8);
static SHIFT_PAGES: [u32; 256] = powers(8 * 256);

/// CRC32c of `bytes`.
pub fn crc32c(bytes: &[u8]) -> u32 {
    !extend(!0, bytes)
}

/// The CRC as it goes on from a register, without the inversions at its start and end.
fn extend(mut register: u32, bytes: &[u8]) -> u32 {
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        let [a, b, c, d, e, f, g, h] = *word;
        let [i, j, k, l] = (register ^ u32::from_le_bytes([a, b, c, d])).to_le_bytes();
        register = TABLES[7][usize::from(i)]
            ^ TABLES[6][usize::from(j)]
            ^ TABLES[5][usize::from(k)]
            ^ TABLES[4][usize::from(l)]
            ^ TABLES[3][usize::from(e)]
            ^ TABLES[2][usize::from(f)]
            ^ TABLES[1][usize::from(g)]
            ^ TABLES[0][usize::from(h)];
    }
    for byte in rest {
        register = (register >> 8) ^ TABLES[0][usize::from(register as u8 ^ byte)];
    }
    register
}

/// CRC32c of an SCTP packet, its checksum field (bytes 8 to 11) counted as zero.
pub fn sctp(packet: &[u8]) -> u32 {
    match packet.split_at_checked(12) {
        Some((header, chunks)) => {
            let mut header: [u8; 12] = header.try_into().unwrap_or_default();
            header[8..].fill(0);
            !extend(extend(!0, &header), chunks)
        }
        None => crc32c(packet),
    }
}

/// The new CRC for data that had `stored`, after four bytes of it changed that are followed by `behind` more bytes.
///
/// A CRC is linear: the change of the CRC is the CRC of the change, moved by the bytes behind. So an SCTP packet's
/// ports are rewritten in constant time, and a CRC that was wrong stays wrong.
pub fn update(stored: u32, old: [u8; 4], new: [u8; 4], behind: u16) -> u32 {
    let change = extend(0, &(u32::from_le_bytes(old) ^ u32::from_le_bytes(new)).to_le_bytes());
    let [pages, bytes] = behind.to_be_bytes();
    let moved = multiply(SHIFT_BYTES[usize::from(bytes)], change);
    stored ^ multiply(SHIFT_PAGES[usize::from(pages)], moved)
}

/// Product of two polynomials modulo [`POLYNOMIAL`], bits reversed: bit 31 is x^0.
const fn multiply(a: u32, mut b: u32) -> u32 {
    let mut product = 0;
    let mut bit = 32;
    while bit > 0 {
        bit -= 1;
        product ^= b & 0_u32.wrapping_sub((a >> bit) & 1);
        b = (b >> 1) ^ (POLYNOMIAL & 0_u32.wrapping_sub(b & 1));
    }
    product
}

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut register = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            register = (register >> 1) ^ (POLYNOMIAL & 0_u32.wrapping_sub(register & 1));
            bit += 1;
        }
        tables[0][byte] = register;
        byte += 1;
    }
    let mut level = 1;
    while level < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[level - 1][byte];
            tables[level][byte] = (before >> 8) ^ tables[0][(before & 0xff) as usize];
            byte += 1;
        }
        level += 1;
    }
    tables
}

/// `[x^0, x^step, x^(2·step), …]`.
const fn powers(step: u32) -> [u32; 256] {
    let mut x_step = 1 << 31;
    let mut power = 0;
    while power < step {
        x_step = multiply(1 << 30, x_step);
        power += 1;
    }
    let mut powers = [1 << 31; 256];
    let mut at = 1;
    while at < 256 {
        powers[at] = multiply(powers[at - 1], x_step);
        at += 1;
    }
    powers
}
