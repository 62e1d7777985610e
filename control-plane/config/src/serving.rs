//! How `sluice proxy` serves DNS on its machine, beyond what is answered.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

/// `dns.health`, `.ready`, `.lameduck`, `.log`, `.nsid`, `.tls`, `.https`, `.transfer` and `.autopath`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Serving {
    /// `dns.health`: where `/health` is answered.
    pub health: Option<SocketAddr>,
    /// `dns.ready`: where `/ready` is answered.
    pub ready: Option<SocketAddr>,
    /// `dns.lameduck`, in seconds in the file: how long queries are answered on after the role was told to end.
    pub lameduck: Duration,
    /// `dns.log`.
    pub log: Option<DnsLog>,
    /// `dns.nsid`: the name told to who asks for one (RFC 5001).
    pub nsid: Option<Box<str>>,
    /// `dns.tls`: DNS over TLS (RFC 7858).
    pub tls: Option<Secure>,
    /// `dns.https`: DNS over HTTPS (RFC 8484).
    pub https: Option<Secure>,
    /// `dns.transfer`: networks whose clients may have whole zones.
    pub transfer: Vec<IpNet>,
    /// `dns.autopath`: whether the search lists of pods are completed for them.
    pub autopath: bool,
}

/// `dns.log`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsLog {
    /// `file`; standard output without. Absolute.
    pub file: Option<PathBuf>,
    /// `sample`: one query of so many, 1 to 1,000,000.
    pub sample: u32,
    /// `rate`: lines a second at most, 1 to 1,000,000.
    pub rate: u32,
    /// `zones`: domains whose names are logged; all where there are none.
    pub zones: Vec<Box<str>>,
    /// `classes`: replies that are logged; all where there are none.
    pub classes: Vec<DnsClass>,
}

/// Replies, as CoreDNS classes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DnsClass {
    /// With records.
    #[default]
    Success,
    /// The name or the type does not exist.
    Denial,
    /// Everything else.
    Error,
}

/// `dns.tls` or `dns.https`: addresses where queries come over TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secure {
    /// `addresses`, port 853 or 443 where none is given.
    pub addresses: Vec<SocketAddr>,
    /// `certificate`: a PEM file with the certificate and those that vouch for it. Absolute.
    pub certificate: PathBuf,
    /// `key`: a PEM file with its key. Absolute.
    pub key: PathBuf,
    /// `path`, of `https` alone: where queries are sent to.
    pub path: Box<str>,
}
