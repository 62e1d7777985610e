//! Connections through the gateway: many short ones, and one that carries much.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sluice_bench::program::command;
use sluice_testbed::Netns;
use sluice_testbed::client::eventually;

use crate::link::{LOAD_CPU, Link};
use crate::rules::{IPERF, PORT, TARGET, VIP};

/// Connections under way at once, and threads that serve them.
const CLIENTS: usize = 16;
const SERVERS: usize = 4;
/// A connection that takes longer does not count.
const PATIENCE: Duration = Duration::from_secs(1);
/// Before connections are counted.
const WARM: Duration = Duration::from_millis(200);

/// Answers each connection's request with a few bytes and closes it, until killed.
pub(crate) fn serve() {
    let listener = TcpListener::bind(("0.0.0.0", TARGET)).unwrap();
    let work = || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut request = [0; 256];
            if stream.read(&mut request).is_ok_and(|length| length > 0) {
                let _ = stream.write_all(&[b'a'; 64]);
            }
        }
    };
    std::thread::scope(|scope| (0..SERVERS).for_each(|_| drop(scope.spawn(work))));
}

/// Connections to the Service in a second: made, asked, answered, closed by the other end.
pub(crate) fn connect(seconds: f64) -> f64 {
    let (stop, count) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    if once().is_ok() {
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        std::thread::sleep(WARM);
        let (start, before) = (Instant::now(), count.load(Ordering::Relaxed));
        std::thread::sleep(Duration::from_secs_f64(seconds));
        let made = count.load(Ordering::Relaxed) - before;
        let rate = made as f64 / start.elapsed().as_secs_f64();
        stop.store(true, Ordering::Relaxed);
        rate
    })
}

fn once() -> std::io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::from((VIP, PORT)), PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
    let (mut answer, mut length) = ([0; 256], 0);
    loop {
        match stream.read(&mut answer)? {
            0 => break,
            n => length += n,
        }
    }
    if length == 64 { Ok(()) } else { Err(std::io::Error::other("not the whole answer")) }
}

/// What serves in the backends' namespace, ended when dropped.
pub(crate) struct Servers(Vec<Child>);

impl Servers {
    /// Starts it.
    pub(crate) fn start(node: &Netns) -> Self {
        let this = std::env::current_exe().unwrap().display().to_string();
        let cpu = LOAD_CPU.to_string();
        let iperf = IPERF.to_string();
        let start = |line: &[&str]| command(node, line).stdout(Stdio::null()).spawn().unwrap();
        Self(vec![
            start(&["taskset", "-c", &cpu, &this, "serve"]),
            start(&["taskset", "-c", &cpu, "iperf3", "-s", "-p", &iperf]),
        ])
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Whether connections come through before long.
pub(crate) fn comes_through(link: &Link, patience: Duration) -> bool {
    link.bed.client.enter(move || eventually(patience, || once().ok()).is_some())
}

/// Connections a second, from a process in the client's namespace.
pub(crate) fn connections(link: &Link, seconds: f64) -> f64 {
    let this = std::env::current_exe().unwrap().display().to_string();
    let text = output(client(link, &[&this, "connect", &seconds.to_string()]));
    text.trim().parse().unwrap_or_else(|_| panic!("no figure: {text}"))
}

/// Gbit/s of one TCP stream.
pub(crate) fn stream(link: &Link, seconds: u32) -> f64 {
    let (port, time, vip) = (IPERF.to_string(), seconds.to_string(), VIP.to_string());
    let text = output(client(link, &["iperf3", "-c", &vip, "-p", &port, "-t", &time, "-J"]));
    let json: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    json["end"]["sum_received"]["bits_per_second"].as_f64().unwrap_or_else(|| panic!("iperf3: {text}")) / 1e9
}

/// A running generator.
pub(crate) fn generator(link: &Link, seconds: f64) -> Child {
    let this = std::env::current_exe().unwrap().display().to_string();
    client(link, &[&this, "generate", &seconds.to_string()]).stdout(Stdio::piped()).spawn().unwrap()
}

fn client(link: &Link, line: &[&str]) -> Command {
    let cpu = LOAD_CPU.to_string();
    let line: Vec<&str> = ["taskset", "-c", &cpu].into_iter().chain(line.iter().copied()).collect();
    command(&link.bed.client, &line)
}

fn output(mut command: Command) -> String {
    let output = command.output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}
