use super::*;

const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn v2(head: [u8; 4], body: &[u8]) -> Vec<u8> {
    [V2, &head, body].concat()
}

fn addresses(from: &str, to: &str) -> Option<(SocketAddr, SocketAddr)> {
    Some((from.parse().unwrap(), to.parse().unwrap()))
}

#[test]
fn both_versions_say_whom_a_balancer_speaks_for() {
    let line = b"PROXY TCP4 192.0.2.1 198.51.100.2 1024 443\r\nGET";
    let known = addresses("192.0.2.1:1024", "198.51.100.2:443");
    assert_eq!(parse(line), Ok(Some(Header { length: line.len() - 3, addresses: known })));
    let line = b"PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n";
    let known = addresses("[2001:db8::1]:1", "[2001:db8::2]:65535");
    assert_eq!(parse(line), Ok(Some(Header { length: line.len(), addresses: known })));
    assert_eq!(parse(b"PROXY UNKNOWN\r\n"), Ok(Some(Header { length: 15, addresses: None })));
    assert_eq!(parse(b"PROXY UNKNOWN x y\r\n"), Ok(Some(Header { length: 19, addresses: None })));

    let body = [192, 0, 2, 1, 198, 51, 100, 2, 4, 0, 1, 187];
    let known = addresses("192.0.2.1:1024", "198.51.100.2:443");
    assert_eq!(parse(&v2([0x21, 0x11, 0, 12], &body)), Ok(Some(Header { length: 28, addresses: known })));
    // Extensions are skipped.
    let more = [&body[..], &[4, 0, 1, 0]].concat();
    assert_eq!(parse(&v2([0x21, 0x11, 0, 16], &more)), Ok(Some(Header { length: 32, addresses: known })));
    // A balancer's own connection.
    assert_eq!(parse(&v2([0x20, 0x11, 0, 12], &body)), Ok(Some(Header { length: 28, addresses: None })));
    assert_eq!(parse(&v2([0x21, 0, 0, 0], &[])), Ok(Some(Header { length: 16, addresses: None })));
    let six: Vec<u8> = (0..36).collect();
    let header = parse(&v2([0x21, 0x21, 0, 36], &six)).unwrap().unwrap();
    assert_eq!(header.addresses.unwrap().0.to_string(), "[1:203:405:607:809:a0b:c0d:e0f]:8225");
}

#[test]
fn every_beginning_of_a_header_waits_for_the_rest() {
    let body = [192, 0, 2, 1, 198, 51, 100, 2, 4, 0, 1, 187];
    for whole in [b"PROXY TCP4 192.0.2.1 198.51.100.2 1024 443\r\n".to_vec(), v2([0x21, 0x11, 0, 12], &body)]
    {
        for end in 0..whole.len() {
            assert_eq!(parse(&whole[..end]), Ok(None), "{end}");
        }
        assert!(parse(&whole).unwrap().is_some());
    }
}

#[test]
fn what_is_not_exactly_a_header_is_none() {
    let malformed: [&[u8]; 14] = [
        b"PROXY TCP4 192.0.2.1 198.51.100.2 1024 443\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 1024\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 1024 443 \r\n",
        b"PROXY TCP4  192.0.2.1 198.51.100.2 1024 443\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 01024 443\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 +1 443\r\n",
        b"PROXY TCP4 192.0.2.1 198.51.100.2 65536 443\r\n",
        b"PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
        b"PROXY TCP6 192.0.2.1 198.51.100.2 1 2\r\n",
        b"PROXY TCP4 192.0.2.01 198.51.100.2 1 2\r\n",
        b"PROXY UDP4 192.0.2.1 198.51.100.2 1 2\r\n",
        b"PROXY tcp4 192.0.2.1 198.51.100.2 1 2\r\n",
        b"PROXY \r\n",
        b"PROXY TCP4 192.0.2.1\t198.51.100.2 1 2\r\n",
    ];
    for bytes in malformed {
        assert_eq!(parse(bytes), Err(ProxyError::Malformed), "{}", bytes.escape_ascii());
    }
    for bytes in [&b"GET / HTTP/1.1\r\n"[..], b"POST", b"PRI * HTTP/2.0", b"\x16\x03\x01", b"\r\n\r\n\r"] {
        assert_eq!(parse(bytes), Err(ProxyError::Signature), "{}", bytes.escape_ascii());
    }
    assert_eq!(parse(&[b"PROXY UNKNOWN".as_slice(), &[b'x'; 100]].concat()), Err(ProxyError::TooLong));
    for head in [
        [0x11, 0x11, 0, 12],
        [0x22, 0x11, 0, 12],
        [0x21, 0x12, 0, 12],
        [0x21, 0x11, 0, 11],
        [0x21, 0x21, 0, 12],
    ] {
        assert_eq!(parse(&v2(head, &[0; 12])), Err(ProxyError::Malformed), "{head:?}");
    }
    assert_eq!(parse(&v2([0x21, 0x11, 0xff, 0xff], &[])), Err(ProxyError::TooLong));
}

proptest::proptest! {
    #[test]
    fn a_header_is_the_same_whatever_comes_behind_it(
        at in 0..60usize,
        byte: u8,
        six: bool,
        v2: bool,
        tail in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..20),
    ) {
        let mut bytes = match (v2, six) {
            (true, _) => self::v2([0x21, if six { 0x21 } else { 0x11 }, 0, 36], &[7; 36]),
            (false, true) => b"PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n".to_vec(),
            (false, false) => b"PROXY TCP4 192.0.2.1 198.51.100.2 1024 443\r\n".to_vec(),
        };
        judge(&bytes);
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        bytes.extend(tail);
        judge(&bytes);
    }
}

proptest::proptest! {
    #[test]
    fn a_header_that_is_written_is_read_again(version2: bool, from: SocketAddr, to: SocketAddr) {
        let version = if version2 { ProxyVersion::V2 } else { ProxyVersion::V1 };
        let header = header(version, from, to);
        let read = parse(&header).unwrap().unwrap();
        assert_eq!(read.length, header.len());
        // Scopes and flow labels of IPv6 are this host's alone.
        let plain = |at: SocketAddr| SocketAddr::new(at.ip(), at.port());
        let known = from.is_ipv4() == to.is_ipv4();
        assert_eq!(read.addresses, known.then(|| (plain(from), plain(to))));
    }
}
