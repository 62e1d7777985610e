//! `make run`: a gateway on two TAP ports between namespaces, real requests through it in a table, and then whatever the
//! user wants to try, until Ctrl-C.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::error::Error;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use sluice_testbed::client::{any, ask, eventually};
use sluice_testbed::pods::Pod;
use sluice_testbed::{Gateway, Testbed, links, run};

/// Pods of the demonstration's manifests.
const PODS: [(&str, &str); 4] = [
    ("web-1", "10.244.1.5:8080"),
    ("web-2", "10.244.2.5:8080"),
    ("web-1", "[fd00:10:244:1::5]:8080"),
    ("web-2", "[fd00:10:244:2::5]:8080"),
];

/// A row of the table.
struct Row {
    what: &'static str,
    to: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Tcp,
    Udp,
    TcpRefused,
    UdpRefused,
    /// The name of the demonstration's Service.
    Dns,
    /// The Ingress's host, from plain HTTP to HTTPS.
    Redirect,
    /// The Ingress's host within TLS.
    Https,
}

/// The host of the demonstration's Ingress.
const HOST: &str = "shop.example";

const ROWS: [Row; 21] = [
    Row { what: "LoadBalancer, IPv4, TCP", to: "203.0.113.10:80", kind: Kind::Tcp },
    Row { what: "LoadBalancer, IPv6, TCP", to: "[2001:db8:ff::10]:80", kind: Kind::Tcp },
    Row { what: "LoadBalancer, IPv4, UDP", to: "203.0.113.10:80", kind: Kind::Udp },
    Row { what: "LoadBalancer, IPv6, UDP", to: "[2001:db8:ff::10]:80", kind: Kind::Udp },
    Row { what: "NodePort, IPv4, TCP", to: "192.0.2.1:30080", kind: Kind::Tcp },
    Row { what: "NodePort, IPv6, TCP", to: "[2001:db8:1::1]:30080", kind: Kind::Tcp },
    Row { what: "NodePort, IPv4, UDP", to: "192.0.2.1:30080", kind: Kind::Udp },
    Row { what: "NodePort, IPv6, UDP", to: "[2001:db8:1::1]:30080", kind: Kind::Udp },
    Row { what: "ClusterIP, IPv4, TCP", to: "10.96.0.20:80", kind: Kind::Tcp },
    Row { what: "ClusterIP, IPv6, TCP", to: "[fd00:10:96::20]:80", kind: Kind::Tcp },
    Row { what: "ClusterIP, IPv4, UDP", to: "10.96.0.20:80", kind: Kind::Udp },
    Row { what: "ClusterIP, IPv6, UDP", to: "[fd00:10:96::20]:80", kind: Kind::Udp },
    Row { what: "no endpoints, IPv4, TCP", to: "203.0.113.11:80", kind: Kind::TcpRefused },
    Row { what: "no endpoints, IPv6, TCP", to: "[2001:db8:ff::11]:80", kind: Kind::TcpRefused },
    Row { what: "no endpoints, IPv4, UDP", to: "203.0.113.11:80", kind: Kind::UdpRefused },
    Row { what: "no endpoints, IPv6, UDP", to: "[2001:db8:ff::11]:80", kind: Kind::UdpRefused },
    Row { what: "cluster DNS, A", to: "10.96.0.10:53", kind: Kind::Dns },
    Row { what: "Ingress, IPv4, HTTP", to: "203.0.113.80:80", kind: Kind::Redirect },
    Row { what: "Ingress, IPv4, HTTPS", to: "203.0.113.80:443", kind: Kind::Https },
    Row { what: "Ingress, IPv6, HTTP", to: "[2001:db8:ff::80]:80", kind: Kind::Redirect },
    Row { what: "Ingress, IPv6, HTTPS", to: "[2001:db8:ff::80]:443", kind: Kind::Https },
];

fn main() -> ExitCode {
    match demonstrate() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn demonstrate() -> Result<bool, Box<dyn Error>> {
    let once = std::env::var("ONCE").is_ok_and(|value| value == "1");
    let stop = signal_hook::iterator::Signals::new([2, 15])?;
    let bed = Testbed::new()?;
    let config = copy_configuration(bed.folder())?;
    for (_, address) in PODS {
        bed.add_pod_address(address.parse::<SocketAddr>()?.ip())?;
    }
    let _pods = PODS
        .iter()
        .map(|(name, address)| Ok(Pod::start(&bed.node, name, address.parse()?)))
        .collect::<Result<Vec<_>, std::net::AddrParseError>>()?;
    println!("starting sluice run -c {} in namespace {}", config.display(), bed.gateway.name());
    let mut gateway = Gateway::start(&bed, "run", &config)?;
    if let Err(error) = links::attach_taps(&bed, "dtap0", "dtap1") {
        eprintln!("{}", gateway.log());
        return Err(error.into());
    }
    // The last is served by a role that waits for addresses of the first one's.
    let ready = eventually(Duration::from_secs(20), || {
        try_row(&bed, &ROWS[0]).and_then(|_| try_row(&bed, &ROWS[ROWS.len() - 1])).ok()
    });
    if ready.is_none() || !gateway.is_running() {
        eprintln!("{}", gateway.log());
        return Err("the gateway does not forward".into());
    }
    let passed = table(&bed);
    if !passed {
        eprintln!("{}", gateway.log());
    }
    if !once {
        hints(&bed, &config);
        wait(stop, &mut gateway);
    }
    Ok(passed)
}

/// The configuration and its manifests, where a user may change them.
fn copy_configuration(folder: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let from = std::env::var_os("SLUICE_CONFIGS").map_or_else(|| PathBuf::from("configs"), PathBuf::from);
    let manifests = folder.join("demo-manifests");
    std::fs::create_dir_all(&manifests)?;
    for entry in std::fs::read_dir(from.join("demo-manifests"))? {
        let entry = entry?;
        std::fs::copy(entry.path(), manifests.join(entry.file_name()))?;
    }
    let config = folder.join("demo.yaml");
    let own = format!("runtime_dir: {}\n", folder.join("run").display());
    std::fs::write(&config, own + &std::fs::read_to_string(from.join("demo.yaml"))?)?;
    Ok(config)
}

fn table(bed: &Testbed) -> bool {
    println!("\n{:<26} {:<24} {:>9}  result", "request", "to", "took");
    let mut passed = true;
    for row in &ROWS {
        let start = Instant::now();
        let result = try_row(bed, row);
        let took = start.elapsed().as_secs_f64() * 1e3;
        passed &= result.is_ok();
        let text = match &result {
            Ok(text) => format!("ok    {text}"),
            Err(text) => format!("FAIL  {text}"),
        };
        println!("{:<26} {:<24} {took:>6.1} ms  {text}", row.what, row.to);
    }
    println!("\n{}", if passed { "all requests went as they should" } else { "some requests FAILED" });
    passed
}

fn try_row(bed: &Testbed, row: &Row) -> Result<String, String> {
    let url = format!("http://{}/", row.to);
    let curl = || {
        let mut command = bed.client.command("curl");
        command.args(["-gsS", "--max-time", "2", &url]);
        run::output(&mut command).map_err(|e| e.to_string())
    };
    let asked = || {
        let to: SocketAddr = row.to.parse().map_err(|_| "not an address".to_owned())?;
        Ok::<_, String>(ask(&bed.client, any(to.ip()), to, "hello", Duration::from_secs(2)))
    };
    let ingress = |scheme: &str, arguments: &[&str]| {
        let mut command = bed.client.command("curl");
        let to = format!("{HOST}:{}:{}", if scheme == "http" { 80 } else { 443 }, ip_of(row.to));
        command.args(["-gsS", "--max-time", "2", "--resolve", &to, &format!("{scheme}://{HOST}/")]);
        let output = run::output(command.args(arguments)).map_err(|e| e.to_string())?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
            false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        }
    };
    match row.kind {
        Kind::Tcp => {
            let output = curl()?;
            let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            if output.status.success() && text.starts_with("web-") {
                return Ok(format!("answered by {text}"));
            }
            Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
        }
        Kind::TcpRefused => {
            let start = Instant::now();
            let code = curl()?.status.code();
            // curl(1): 7 is "failed to connect"; a second would be a retransmitted SYN, not a refusal.
            if code == Some(7) && start.elapsed() < Duration::from_millis(900) {
                return Ok("refused at once".into());
            }
            Err(format!("curl ended with {code:?} after {:?}", start.elapsed()))
        }
        Kind::Udp => match asked()? {
            Ok(text) if text.starts_with("web-") => {
                Ok(format!("answered by {}", text.trim_end_matches(" hello")))
            }
            other => Err(format!("{other:?}")),
        },
        Kind::Dns => {
            let name = "web.default.svc.cluster.local";
            let mut command = bed.client.command("dig");
            command.args(["+short", "+tries=1", "+time=2", &format!("@{}", ip_of(row.to)), name]);
            let output = run::output(&mut command).map_err(|e| e.to_string())?;
            match String::from_utf8_lossy(&output.stdout).trim() {
                text @ "10.96.0.20" => Ok(format!("{name} is {text}")),
                other => Err(other.to_owned()),
            }
        }
        Kind::Redirect => {
            match ingress("http", &["-o", "/dev/null", "-w", "%{http_code} %{redirect_url}"])? {
                text if text.starts_with("308 https://shop.example") => Ok(text),
                other => Err(other),
            }
        }
        // The gateway's own certificate is self-signed.
        Kind::Https => match ingress("https", &["-k", "-w", ", by HTTP/%{http_version}"])? {
            text if text.starts_with("web-") => Ok(format!("answered by {}", text.replace('\n', ""))),
            other => Err(other),
        },
        Kind::UdpRefused => match asked()? {
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
                Ok("refused at once".into())
            }
            other => Err(format!("{other:?}")),
        },
    }
}

/// The address of `address:port`.
fn ip_of(to: &str) -> &str {
    to.rsplit_once(':').map_or(to, |(address, _)| address)
}

fn hints(bed: &Testbed, config: &Path) {
    let (client, gateway) = (bed.client.name(), bed.gateway.name());
    let sluice = sluice_testbed::gateway::binary();
    let (sluice, config) = (sluice.display(), config.display());
    println!(
        "
The gateway is up. Things to try from another terminal, as root:

  ip netns exec {client} curl http://203.0.113.10/
  ip netns exec {client} curl -k --resolve {HOST}:443:203.0.113.80 https://{HOST}/
  ip netns exec {client} dig @10.96.0.10 web.default.svc.cluster.local
  ip netns exec {gateway} {sluice} show services -c {config}
  ip netns exec {gateway} {sluice} explain 192.0.2.100 203.0.113.10 tcp 80 -c {config}
  ip netns exec {gateway} {sluice} explain http https://{HOST}/ -c {config}
  ip netns exec {gateway} {sluice} trace -c {config}
  ip netns exec {gateway} {sluice} show counters -c {config}
  ip netns exec {gateway} {sluice} show problems -c {config}
  edit {folder}/demo-manifests/web.yaml: forwarding follows within a second

Ctrl-C ends it and leaves nothing behind.",
        folder = bed.folder().display()
    );
}

fn wait(mut stop: signal_hook::iterator::Signals, gateway: &mut Gateway) {
    loop {
        if stop.pending().next().is_some() {
            println!("\nstopping");
            return;
        }
        if !gateway.is_running() {
            eprintln!("{}\nthe gateway ended", gateway.log());
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}
