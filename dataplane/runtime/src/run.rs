//! From the configuration to a running data plane, and back.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use sluice_dpdk::{DeviceSpec, Eal, EalError, Lcore, LcoreError, RingError};
use sluice_engine::snapshot::PortInfo;
use sluice_engine::{PortId, Worker, WorkerConfig};
use sluice_memory::StorageError;
use sluice_observe::admin::Handler;
use sluice_observe::role;

use crate::admin::{AdminRequest, Server};
use crate::config::{ConfigError, DataplaneConfig};
use crate::flows::{FlowFiles, FlowsError};
use crate::instance::{Instance, InstanceError};
use crate::lcore::{LcoreShared, Mailbox, Tables, WorkerThread, now};
use crate::listener::FibListener;
use crate::netlink::link;
use crate::netlink::mirror::MirroredPort;
use crate::netlink::monitor::Monitor;
use crate::netlink::resolve::{Asker, Resolver};
use crate::netlink::socket::{NetlinkError, Socket};
use crate::ports::{
    HostError, HostInterfaces, OpenError, PacketMemory, PoolError, Wiring, open_port, start_eal, wire,
};
use crate::publish::{FeedThread, Inputs, PublisherThread, View};
use crate::punt::{PuntError, PuntInterface, PuntOptions};
use crate::query_log::QueryLog;
use crate::show::{LcoreHandle, Metrics, PortHandle, Show};
use crate::stop::Stop;
use crate::threads::Threads;

/// Fragmented datagrams that one lcore follows at once.
const FRAGMENTS: u32 = 4096;
/// Clients that one lcore remembers for session affinity.
const AFFINITY: u32 = 1 << 16;

/// Why the data plane did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The configuration cannot work.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Another process is in the way.
    #[error(transparent)]
    Instance(#[from] InstanceError),
    /// The flows have no place.
    #[error(transparent)]
    Flows(#[from] FlowsError),
    /// DPDK did not start.
    #[error(transparent)]
    Eal(#[from] EalError),
    /// The memory is too small.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// An interface of the host under a port.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A port.
    #[error(transparent)]
    Port(#[from] OpenError),
    /// A port's kernel interface.
    #[error(transparent)]
    Punt(#[from] PuntError),
    /// Netlink; also a route that Linux refused.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// A ring between lcores.
    #[error(transparent)]
    Ring(#[from] RingError),
    /// A worker's tables.
    #[error("tables of lcore {lcore}: {source}")]
    Tables {
        /// The lcore, from 0.
        lcore: u16,
        /// Why.
        source: StorageError,
    },
    /// A worker's thread could not run on its CPU.
    #[error("lcore {lcore}: {source}")]
    Lcore {
        /// The lcore, from 0.
        lcore: u16,
        /// Why.
        source: LcoreError,
    },
    /// The admin socket.
    #[error("admin socket {path}: {source}")]
    Admin {
        /// Where.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A signal handler could not be set.
    #[error("cannot set a signal handler: {0}")]
    Signals(#[source] io::Error),
    /// A thread could not be made.
    #[error("cannot make a thread: {0}")]
    Thread(#[source] io::Error),
    /// A thread ended by a fault of the program.
    #[error("the {0} thread has failed; this is an error in the program")]
    Failed(String),
}

impl RuntimeError {
    /// Whether the configuration is to blame, so that trying again is of no use.
    pub fn is_configuration(&self) -> bool {
        matches!(
            self,
            Self::Config(_) | Self::Port(OpenError::Device { .. }) | Self::Host(HostError::Unnamed { .. })
        )
    }
}

/// Runs a data plane until `stop` is set, calling `ready` once packets are forwarded by the first generation.
///
/// DPDK can be started once in a process's life, and so can this.
///
/// # Errors
/// [`RuntimeError`]. Whatever was set up by then is taken down again.
pub fn run(config: DataplaneConfig, stop: &Stop, ready: impl FnOnce()) -> Result<(), RuntimeError> {
    let started = Instant::now();
    config.check()?;
    survive_floods_of_signals()?;
    let instance = Instance::acquire(&config.runtime_dir)?;
    let lcores = config.lcores.len() as u16;
    let memory = PacketMemory::plan(&config)?;
    let devices = devices(&config)?;
    let files = FlowFiles::open(&config.flows_dir(), lcores)?;
    let mut netlink = Socket::route(0)?;

    let host = HostInterfaces::prepare(&config.ports, instance.prefix(), &mut netlink)?;
    let eal = start_eal(&config, instance.prefix(), &devices)?;
    let pool = memory.pool(&eal)?;
    let mut ports = Vec::new();
    for (port, device) in config.ports.iter().zip(&devices) {
        ports.push(open_port(&eal, port, device, &pool, lcores, memory.port_descriptors)?);
    }
    let mut punts = Vec::new();
    for (number, (port, open)) in config.ports.iter().zip(&ports).enumerate() {
        let options = PuntOptions { number, mac: open.mac, lcores, descriptors: memory.punt_descriptors };
        punts.push(PuntInterface::open(&eal, port, &pool, options, &mut netlink)?);
    }
    for route in &config.routes {
        let at = route.port.as_ref().and_then(|name| config.ports.iter().position(|port| port.name == *name));
        let interface = at.and_then(|at| punts.get(at)).map(|punt| punt.interface.index);
        link::add_route(&mut netlink, route.to, route.via, interface)?;
    }
    tracing::info!(elapsed = ?started.elapsed(), "ports are open");

    let shared: Vec<_> = (0..lcores).map(|_| Arc::new(LcoreShared::new(2 * ports.len()))).collect();
    let mut by_dpdk_id = Vec::new();
    let (mut mirrored, mut handles, mut port_queues, mut punt_queues) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (id, ((settings, port), punt)) in (0..=PortId::MAX).zip(config.ports.iter().zip(ports).zip(punts)) {
        let dpdk_id = usize::from(port.port.id());
        by_dpdk_id.resize(by_dpdk_id.len().max(dpdk_id + 1), None);
        if let Some(place) = by_dpdk_id.get_mut(dpdk_id) {
            *place = Some(id);
        }
        let info = PortInfo {
            id,
            name: settings.name.as_str().into(),
            mac: port.mac,
            mtu: settings.mtu,
            addresses: settings.addresses.clone(),
        };
        mirrored.push(MirroredPort { info, index: punt.interface.index });
        let queues = port.rx.len() as u16;
        port_queues.push((port.rx, port.tx));
        punt_queues.push((punt.rx, punt.tx));
        handles.push(PortHandle {
            config: settings.clone(),
            port: port.port,
            punt: punt.device,
            mac: port.mac,
            queues,
        });
    }
    let wirings = wire(&eal, port_queues, punt_queues, &shared, memory.ring())?;

    let view = Arc::new(Mutex::new(View::default()));
    let (publisher, inputs, tables) = PublisherThread::new(Arc::clone(&view));
    let interfaces: HashMap<_, _> = mirrored.iter().map(|port| (port.info.id, port.index)).collect();
    let (resolver, asker) = Resolver::new(interfaces)?;
    let mailboxes: Vec<_> = (0..lcores).map(|_| Arc::new(Mailbox::default())).collect();
    // Not one of the threads: it may wait for whoever reads the log.
    let log =
        QueryLog::start(config.query_log.clone(), &tables, &mailboxes, stop).map_err(RuntimeError::Thread)?;
    let mut threads = Threads::new(stop.clone());
    let result = (|| {
        let show = Arc::new(Show {
            started,
            config: config.clone(),
            ports: handles,
            pool: pool.clone(),
            huge_pages: eal.huge_pages(),
            lcores: config
                .lcores
                .iter()
                .zip(shared.iter().zip(&mailboxes))
                .map(|(&cpu, (shared, mailbox))| LcoreHandle {
                    cpu,
                    shared: Arc::clone(shared),
                    mailbox: Arc::clone(mailbox),
                })
                .collect(),
            tables: Arc::clone(&tables),
            view: Arc::clone(&view),
            log_lost: log.lost(),
            stop: stop.clone(),
        });
        // Ends with this block, before what it shows.
        let _metrics = match config.metrics {
            Some(address) => {
                let metrics = Arc::new(Metrics::new(Arc::clone(&show)));
                Some(role::serve(metrics, address).map_err(RuntimeError::Thread)?)
            }
            None => None,
        };
        let handler: Arc<dyn Handler<AdminRequest>> = show;
        threads.start("publisher", {
            let stop = stop.clone();
            move || publisher.run(&stop)
        })?;
        threads.start("resolver", {
            let stop = stop.clone();
            move || resolver.run(&stop)
        })?;
        let listener = FibListener::new(inputs.clone(), asker.clone());
        // Complete when this returns: the first snapshot that the feed leads to has the routes as well.
        let monitor = Monitor::start(mirrored, listener)?;
        threads.start("netlink", {
            let stop = stop.clone();
            move || monitor.run(&stop)
        })?;
        let path = config.admin_socket();
        let admin = Server::bind(&path, config.admin_group)
            .map_err(|source| RuntimeError::Admin { path: path.display().to_string(), source })?;
        threads.start("admin", {
            let stop = stop.clone();
            move || admin.run(&handler, &stop)
        })?;
        let parts = Parts {
            config: &config,
            eal: &eal,
            files: &files,
            tables: &tables,
            asker: &asker,
            by_dpdk_id: &by_dpdk_id,
            view: &view,
        };
        start_workers(&mut threads, &parts, wirings, &shared, &mailboxes)?;
        start_feed(&mut threads, &config, inputs, shared, view)?;
        tracing::info!(elapsed = ?started.elapsed(), "waiting for Services");
        threads.watch(&tables, config.feed_patience, ready)
    })();
    // Threads first: they hold the queues, without which the ports close.
    let ended = threads.end();
    log.settle();
    drop((pool, eal, host));
    drop(instance);
    result.and(ended)
}

/// TAP drivers learn of packets by real-time signals. Where more of those wait than the system queues, it sends `SIGIO`
/// instead, whose default is to end the process.
fn survive_floods_of_signals() -> Result<(), RuntimeError> {
    let ignored = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGIO, ignored).map(drop).map_err(RuntimeError::Signals)
}

fn devices(config: &DataplaneConfig) -> Result<Vec<DeviceSpec>, RuntimeError> {
    let parse = |port: &crate::config::PortConfig| {
        port.device.parse().map_err(|source| OpenError::Device { port: port.name.clone(), source }.into())
    };
    config.ports.iter().map(parse).collect()
}

/// What all workers are made from.
struct Parts<'a> {
    config: &'a DataplaneConfig,
    eal: &'a Eal,
    files: &'a FlowFiles,
    tables: &'a Arc<Tables>,
    asker: &'a Asker,
    by_dpdk_id: &'a [Option<PortId>],
    view: &'a Arc<Mutex<View>>,
}

fn start_workers(
    threads: &mut Threads,
    parts: &Parts<'_>,
    wirings: Vec<Wiring>,
    shared: &[Arc<LcoreShared>],
    mailboxes: &[Arc<Mailbox>],
) -> Result<(), RuntimeError> {
    let Parts { config, eal, files, tables, asker, by_dpdk_id, view } = parts;
    let lcores = config.lcores.len() as u16;
    let places = config.lcores.iter().zip(shared.iter().zip(mailboxes));
    for (lcore, (wiring, (&cpu, (shared, mailbox)))) in (0..lcores).zip(wirings.into_iter().zip(places)) {
        let settings =
            WorkerConfig { lcore, lcores, keys: files.keys(), fragments: FRAGMENTS, affinity: AFFINITY };
        let storage = files.storage(lcore, config.flows)?;
        let eal = (*eal).clone();
        let thread = WorkerThread {
            worker: Worker::new(settings, storage, now())
                .map_err(|source| RuntimeError::Tables { lcore, source })?,
            inlets: wiring.inlets,
            egress: wiring.egress,
            ports_by_dpdk_id: by_dpdk_id.to_vec(),
            tables: Arc::clone(tables),
            shared: Arc::clone(shared),
            mailbox: Arc::clone(mailbox),
            view: Arc::clone(view),
            asker: (*asker).clone(),
            idle: config.idle,
        };
        let stop = threads.stop.clone();
        threads.start_fallible(&format!("lcore-{lcore}"), move || {
            let attached =
                Lcore::attach(&eal, cpu as usize).map_err(|source| RuntimeError::Lcore { lcore, source })?;
            thread.run(&stop);
            drop(attached);
            Ok(())
        })?;
    }
    Ok(())
}

fn start_feed(
    threads: &mut Threads,
    config: &DataplaneConfig,
    inputs: Inputs,
    shared: Vec<Arc<LcoreShared>>,
    view: Arc<Mutex<View>>,
) -> Result<(), RuntimeError> {
    let feed = FeedThread::new(&config.feed, inputs, shared, view);
    let stop = threads.stop.clone();
    threads.start("feed", move || feed.run(&stop))
}
