//! Configurations of the peers: one thread, the same names, nothing that they would not need.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::link::{SERVER, SERVER_CPU, UPSTREAM};
use crate::queries::{self, NAMES, Names};
use crate::server::Kind;

/// Writes what `kind` takes to `folder`: the command line that starts it.
pub(crate) fn write(kind: Kind, names: Names, folder: &Path) -> Vec<String> {
    let file = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let at = folder.display();
    let line: Vec<String> = match (kind, names) {
        (Kind::Echo(driver), _) => echo(driver),
        (Kind::Knot { xdp }, _) => {
            let zone = file("zone", zone(names));
            let listen = if xdp { "" } else { "listen: 192.0.2.53@53\n  " };
            // XDP beside no socket is refused.
            let xdp = if xdp { "xdp:\n  listen: up0\n" } else { "" };
            let origin = origin(names);
            let text = format!(
                "server:\n  rundir: {at}\n  {listen}udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n{xdp}\
                 database:\n  storage: {at}\nzone:\n- domain: {origin}\n  file: {zone}\n  zonefile-sync: -1\n  journal-content: none\n"
            );
            vec!["knotd".into(), "-c".into(), file("knot.conf", text)]
        }
        (Kind::Nsd, _) => {
            let zone = file("zone", zone(names));
            vec![
                "nsd".into(),
                "-d".into(),
                "-c".into(),
                file("nsd.conf", nsd(&SERVER.to_string(), folder, names, &zone)),
            ]
        }
        (Kind::Unbound, _) => {
            vec!["unbound".into(), "-d".into(), "-c".into(), file("unbound.conf", unbound(names, folder))]
        }
        (Kind::Dnsmasq, _) => {
            let hosts = file("hosts", hosts(names));
            let text = format!(
                "listen-address={SERVER}\nbind-interfaces\nno-resolv\nno-hosts\nno-negcache\npid-file=\nuser=root\ncache-size=20000\naddn-hosts={hosts}\nlocal=/{}/\n",
                origin(names)
            );
            vec!["dnsmasq".into(), "-k".into(), "-C".into(), file("dnsmasq.conf", text)]
        }
        (Kind::CoreDns, Names::Cluster) => {
            let zone = file("zone", zone(names));
            let text = format!(".:53 {{\n  bind {SERVER}\n  file {zone} {}\n}}\n", origin(names));
            vec![coredns().display().to_string(), "-conf".into(), file("Corefile", text)]
        }
        (Kind::CoreDns, _) => {
            let text = format!(".:53 {{\n  bind {SERVER}\n  cache 3600\n  forward . {UPSTREAM}\n}}\n");
            vec![coredns().display().to_string(), "-conf".into(), file("Corefile", text)]
        }
        (Kind::Dnsdist, _) => {
            let text = format!(
                "setLocal('{SERVER}:53')\nsetACL('0.0.0.0/0')\nnewServer({{address='{UPSTREAM}', checkInterval=60}})\n\
                 setSecurityPollSuffix('')\ngetPool(''):setCache(newPacketCache(100000, {{maxTTL=86400}}))\n"
            );
            ["dnsdist", "--supervised", "-C"]
                .map(String::from)
                .into_iter()
                .chain([file("dnsdist.conf", text)])
                .collect()
        }
        (Kind::Sluice(_), _) => unreachable!("a gateway is started otherwise"),
    };
    line
}

/// NSD at an address.
pub(crate) fn nsd(address: &str, folder: &Path, names: Names, zone: &str) -> String {
    let at = folder.display();
    format!(
        "server:\n  server-count: 1\n  ip-address: {address}\n  username: \"\"\n  chroot: \"\"\n  database: \"\"\n  pidfile: \"\"\n  zonesdir: \"{at}\"\n  xfrdfile: \"{at}/xfrd\"\n  zonelistfile: \"{at}/zones\"\n  cookie-secret-file: \"\"\n  rrl-ratelimit: 0\n\
         remote-control:\n  control-enable: no\nzone:\n  name: {}\n  zonefile: {zone}\n",
        origin(names)
    )
}

/// A zone file.
pub(crate) fn zone(names: Names) -> String {
    let origin = origin(names);
    let mut text = format!(
        "$ORIGIN {origin}.\n$TTL 3600\n@ SOA ns hostmaster 1 7200 1800 86400 3600\n@ NS ns\nns A 192.0.2.1\n"
    );
    for n in (0..NAMES).filter(|n| queries::exists(*n)) {
        let _ = writeln!(text, "{}. A {}", queries::name(names, n), queries::address(names, n));
    }
    text
}

/// The domain of all names of a list.
pub(crate) fn origin(names: Names) -> &'static str {
    match names {
        Names::Cluster => "cluster.local",
        Names::Others => "example.com",
        Names::Random => "example.org",
    }
}

/// What `testbed/coredns/build.sh` built.
pub(crate) fn coredns() -> PathBuf {
    let folder =
        std::env::var_os("SLUICE_COREDNS").map_or_else(|| PathBuf::from("target/coredns"), PathBuf::from);
    folder.join("coredns")
}

fn hosts(names: Names) -> String {
    (0..NAMES)
        .filter(|n| queries::exists(*n))
        .map(|n| format!("{} {}\n", queries::address(names, n), queries::name(names, n)))
        .collect()
}

fn unbound(names: Names, folder: &Path) -> String {
    let mut text = format!(
        "server:\n  interface: {SERVER}\n  access-control: 0.0.0.0/0 allow\n  num-threads: 1\n  username: \"\"\n  chroot: \"\"\n  directory: \"{}\"\n  pidfile: \"\"\n  use-syslog: no\n  do-daemonize: no\n  do-ip6: no\n  module-config: iterator\n  minimal-responses: yes\n  msg-cache-size: 64m\n  rrset-cache-size: 128m\n",
        folder.display()
    );
    if names == Names::Cluster {
        let _ = writeln!(text, "  local-zone: {}. static", origin(names));
        for n in (0..NAMES).filter(|n| queries::exists(*n)) {
            let _ = writeln!(
                text,
                "  local-data: \"{}. 3600 A {}\"",
                queries::name(names, n),
                queries::address(names, n)
            );
        }
    } else {
        let _ = writeln!(text, "forward-zone:\n  name: .\n  forward-addr: {UPSTREAM}");
    }
    text += "remote-control:\n  control-enable: no\n";
    text
}

fn echo(driver: &str) -> Vec<String> {
    let huge = std::env::var("BENCH_HUGE").is_ok_and(|value| value == "1");
    let memory: &[&str] = if huge { &["--in-memory"] } else { &["--no-huge", "--no-shconf"] };
    let device = format!("--vdev={driver}0,iface=up0");
    // Its main thread only reads commands; the lcore that forwards is the other.
    let lcores = format!("(0,1)@{SERVER_CPU}");
    let mut line: Vec<&str> =
        vec!["dpdk-testpmd", "--lcores", &lcores, "--no-pci", "--no-telemetry", "-m", "128"];
    line.extend(memory);
    line.extend([&*device, "--", "--interactive", "--burst=64", "--nb-cores=1", "--total-num-mbufs=16384"]);
    line.extend(["--forward-mode=5tswap", "--auto-start", "--port-topology=loop"]);
    line.into_iter().map(String::from).collect()
}
