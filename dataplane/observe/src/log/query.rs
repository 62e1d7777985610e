//! A query and its reply in a line, as CoreDNS writes it:
//! `[INFO] 10.0.0.1:4000 - 17 "A IN example.org. udp 41 false 512" NOERROR qr,rd,ra 68 0.004s`.

use std::fmt::{self, Display, Formatter, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Flags in a header's third and fourth octet, as CoreDNS names and orders them.
const FLAGS: [(usize, u8, &str); 8] = [
    (0, 0x80, "qr"),
    (0, 0x04, "aa"),
    (0, 0x02, "tc"),
    (0, 0x01, "rd"),
    (1, 0x80, "ra"),
    (1, 0x40, "z"),
    (1, 0x20, "ad"),
    (1, 0x10, "cd"),
];

/// Types that have a name (IANA's registry).
const TYPES: [(u16, &str); 37] = [
    (1, "A"),
    (2, "NS"),
    (5, "CNAME"),
    (6, "SOA"),
    (10, "NULL"),
    (12, "PTR"),
    (13, "HINFO"),
    (15, "MX"),
    (16, "TXT"),
    (17, "RP"),
    (18, "AFSDB"),
    (24, "SIG"),
    (25, "KEY"),
    (28, "AAAA"),
    (29, "LOC"),
    (33, "SRV"),
    (35, "NAPTR"),
    (37, "CERT"),
    (39, "DNAME"),
    (41, "OPT"),
    (43, "DS"),
    (44, "SSHFP"),
    (46, "RRSIG"),
    (47, "NSEC"),
    (48, "DNSKEY"),
    (50, "NSEC3"),
    (51, "NSEC3PARAM"),
    (52, "TLSA"),
    (53, "SMIMEA"),
    (61, "OPENPGPKEY"),
    (64, "SVCB"),
    (65, "HTTPS"),
    (251, "IXFR"),
    (252, "AXFR"),
    (255, "ANY"),
    (256, "URI"),
    (257, "CAA"),
];
const CLASSES: [(u16, &str); 5] = [(1, "IN"), (3, "CH"), (4, "HS"), (254, "NONE"), (255, "ANY")];
const CODES: [(u16, &str); 12] = [
    (0, "NOERROR"),
    (1, "FORMERR"),
    (2, "SERVFAIL"),
    (3, "NXDOMAIN"),
    (4, "NOTIMP"),
    (5, "REFUSED"),
    (6, "YXDOMAIN"),
    (7, "YXRRSET"),
    (8, "NXRRSET"),
    (9, "NOTAUTH"),
    (10, "NOTZONE"),
    (16, "BADVERS"),
];

/// A query that has been answered. As text it is its line, without the end.
#[derive(Clone, Copy, Debug)]
pub struct Queried<L> {
    /// Who asked.
    pub client: SocketAddr,
    /// The message's number.
    pub id: u16,
    /// Type and class; none of a message that could not be read so far.
    pub question: Option<(u16, u16)>,
    /// The labels of the name, without the root's.
    pub labels: L,
    /// It came over a connection.
    pub stream: bool,
    /// Octets of the query.
    pub size: usize,
    /// DNSSEC OK.
    pub dnssec: bool,
    /// Octets that a reply over UDP may have, as the client says.
    pub buffer: u16,
    /// The reply's code.
    pub code: u16,
    /// The third and fourth octet of the reply's header.
    pub flags: [u8; 2],
    /// Octets of the reply.
    pub reply: usize,
    /// From query to reply.
    pub time: Duration,
}

impl<'l, L: IntoIterator<Item = &'l [u8]> + Clone> Display for Queried<L> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("[INFO] ")?;
        match self.client.ip().to_canonical() {
            IpAddr::V4(v4) => write!(f, "{v4}")?,
            IpAddr::V6(v6) => write!(f, "[{v6}]")?,
        }
        write!(f, ":{} - {} \"", self.client.port(), self.id)?;
        match self.question {
            Some((kind, class)) => {
                named(f, &TYPES, kind, "TYPE")?;
                f.write_char(' ')?;
                named(f, &CLASSES, class, "CLASS")?;
            }
            None => f.write_str("- -")?,
        }
        f.write_char(' ')?;
        name(f, self.labels.clone())?;
        let transport = if self.stream { "tcp" } else { "udp" };
        write!(f, " {transport} {} {} {}\" ", self.size, self.dnssec, self.buffer)?;
        named(f, &CODES, self.code, "")?;
        let mut before = ' ';
        for (at, bit, flag) in FLAGS {
            if self.flags.get(at).is_some_and(|octet| octet & bit != 0) {
                write!(f, "{before}{flag}")?;
                before = ',';
            }
        }
        if before == ' ' {
            f.write_str(" -")?;
        }
        write!(f, " {} {}s", self.reply, self.time.as_secs_f64())
    }
}

/// The name of a number, or the number behind `otherwise`.
fn named(f: &mut Formatter<'_>, names: &[(u16, &str)], number: u16, otherwise: &str) -> fmt::Result {
    match names.iter().find(|(known, _)| *known == number) {
        Some((_, name)) => f.write_str(name),
        None => write!(f, "{otherwise}{number}"),
    }
}

/// A name in lower case. Octets that would end the field, or are not printed, are `\DDD` (RFC 1035, section 5.1).
fn name<'l>(f: &mut Formatter<'_>, labels: impl IntoIterator<Item = &'l [u8]>) -> fmt::Result {
    let mut is_root = true;
    for label in labels {
        is_root = false;
        for byte in label {
            match byte.to_ascii_lowercase() {
                byte @ (b'.' | b'\\' | b'"') => write!(f, "\\{}", char::from(byte))?,
                byte @ 0x21..=0x7e => f.write_char(char::from(byte))?,
                byte => write!(f, "\\{byte:03}")?,
            }
        }
        f.write_char('.')?;
    }
    if is_root { f.write_char('.') } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Queried<[&[u8]; 0]> = Queried {
        client: SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7)), 4000),
        id: 17,
        question: Some((1, 1)),
        labels: [],
        stream: false,
        size: 41,
        dnssec: false,
        buffer: 512,
        code: 0,
        flags: [0x84, 0],
        reply: 68,
        time: Duration::ZERO,
    };

    fn line(queried: Queried<[&[u8]; 0]>, labels: &[&[u8]]) -> String {
        let Queried { client, id, question, stream, size, dnssec, buffer, code, flags, reply, time, .. } =
            queried;
        let labels = labels.iter().copied();
        Queried { labels, client, id, question, stream, size, dnssec, buffer, code, flags, reply, time }
            .to_string()
    }

    #[test]
    fn a_line_is_as_coredns_writes_it() {
        let all = Queried {
            question: Some((28, 1)),
            dnssec: true,
            buffer: 1232,
            code: 3,
            flags: [0x81, 0x80],
            ..PLAIN
        };
        let all = Queried { time: Duration::from_micros(3990), ..all };
        assert_eq!(
            line(all, &[b"Example", b"ORG"]),
            "[INFO] 192.0.2.7:4000 - 17 \"AAAA IN example.org. udp 41 true 1232\" NXDOMAIN qr,rd,ra 68 0.00399s"
        );
        let v6 =
            Queried { client: "[2001:db8::1]:53".parse().unwrap(), stream: true, flags: [0xff; 2], ..PLAIN };
        assert_eq!(
            line(v6, &[]),
            "[INFO] [2001:db8::1]:53 - 17 \"A IN . tcp 41 false 512\" NOERROR qr,aa,tc,rd,ra,z,ad,cd 68 0s"
        );
        let mapped = Queried { client: "[::ffff:192.0.2.7]:53".parse().unwrap(), code: 16, ..PLAIN };
        assert!(
            line(mapped, &[])
                .starts_with("[INFO] 192.0.2.7:53 - 17 \"A IN . udp 41 false 512\" BADVERS qr,aa")
        );
    }

    #[test]
    fn what_has_no_name_is_its_number() {
        let odd = Queried { question: Some((9999, 77)), code: 23, ..PLAIN };
        assert!(
            line(odd, &[]).contains("\"TYPE9999 CLASS77 . udp 41 false 512\" 23 qr,aa "),
            "{}",
            line(odd, &[])
        );
        let none = Queried { question: None, ..PLAIN };
        assert!(line(none, &[]).contains(" - 17 \"- - . udp 41 false 512\" "));
    }

    #[test]
    fn no_name_breaks_a_line() {
        let text = line(PLAIN, &[b"a\" \n\r\x1b\xff", b"b.\\"]);
        assert!(text.contains(" IN a\\\"\\032\\010\\013\\027\\255.b\\.\\\\. udp "), "{text}");
    }
}
