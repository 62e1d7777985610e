//! Services made one after the other: when is each first answered for, and rightly?

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use sluice_testbed::cluster::Cluster;
use sluice_testbed::{Gateway, Testbed, links};

use crate::control::{self, Control};
use crate::objects::Objects;
use crate::{PATIENCE, Rows};

/// Where queries are answered.
const DNS: &str = "203.0.113.53:53";
/// Services made.
const MADE: usize = 500;
/// A query that is not answered by then is asked again.
const AGAIN: Duration = Duration::from_millis(20);

/// A client that asks for one name over and over until it has an address.
struct Asker {
    names: Sender<String>,
    answers: Receiver<(Instant, IpAddr, usize)>,
}

impl Asker {
    /// In the client's namespace; it ends with this.
    fn start(bed: &Testbed) -> Self {
        let (names, wanted) = channel::<String>();
        let (sender, answers) = channel();
        bed.client.spawn(move || {
            let server: SocketAddr = DNS.parse().unwrap();
            let socket = UdpSocket::bind(("0.0.0.0", 0)).unwrap();
            socket.connect(server).unwrap();
            socket.set_read_timeout(Some(AGAIN)).unwrap();
            let mut id = 0_u16;
            for name in wanted {
                let end = Instant::now() + PATIENCE;
                let mut refused = 0;
                while Instant::now() < end {
                    id = id.wrapping_add(1);
                    let _ = socket.send(&query(id, &name));
                    let mut reply = [0; 512];
                    let Ok(length) = socket.recv(&mut reply) else { continue };
                    match address(id, &reply[..length]) {
                        Some(address) => {
                            let _ = sender.send((Instant::now(), address, refused));
                            break;
                        }
                        None => refused += 1,
                    }
                }
            }
        });
        Self { names, answers }
    }
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

/// The address in a reply to that question: one record, the last four bytes of it, nothing behind.
fn address(id: u16, reply: &[u8]) -> Option<IpAddr> {
    let is_answer = reply.starts_with(&id.to_be_bytes()) && reply.get(3)? & 15 == 0;
    let last = reply.last_chunk::<4>()?;
    (is_answer && reply.get(6..8)? == [0, 1]).then(|| Ipv4Addr::from(*last).into())
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
    asker.names.send(format!("s{}", objects.len() - 1)).unwrap();
    let (_, first, _) = asker.answers.recv_timeout(PATIENCE).expect("an answer");
    assert_eq!(first, objects.address(objects.len() - 1));
    let (mut from_answer, mut from_request) = (Vec::new(), Vec::new());
    let mut denials = 0;
    for n in 0..MADE {
        let name = format!("n{n}");
        // It is asked for before it is there: nobody may remember that it was not.
        asker.names.send(name.clone()).unwrap();
        std::thread::sleep(Duration::from_millis(5));
        let (asked, answered, made) = objects.make(&name);
        let (at, address, refused) = asker.answers.recv_timeout(PATIENCE).expect("an answer");
        assert_eq!(address, made, "the first answer is the right one");
        denials += refused;
        from_answer.push(at.saturating_duration_since(answered).as_secs_f64() * 1e3);
        from_request.push(at.saturating_duration_since(asked).as_secs_f64() * 1e3);
    }
    eprintln!("{denials} denials before");
    rows.add_times("dns.new.answer", from_answer);
    rows.add_times("dns.new.request", from_request);
}
