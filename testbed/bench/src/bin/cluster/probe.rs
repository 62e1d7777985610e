//! Connections, one after the other: which endpoint has the newest?

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sluice_bench::objects::Objects;
use sluice_testbed::cluster::Cluster;
use sluice_testbed::netns::Netns;
use sluice_testbed::{Gateway, Testbed, links};

use crate::control::{self, Control};
use crate::{PATCHES, PATIENCE, Rows};

/// The port of all endpoints.
const PORT: u16 = 8080;
/// Not for longer than this, with however many changes there were until then.
const ENOUGH: Duration = Duration::from_secs(90);
/// A connection that is not made by then is not counted on.
const CONNECT: Duration = Duration::from_millis(100);

/// A client that connects to one address over and over, and all endpoints there are.
pub(crate) struct Probe {
    target: Arc<Mutex<Option<SocketAddr>>>,
    arrived: Receiver<(IpAddr, Instant)>,
}

impl Probe {
    /// With the client in one namespace, or none: that of this thread, and the endpoints in the other.
    pub(crate) fn start(client: &Netns, endpoints: &Netns) -> Self {
        // All addresses of pods are here.
        endpoints.ip("route replace local 10.128.0.0/9 dev lo").unwrap();
        let (sender, arrived) = channel();
        let listener = endpoints.enter(|| TcpListener::bind(("0.0.0.0", PORT)).unwrap());
        // They end with the program.
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let at = Instant::now();
                if let Ok(local) = stream.local_addr()
                    && sender.send((local.ip(), at)).is_err()
                {
                    return;
                }
            }
        });
        let target = Arc::new(Mutex::new(None));
        let shared: Arc<Mutex<Option<SocketAddr>>> = Arc::clone(&target);
        client.spawn(move || {
            while Arc::strong_count(&shared) > 1 {
                let target = *shared.lock().unwrap();
                match target {
                    // The other end closes first: no port here has to wait before it is used again.
                    Some(target) => drop(TcpStream::connect_timeout(&target, CONNECT)),
                    None => std::thread::sleep(Duration::from_millis(1)),
                }
            }
        });
        Self { target, arrived }
    }

    /// Connects to this Service from now on.
    pub(crate) fn aim(&self, to: Option<IpAddr>) {
        *self.target.lock().unwrap() = to.map(|ip| SocketAddr::new(ip, 80));
        while self.arrived.try_recv().is_ok() {}
    }

    /// When the first connection came to an endpoint that `is_it`.
    pub(crate) fn until(&self, is_it: impl Fn(IpAddr) -> bool) -> Instant {
        let end = Instant::now() + PATIENCE;
        while let Ok((ip, at)) = self.arrived.recv_timeout(end.saturating_duration_since(Instant::now())) {
            if is_it(ip) {
                return at;
            }
        }
        panic!("no connection came to it within {PATIENCE:?}");
    }

    /// Changes slices one after the other: from the API server's answer to the first connection to a new endpoint, in ms.
    pub(crate) fn patches(&self, objects: &Objects, count: usize, first_round: usize) -> Vec<f64> {
        let start = Instant::now();
        let mut took = Vec::new();
        while took.len() < count && start.elapsed() < ENOUGH {
            let (n, round) = (took.len(), first_round + took.len());
            self.aim(Some(objects.address(objects.service_of(n))));
            // It is served, and by others.
            self.until(|ip| !objects.is_of(round, ip));
            let answered = objects.replace(n, round);
            let at = self.until(|ip| objects.is_of(round, ip));
            took.push(at.saturating_duration_since(answered).as_secs_f64() * 1e3);
        }
        self.aim(None);
        took
    }
}

/// Client, gateway with its packet path on TAP ports, and pods, each in a namespace.
pub(crate) fn through_a_gateway(bed: &Testbed, cluster: &Cluster, objects: &Objects, rows: &mut Rows) {
    let config = control::configuration(bed, cluster);
    control::forget_state(bed);
    let _control = Control::start(&config);
    let plane = Gateway::start(bed, "dataplane", &config).unwrap();
    links::attach_taps(bed, "dtap0", "dtap1").unwrap_or_else(|error| panic!("{error}\n{}", plane.log()));
    let probe = Probe::start(&bed.client, &bed.node);
    probe.aim(Some(objects.address(objects.count() - 1)));
    probe.until(|_| true);
    rows.add_times("sync.patch.packet", probe.patches(objects, PATCHES, 1000));
}
