//! The namespace, and the backend in it.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sluice_bench::program::Program;
use sluice_testbed::Testbed;
use sluice_testbed::client::eventually;

use crate::configs;

/// Where everybody serves.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
/// Where the backend is: a pod's address.
pub(crate) const BACKEND: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::new(10, 244, 1, 1)), 8081);
/// The host that is served without TLS.
pub(crate) const PLAIN: &str = "plain.example";
/// The host that is served with TLS.
pub(crate) const SECURE: &str = "secure.example";
/// The CPU that the server has to itself.
pub(crate) const SERVER_CPU: usize = 0;
/// That of the generator and the backend.
pub(crate) const CLIENT_CPU: usize = 1;

/// A namespace with a backend.
pub(crate) struct Bed {
    // First: it has to end before its namespace goes.
    _backend: Program,
    pub(crate) bed: Testbed,
    hosts: PathBuf,
}

impl Bed {
    /// Makes it.
    pub(crate) fn new() -> Self {
        let bed = Testbed::new().expect("namespaces take root and iproute2");
        let here = &bed.gateway;
        for address in [SERVER.to_string(), BACKEND.ip().to_string()] {
            here.ip(&format!("addr add {address}/32 dev lo")).unwrap();
        }
        // A connection for each request must not run out of ports.
        let mut ports = here.command("sysctl");
        assert!(ports.args(["-qw", "net.ipv4.ip_local_port_range=1024 65535"]).status().unwrap().success());
        here.sysctl("net/ipv4/tcp_tw_reuse", "1").unwrap();
        let hosts = bed.folder().join("hosts");
        std::fs::write(&hosts, format!("{SERVER} {PLAIN}\n{SERVER} {SECURE}\n")).unwrap();
        configs::certificate(bed.folder());
        let folder = bed.folder().join("backend");
        std::fs::create_dir_all(&folder).unwrap();
        let line = configs::backend(&folder);
        let backend = Program::start(here, CLIENT_CPU, &folder, &line).unwrap();
        let this = Self { _backend: backend, bed, hosts };
        assert!(this.listens(BACKEND), "the backend does not listen: {}", this._backend.log());
        this
    }

    /// A folder for whoever serves.
    pub(crate) fn folder(&self) -> &Path {
        self.bed.folder()
    }

    /// Waits until a port is listened on.
    pub(crate) fn listens(&self, at: SocketAddr) -> bool {
        self.bed.gateway.enter(move || {
            eventually(Duration::from_secs(10), || {
                TcpStream::connect_timeout(&at, Duration::from_millis(200)).ok()
            })
            .is_some()
        })
    }

    /// A client's command line, on its CPU, with the hosts' names: mounts of a namespace that goes with the command.
    pub(crate) fn client(&self, line: &[&str]) -> Command {
        let mut command = self.bed.gateway.command("unshare");
        command.args(["-m", "sh", "-c", "mount --bind \"$0\" /etc/hosts && exec \"$@\""]).arg(&self.hosts);
        command.args(["taskset", "-c", &CLIENT_CPU.to_string()]).args(line);
        command
    }
}
