//! What the admin socket answers.

mod clients;
mod counters;
mod dns;
mod explain;
mod flows;
mod metrics;
mod objects;
mod trace;
mod zones;

use std::io;
use std::net::IpAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use sluice_dpdk::{Mempool, Port};
use sluice_engine::flow::FlowRecord;
use sluice_model::ServiceName;
use sluice_observe::admin::Handler;

use crate::admin::protocol::{Status, VersionInfo};
use crate::admin::{AdminRequest, AdminResponse, Failure};
use crate::config::{DataplaneConfig, PortConfig};
use crate::lcore::{LcoreShared, Mailbox, Tables};
use crate::publish::View;
use crate::stop::Stop;

pub use metrics::Metrics;

/// Objects in one part of an answer.
const PART: usize = 256;

/// Where parts of an answer go.
type Say<'a> = dyn FnMut(AdminResponse) -> io::Result<()> + 'a;

/// An lcore, seen from outside.
#[derive(Clone, Debug)]
pub struct LcoreHandle {
    /// The CPU that it runs on.
    pub cpu: u32,
    /// What it shows.
    pub shared: Arc<LcoreShared>,
    /// Where it takes requests.
    pub mailbox: Arc<Mailbox>,
}

/// A port, seen from outside.
pub struct PortHandle {
    /// As configured.
    pub config: PortConfig,
    /// The port.
    pub port: Port,
    /// The device of its kernel interface.
    pub punt: Port,
    /// Its hardware address.
    pub mac: [u8; 6],
    /// Its receive queues.
    pub queues: u16,
}

/// Answers from what the other threads show.
pub struct Show {
    /// When the process began to start.
    pub started: Instant,
    /// The configuration.
    pub config: DataplaneConfig,
    /// The ports.
    pub ports: Vec<PortHandle>,
    /// The packet buffers.
    pub pool: Mempool,
    /// Whether they lie in huge pages.
    pub huge_pages: bool,
    /// The lcores.
    pub lcores: Vec<LcoreHandle>,
    /// The tables in effect.
    pub tables: Arc<Tables>,
    /// What is in effect, by names.
    pub view: Arc<Mutex<View>>,
    /// Lines of the query log that were lost where it is written.
    pub log_lost: Arc<AtomicU64>,
    /// To end everything.
    pub stop: Stop,
}

impl Handler<AdminRequest> for Show {
    fn handle(&self, request: AdminRequest, say: &mut Say<'_>) -> Result<(), Failure> {
        match request {
            AdminRequest::Version => Ok(say(AdminResponse::Version(self.version()))?),
            AdminRequest::Status => Ok(say(AdminResponse::Status(self.status()))?),
            AdminRequest::Services { namespace, name } => {
                let rows = self.services(namespace.as_deref(), name.as_deref());
                in_parts(rows, say, AdminResponse::Services)
            }
            AdminRequest::Backends { namespace, name } => {
                let rows = self.backends(namespace.as_deref(), name.as_deref());
                in_parts(rows, say, AdminResponse::Backends)
            }
            AdminRequest::Flows { address, limit } => self.flows(address, limit, say),
            AdminRequest::Ports => Ok(say(AdminResponse::Ports(self.ports()))?),
            AdminRequest::Routes => in_parts(self.routes(), say, AdminResponse::Routes),
            AdminRequest::Neighbors => in_parts(self.neighbors(), say, AdminResponse::Neighbors),
            AdminRequest::DnsZones => in_parts(self.dns_zones(), say, AdminResponse::DnsZones),
            AdminRequest::DnsClients => Ok(say(AdminResponse::DnsClients(Box::new(self.dns_clients()?)))?),
            AdminRequest::Counters => Ok(say(AdminResponse::Counters(self.counters()))?),
            AdminRequest::Lcores => Ok(say(AdminResponse::Lcores(self.lcores()))?),
            AdminRequest::Explain(query) => Ok(say(AdminResponse::Explain(Box::new(self.explain(&query))))?),
            AdminRequest::Dns(question) => {
                let said = self.dns(&question).map_err(|error| Failure::Refused(error.to_string()))?;
                Ok(say(AdminResponse::Dns(Box::new(said)))?)
            }
            AdminRequest::DnsNames => in_parts(self.dns_names(), say, AdminResponse::DnsNames),
            AdminRequest::Trace { filter, seconds } => self.trace(&filter, seconds, say),
            AdminRequest::Shutdown => {
                tracing::info!("told to end");
                self.stop.set();
                Ok(())
            }
        }
    }
}

impl Show {
    fn view(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn version(&self) -> VersionInfo {
        VersionInfo {
            sluice: env!("CARGO_PKG_VERSION").to_owned(),
            dpdk: sluice_dpdk::version().to_owned(),
            pid: std::process::id(),
            uptime_seconds: self.started.elapsed().as_secs(),
        }
    }

    fn status(&self) -> Status {
        let view = self.view();
        let flows = self.lcores.iter().map(|lcore| lcore.shared.flows());
        let [used, capacity] =
            flows.fold([0, 0], |[u, c], flows| [u + u64::from(flows.used()), c + u64::from(flows.capacity)]);
        Status {
            ready: self.tables.is_open(),
            generation: view.generation,
            feed_connected: view.feed.connected,
            feed_error: view.feed.error.clone(),
            services: view.services.len() as u64,
            routes: view.routes.len() as u64,
            neighbors: view.neighbors.len() as u64,
            flows: used,
            flow_capacity: capacity,
            huge_pages: self.huge_pages,
            buffers: [self.pool.capacity().into(), self.pool.available().into()],
            conflicts: view.conflicts.clone(),
        }
    }

    /// A port's name by its number.
    fn port_name(&self, id: u8) -> String {
        self.config.ports.get(usize::from(id)).map_or_else(|| format!("#{id}"), |port| port.name.clone())
    }
}

/// A Service's port as people write it.
fn service_port(service: &ServiceName, port: &str) -> String {
    if port.is_empty() { service.to_string() } else { format!("{service}:{port}") }
}

/// Says rows in several parts, so that none is too long.
fn in_parts<T>(rows: Vec<T>, say: &mut Say<'_>, part: fn(Vec<T>) -> AdminResponse) -> Result<(), Failure> {
    let mut rows = rows.into_iter();
    loop {
        let some: Vec<T> = rows.by_ref().take(PART).collect();
        if some.is_empty() {
            return Ok(());
        }
        say(part(some))?;
    }
}

/// A hardware address as people write it.
fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// Whether a flow touches an address.
fn touches(record: &FlowRecord, ip: IpAddr) -> bool {
    [record.client, record.frontend, record.source, record.backend].iter().any(|end| end.ip() == ip)
}
