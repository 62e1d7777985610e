//! Services made one after the other: when is each first answered for, and rightly?

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use sluice_bench::objects::Objects;
use sluice_testbed::cluster::Cluster;
use sluice_testbed::{Gateway, Testbed, links};

use crate::Rows;
use crate::control::{self, Control};

/// Where queries are answered.
const DNS: &str = "203.0.113.53:53";
/// Services made.
const MADE: usize = 500;
/// A query that is not answered by then is asked again.
const AGAIN: Duration = Duration::from_millis(20);
/// Between a denial and the next query: without it the client would take a CPU from those who are to be measured.
const PAUSE: Duration = Duration::from_micros(250);
/// For the first answer, which waits for everything to start, and for each of the others.
const PATIENCE: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(10)];

/// A client that asks for one name over and over until it has an address.
struct Asker {
    names: Sender<(String, Duration)>,
    answers: Receiver<Asked>,
}

/// What came of asking for one name.
#[derive(Debug)]
struct Asked {
    /// When there was an address, and which; none where patience ended.
    found: Option<(Instant, IpAddr)>,
    queries: usize,
    /// Answers without an address.
    denied: usize,
    /// Answers to queries that were given up before.
    late: usize,
    /// The socket's error that came last, such as of nobody being there.
    error: Option<std::io::Error>,
}

impl Asker {
    /// In the client's namespace; it ends with this.
    fn start(bed: &Testbed) -> Self {
        let (names, wanted) = channel::<(String, Duration)>();
        let (sender, answers) = channel();
        bed.client.spawn(move || {
            let server: SocketAddr = DNS.parse().unwrap();
            let socket = UdpSocket::bind(("0.0.0.0", 0)).unwrap();
            socket.connect(server).unwrap();
            socket.set_read_timeout(Some(AGAIN)).unwrap();
            let mut id = 0_u16;
            for (name, patience) in wanted {
                if sender.send(ask(&socket, &mut id, &name, patience)).is_err() {
                    return;
                }
            }
        });
        Self { names, answers }
    }

    fn ask_for(&self, name: &str, patience: Duration) {
        self.names.send((name.to_owned(), patience)).unwrap();
    }

    /// What came of it; what is known of the gateway where it has no answer.
    fn answer(&self, gateway: &Gateway) -> (Instant, IpAddr, Asked) {
        let asked = self.answers.recv_timeout(PATIENCE[0] + PATIENCE[1]).expect("the client asks");
        match asked.found {
            Some((at, address)) => (at, address, asked),
            None => panic!("no answer: {asked:?}\n{}", gateway.log()),
        }
    }
}

/// Asks until there is an address, or patience ends.
fn ask(socket: &UdpSocket, id: &mut u16, name: &str, patience: Duration) -> Asked {
    let end = Instant::now() + patience;
    let mut asked = Asked { found: None, queries: 0, denied: 0, late: 0, error: None };
    while asked.found.is_none() && Instant::now() < end {
        *id = id.wrapping_add(1);
        asked.queries += 1;
        let mut reply = [0; 512];
        let received = socket.send(&query(*id, name)).and_then(|_| {
            loop {
                let length = socket.recv(&mut reply)?;
                // One that comes late is no answer to this query: who took it for one would be one behind for ever.
                if reply[..length].starts_with(&id.to_be_bytes()) {
                    return Ok(length);
                }
                asked.late += 1;
            }
        });
        match received.map(|length| address(&reply[..length])) {
            Ok(Some(address)) => asked.found = Some((Instant::now(), address)),
            Ok(None) => {
                asked.denied += 1;
                std::thread::sleep(PAUSE);
            }
            Err(error) => {
                if error.kind() != std::io::ErrorKind::WouldBlock {
                    std::thread::sleep(AGAIN);
                }
                asked.error = Some(error);
            }
        }
    }
    asked
}

/// A question for the IPv4 address of `name.default.svc.cluster.local`.
fn query(id: u16, name: &str) -> Vec<u8> {
    let mut query = id.to_be_bytes().to_vec();
    query.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in [name, "default", "svc", "cluster", "local"] {
        query.push(label.len() as u8);
        query.extend(label.as_bytes());
    }
    query.extend([0, 0, 1, 0, 1]);
    query
}

/// The address in a reply: one record, the last four bytes of it, nothing behind.
fn address(reply: &[u8]) -> Option<IpAddr> {
    let is_positive = reply.get(3)? & 15 == 0;
    let last = reply.last_chunk::<4>()?;
    (is_positive && reply.get(6..8)? == [0, 1]).then(|| Ipv4Addr::from(*last).into())
}

/// Client and gateway with its packet path on TAP ports, each in a namespace.
pub(crate) fn new_services(bed: &Testbed, cluster: &Cluster, objects: &Objects, rows: &mut Rows) {
    let dns = "dns: { addresses: [203.0.113.53], clients: [0.0.0.0/0] }\n";
    let config = control::configuration_with(bed, cluster, dns);
    control::forget_state(bed);
    let _control = Control::start(&config);
    let plane = Gateway::start(bed, "dataplane", &config).unwrap();
    links::attach_taps(bed, "dtap0", "dtap1").unwrap_or_else(|error| panic!("{error}\n{}", plane.log()));
    let asker = Asker::start(bed);
    // Everything that there was is answered for before anything is measured.
    asker.ask_for(&format!("s{}", objects.count() - 1), PATIENCE[0]);
    let (_, first, _) = asker.answer(&plane);
    assert_eq!(first, objects.address(objects.count() - 1));
    let (mut from_answer, mut from_request) = (Vec::new(), Vec::new());
    let (mut denied, mut queries, mut again) = (0, 0, 0);
    let before = control::within("0.005");
    for n in 0..MADE {
        let name = format!("n{n}");
        // It is asked for before it is there: nobody may remember that it was not.
        asker.ask_for(&name, PATIENCE[1]);
        std::thread::sleep(Duration::from_millis(5));
        let (requested, answered, made) = objects.make(&name);
        let (at, address, asked) = asker.answer(&plane);
        assert_eq!(address, made, "the first answer is the right one");
        denied += asked.denied;
        queries += asked.queries;
        again += usize::from(asked.error.is_some());
        from_answer.push(at.saturating_duration_since(answered).as_secs_f64() * 1e3);
        from_request.push(at.saturating_duration_since(requested).as_secs_f64() * 1e3);
    }
    eprintln!(
        "{queries} queries, {denied} denied, {again} names with a query that had no answer in {AGAIN:?}"
    );
    assert!(denied >= MADE, "each was asked for before it was there");
    let after = control::within("0.005");
    rows.add("dns.new.inside.5ms", "%", &[(after.0 - before.0) / (after.1 - before.1) * 100.0]);
    rows.add_times("dns.new.answer", from_answer);
    rows.add_times("dns.new.request", from_request);
}
