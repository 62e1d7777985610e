use proptest::prelude::*;

use super::*;

/// RFC 1071 as it is written: word by word, then the carries.
fn reference_sum(bytes: &[u8]) -> u16 {
    let mut total = 0_u64;
    for pair in bytes.chunks(2) {
        total += u64::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
    }
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    total as u16
}

fn reference_crc(bytes: &[u8]) -> u32 {
    let mut register = !0_u32;
    for byte in bytes {
        register ^= u32::from(*byte);
        for _ in 0..8 {
            register = if register & 1 == 1 { (register >> 1) ^ 0x82f6_3b78 } else { register >> 1 };
        }
    }
    !register
}

#[test]
fn the_example_of_rfc_1071() {
    assert_eq!(sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), 0xddf2);
}

#[test]
fn the_example_of_rfc_1624() {
    // Section 4: HC = 0xDD2F, m = 0x5555, m' = 0x3285, HC' = 0x0000 (and not 0xffff).
    assert_eq!(Delta::u16(0x5555, 0x3285).apply(0xdd2f), 0x0000);
}

#[test]
fn the_test_vectors_of_rfc_3720() {
    assert_eq!(crc32c::crc32c(&[0; 32]), 0x8a91_36aa);
    assert_eq!(crc32c::crc32c(&[0xff; 32]), 0x62a8_ab43);
    assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
}

#[test]
fn udp_zero_rules() {
    assert_eq!(finish_udp(0xffff), 0xffff);
    assert_eq!(finish(0xffff), 0);
    assert_eq!(Delta::u16(1, 2).apply_udp(0), 0, "no checksum stays none");
    assert_eq!(Delta::u16(0x5555, 0x3285).apply_udp(0xdd2f), 0xffff, "never becomes none");
}

#[test]
fn no_change_changes_nothing() {
    for stored in 0..=0xffff {
        assert_eq!(Delta::u32(7, 7).apply(stored), stored);
        assert_eq!(Delta::u32(7, 7).apply_udp(stored), stored);
        assert_eq!((-Delta::NONE).apply(stored), stored);
    }
}

/// Bytes with room for the fields changed in the tests, and not all zero, as no packet is.
fn data() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 40..200).prop_filter("not all zero", |d| d[..8] != [0; 8])
}

proptest! {
    #[test]
    fn sum_is_the_reference(bytes in prop::collection::vec(any::<u8>(), 0..4000)) {
        prop_assert_eq!(fold(sum(&bytes)), reference_sum(&bytes));
    }

    #[test]
    fn crc_is_the_reference(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
        prop_assert_eq!(crc32c::crc32c(&bytes), reference_crc(&bytes));
    }

    #[test]
    fn deltas_are_recomputation(
        mut bytes in data(),
        port in any::<u16>(), v4 in any::<u32>(), v6 in any::<u128>(),
    ) {
        let old = finish(sum(&bytes));
        let d16 = Delta::u16(u16::from_be_bytes([bytes[8], bytes[9]]), port);
        let d32 = Delta::u32(u32::from_be_bytes(bytes[12..16].try_into().unwrap()), v4);
        let d128 = Delta::u128(u128::from_be_bytes(bytes[16..32].try_into().unwrap()), v6);

        bytes[8..10].copy_from_slice(&port.to_be_bytes());
        let after_port = finish(sum(&bytes));
        prop_assert_eq!(d16.apply(old), after_port);
        bytes[12..16].copy_from_slice(&v4.to_be_bytes());
        let after_v4 = finish(sum(&bytes));
        prop_assert_eq!(d32.apply(after_port), after_v4);
        bytes[16..32].copy_from_slice(&v6.to_be_bytes());
        let new = finish(sum(&bytes));
        prop_assert_eq!(d128.apply(after_v4), new);

        let all = d16 + d32 + d128;
        prop_assert_eq!(all.apply(old), new);
        prop_assert_eq!((-all).apply(new), old);
        prop_assert_eq!((all + -all).apply(old), old);
        prop_assert_eq!(Delta::from_bits(all.to_bits()), all);
    }

    #[test]
    fn sums_are_what_changed(old in prop::collection::vec(any::<u8>(), 40), new in prop::collection::vec(any::<u8>(), 40), rest in data()) {
        // There is always something in a datagram that is not zero: its length.
        let before = finish_udp(1 + sum(&old) + sum(&rest));
        let after = finish_udp(1 + sum(&new) + sum(&rest));
        prop_assert_eq!(replaced_udp(before, sum(&old), sum(&new)), after);
    }

    #[test]
    fn carries_come_back_in(sum: u64) {
        let slow = |mut sum: u64| {
            while sum > 0xffff {
                sum = (sum & 0xffff) + (sum >> 16);
            }
            sum as u16
        };
        prop_assert_eq!(fold64(sum), slow(sum));
        prop_assert_eq!(fold(sum as u32), slow(sum & 0xffff_ffff));
    }

    #[test]
    fn udp_deltas_are_recomputation(mut bytes in data(), new in any::<u32>()) {
        let stored = finish_udp(sum(&bytes));
        let delta = Delta::u32(u32::from_be_bytes(bytes[12..16].try_into().unwrap()), new);
        bytes[12..16].copy_from_slice(&new.to_be_bytes());
        prop_assert_eq!(delta.apply_udp(stored), finish_udp(sum(&bytes)));
    }

    #[test]
    fn a_wrong_checksum_stays_wrong(error in 1..0xffff_u16, old in any::<u32>(), new in any::<u32>(), right in any::<u16>()) {
        let delta = Delta::u32(old, new);
        let wrong = Delta::u16(0, error).apply(right);
        prop_assume!(wrong != right && !(wrong == 0xffff && right == 0) && !(wrong == 0 && right == 0xffff));
        prop_assert_ne!(delta.apply(wrong), delta.apply(right));
    }

    #[test]
    fn ttl_decrement_is_recomputation(mut bytes in data(), ttl in 1..=255_u8) {
        bytes[8] = ttl;
        let old = finish(sum(&bytes));
        bytes[8] -= 1;
        prop_assert_eq!(Delta::TTL_DECREMENT.apply(old), finish(sum(&bytes)));
    }

    #[test]
    fn crc_updates_are_recomputation(
        mut bytes in prop::collection::vec(any::<u8>(), 4..2000), at in any::<prop::sample::Index>(), new in any::<[u8; 4]>(),
    ) {
        let at = at.index(bytes.len() - 3);
        let old: [u8; 4] = bytes[at..at + 4].try_into().unwrap();
        let stored = crc32c::crc32c(&bytes);
        bytes[at..at + 4].copy_from_slice(&new);
        let behind = (bytes.len() - at - 4) as u16;
        prop_assert_eq!(crc32c::update(stored, old, new, behind), crc32c::crc32c(&bytes));
    }

    #[test]
    fn header_checks_agree(mut header in any::<[u8; 20]>(), options in prop::collection::vec(any::<[u8; 4]>(), 0..10)) {
        header[0] = 0x45;
        let checksum = ipv4_header_checksum(&header);
        header[10..12].copy_from_slice(&checksum.to_be_bytes());
        prop_assert!(ipv4_header_ok(&header));
        prop_assert!(ipv4_header_with_options_ok(&header));
        prop_assert_eq!(ipv4_header_checksum(&header), checksum);
        header[3] ^= 1;
        prop_assert!(!ipv4_header_ok(&header));
        let mut long = [&header[..], &options.concat()].concat();
        let checksum = ipv4_header_checksum(&long);
        long[10..12].copy_from_slice(&checksum.to_be_bytes());
        prop_assert!(ipv4_header_with_options_ok(&long));
    }

    #[test]
    fn pseudo_headers_are_their_bytes(src in any::<u128>(), dst in any::<u128>(), protocol: u8, len: u16) {
        let (src4, dst4) = (src as u32, dst as u32);
        let v4 = [&src4.to_be_bytes()[..], &dst4.to_be_bytes(), &[0, protocol], &len.to_be_bytes()].concat();
        prop_assert_eq!(fold(pseudo_v4(src4, dst4, protocol, len)), reference_sum(&v4));
        let v6 = [
            &src.to_be_bytes()[..], &dst.to_be_bytes(), &u32::from(len).to_be_bytes(), &[0, 0, 0, protocol],
        ].concat();
        prop_assert_eq!(fold(pseudo_v6(src, dst, protocol, u32::from(len))), reference_sum(&v6));
    }
}

#[test]
fn crc_update_spans_the_largest_packet() {
    let mut bytes = vec![0xa5; 65535];
    let stored = crc32c::crc32c(&bytes);
    bytes[..4].copy_from_slice(&[1, 2, 3, 4]);
    assert_eq!(crc32c::update(stored, [0xa5; 4], [1, 2, 3, 4], 65531), crc32c::crc32c(&bytes));
}
