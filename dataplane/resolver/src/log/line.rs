//! A line, as CoreDNS writes it: `[INFO] 10.0.0.1:4000 - 17 "A IN example.org. udp 41 false 512" NOERROR qr,rd,ra 68 0.004s`.

use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use crate::counters::RCODES;
use crate::message::Request;

/// Flags in a header's second and third octet, as CoreDNS names and orders them.
const FLAGS: [(usize, u8, &str); 8] = [
    (2, 0x80, "qr"),
    (2, 0x04, "aa"),
    (2, 0x02, "tc"),
    (2, 0x01, "rd"),
    (3, 0x80, "ra"),
    (3, 0x40, "z"),
    (3, 0x20, "ad"),
    (3, 0x10, "cd"),
];

pub(super) fn line(
    request: &Request,
    client: SocketAddr,
    size: usize,
    stream: bool,
    reply: &[u8],
    time: Duration,
) -> String {
    let octet = |at: usize| reply.get(at).copied().unwrap_or(0);
    let flags = FLAGS.iter().filter(|(at, bit, _)| octet(*at) & bit != 0);
    let flags: Vec<_> = flags.map(|(_, _, name)| *name).collect();
    let code = RCODES.iter().take(10).nth(usize::from(octet(3) & 15)).unwrap_or(&"other");
    // The codec writes nothing but printing ASCII; quotes would end the field.
    let name = request.name().to_lowercase().to_ascii().replace('"', "\\\"");
    let mut line = String::with_capacity(160);
    // Writing to a String does not fail.
    let _ = writeln!(
        line,
        "[INFO] {}:{} - {} \"{} {} {name} {} {size} {} {}\" {code} {} {} {}s",
        Address(client),
        client.port(),
        request.metadata.id,
        request.rtype(),
        request.query.query_class,
        if stream { "tcp" } else { "udp" },
        request.dnssec(),
        request.edns.as_ref().map_or(512, |edns| edns.size.max(512)),
        flags.join(","),
        reply.len(),
        time.as_secs_f64(),
    );
    line
}

/// An address as CoreDNS has it before a port.
struct Address(SocketAddr);

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.ip().to_canonical() {
            std::net::IpAddr::V4(v4) => write!(f, "{v4}"),
            std::net::IpAddr::V6(v6) => write!(f, "[{v6}]"),
        }
    }
}
