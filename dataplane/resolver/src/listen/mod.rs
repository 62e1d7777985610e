//! Where queries are taken.

mod connection;
mod gate;
mod https;
mod share;
mod tcp;
mod udp;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use arc_swap::ArcSwap;
use ipnet::IpNet;
use rustls::ServerConfig;
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub(crate) use gate::Gate;

use crate::authority::Transport;
use crate::config::{Listener, Protocol};
use crate::service::Service;
use crate::tls::{self, TlsError};

/// An address that takes queries, while it does.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// The address with the port it has.
    pub(crate) address: SocketAddr,
    /// As it is called in metrics.
    pub(crate) label: Arc<str>,
    /// As names of no zone are called there.
    pub(crate) dropped: Arc<str>,
    access: ArcSwap<Access>,
    tls: Option<ArcSwap<ServerConfig>>,
    /// Where requests over HTTPS go.
    path: Option<String>,
}

/// Who may ask, and for whom others are asked.
#[derive(Debug)]
struct Access {
    clients: Vec<IpNet>,
    recursion: Option<Vec<IpNet>>,
}

impl Access {
    fn of(settings: &Listener) -> Self {
        Self { clients: settings.clients.clone(), recursion: settings.recursion.clone() }
    }
}

impl Endpoint {
    /// Whether a client may ask here.
    pub(crate) fn allows(&self, client: IpAddr) -> bool {
        contain(&self.access.load().clients, client)
    }

    /// Whether upstreams are asked for a client, and what they said is told it.
    pub(crate) fn recurses(&self, client: IpAddr) -> bool {
        self.access.load().recursion.as_ref().is_none_or(|networks| contain(networks, client))
    }
}

fn contain(networks: &[IpNet], client: IpAddr) -> bool {
    let client = client.to_canonical();
    networks.iter().any(|net| net.contains(&client))
}

/// A listener whose socket is open.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) settings: Listener,
    pub(crate) endpoint: Arc<Endpoint>,
    socket: Option<Socket>,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
enum Socket {
    Datagrams(Arc<UdpSocket>),
    Stream(TcpListener),
}

impl Bound {
    /// Opens a listener's socket.
    pub(crate) async fn open(settings: &Listener) -> std::io::Result<Self> {
        let (socket, address) = match settings.protocol {
            Protocol::Udp => {
                let socket = udp::bind(settings.address).await?;
                let address = socket.local_addr()?;
                (Socket::Datagrams(Arc::new(socket)), address)
            }
            Protocol::Tcp | Protocol::Tls(_) | Protocol::Https { .. } => {
                let socket = TcpListener::bind(settings.address).await?;
                let address = socket.local_addr()?;
                (Socket::Stream(socket), address)
            }
        };
        let tls = server(&settings.protocol).map_err(std::io::Error::other)?;
        let (scheme, path) = match &settings.protocol {
            Protocol::Udp | Protocol::Tcp => ("dns", None),
            Protocol::Tls(_) => ("tls", None),
            Protocol::Https { path, .. } => ("https", Some(path.clone())),
        };
        let endpoint = Endpoint {
            address,
            label: format!("{scheme}://{address}").into(),
            dropped: "dropped".into(),
            access: ArcSwap::from_pointee(Access::of(settings)),
            tls: tls.map(ArcSwap::new),
            path,
        };
        let (stop, _) = watch::channel(false);
        Ok(Self {
            settings: settings.clone(),
            endpoint: Arc::new(endpoint),
            socket: Some(socket),
            stop,
            tasks: Vec::new(),
        })
    }

    /// Whether it is the socket that a listener's settings want.
    pub(crate) fn serves(&self, settings: &Listener) -> bool {
        let kind = match (&settings.protocol, &self.settings.protocol) {
            (Protocol::Https { path, .. }, Protocol::Https { path: other, .. }) => path == other,
            (one, other) => std::mem::discriminant(one) == std::mem::discriminant(other),
        };
        kind && self.settings.address == settings.address
    }

    /// Takes over who may ask, and the certificate.
    pub(crate) fn adopt(&mut self, settings: &Listener) -> Result<(), TlsError> {
        if let (Some(current), Some(tls)) = (&self.endpoint.tls, server(&settings.protocol)?) {
            current.store(tls);
        }
        self.endpoint.access.store(Arc::new(Access::of(settings)));
        self.settings = settings.clone();
        Ok(())
    }

    /// Starts taking queries, if it has not.
    pub(crate) fn run(&mut self, service: &Arc<Service>, gate: &Arc<Gate>) {
        match self.socket.take() {
            Some(Socket::Datagrams(socket)) => {
                // Several tasks take turns at the socket, so that one that answers does not keep the next from being read.
                let tasks = std::thread::available_parallelism().map_or(1, usize::from).clamp(1, 4);
                for _ in 0..tasks {
                    let (socket, endpoint) = (socket.clone(), self.endpoint.clone());
                    let running = udp::run(socket, endpoint, service.clone(), self.stop.subscribe());
                    self.tasks.push(tokio::spawn(running));
                }
            }
            Some(Socket::Stream(socket)) => {
                let transport = match self.settings.protocol {
                    Protocol::Udp | Protocol::Tcp => Transport::Tcp,
                    Protocol::Tls(_) => Transport::Tls,
                    Protocol::Https { .. } => Transport::Https,
                };
                let listener = tcp::Listening {
                    endpoint: self.endpoint.clone(),
                    transport,
                    service: service.clone(),
                    gate: gate.clone(),
                    stop: self.stop.subscribe(),
                };
                self.tasks.push(tokio::spawn(listener.run(socket)));
            }
            None => {}
        }
    }

    /// Takes no more queries. Those that came are answered.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// The same, and waits until the address is free.
    pub(crate) async fn close(&mut self) {
        self.stop();
        for task in self.tasks.drain(..) {
            // One that has ended by itself is as good.
            let _ = task.await;
        }
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        self.stop();
    }
}

fn server(protocol: &Protocol) -> Result<Option<Arc<ServerConfig>>, TlsError> {
    match protocol {
        Protocol::Tls(identity) => tls::server(identity, &[b"dot"]).map(Some),
        Protocol::Https { identity, .. } => tls::server(identity, &https::ALPN).map(Some),
        Protocol::Udp | Protocol::Tcp => Ok(None),
    }
}
