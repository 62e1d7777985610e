//! Fake upstreams, which do what real ones cannot be made to do, and a client.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "it is of tests")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use hickory_proto::rr::rdata::{A, CNAME, SOA};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use sluice_resolver::config::{Forward, HealthCheck, Limits, Listener, Protocol, Settings, Upstream, Zone};
use sluice_resolver::{Authority, Config, Handle, NoAuthority, Resolver};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// What a fake upstream does with a query: messages to send, each after a time.
pub type Script = dyn Fn(&Message, bool) -> Vec<(Duration, Vec<u8>)> + Send + Sync;

/// An upstream under a script. The flag it gets says whether the query came over TCP.
pub struct Fake {
    pub address: SocketAddr,
    pub asked: Arc<AtomicUsize>,
    pub seen: Arc<Mutex<Vec<(SocketAddr, Message, bool)>>>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

impl Fake {
    pub async fn start(
        script: impl Fn(&Message, bool) -> Vec<(Duration, Vec<u8>)> + Send + Sync + 'static,
    ) -> Self {
        let (tcp, udp) = loop {
            let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()).await {
                break (tcp, Arc::new(udp));
            }
        };
        let address = tcp.local_addr().unwrap();
        // What the resolver asks to find loops is answered as any server would.
        let script: Arc<Script> =
            Arc::new(move |query: &Message, stream| match query.queries[0].query_type {
                RecordType::HINFO => now(failure(query, ResponseCode::NXDomain)),
                _ => script(query, stream),
            });
        let (asked, seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let note = {
            let (asked, seen) = (asked.clone(), seen.clone());
            move |from, query: &Message, stream| {
                if query.queries[0].query_type != RecordType::HINFO {
                    asked.fetch_add(1, Ordering::SeqCst);
                    seen.lock().unwrap().push((from, query.clone(), stream));
                }
            }
        };
        let (script2, note2) = (script.clone(), note.clone());
        let datagrams = tokio::spawn(async move {
            let mut buffer = vec![0; 4096];
            loop {
                let Ok((length, from)) = udp.recv_from(&mut buffer).await else { continue };
                let query = Message::from_vec(&buffer[..length]).unwrap();
                note2(from, &query, false);
                let (script, udp) = (script2.clone(), udp.clone());
                tokio::spawn(async move {
                    for (after, bytes) in script(&query, false) {
                        tokio::time::sleep(after).await;
                        let _ = udp.send_to(&bytes, from).await;
                    }
                });
            }
        });
        let streams = tokio::spawn(async move {
            loop {
                let Ok((mut stream, from)) = tcp.accept().await else { continue };
                let (script, note) = (script.clone(), note.clone());
                tokio::spawn(async move {
                    while let Ok(length) = stream.read_u16().await {
                        let mut bytes = vec![0; length.into()];
                        stream.read_exact(&mut bytes).await.unwrap();
                        let query = Message::from_vec(&bytes).unwrap();
                        note(from, &query, true);
                        for (after, bytes) in script(&query, true) {
                            tokio::time::sleep(after).await;
                            stream.write_u16(bytes.len() as u16).await.unwrap();
                            stream.write_all(&bytes).await.unwrap();
                        }
                    }
                });
            }
        });
        Self { address, asked, seen, tasks: vec![datagrams, streams] }
    }

    /// One that answers every A query with an address.
    pub async fn honest() -> Self {
        Self::start(|query, _| now(answer(query, vec![a(&query.queries[0].name, 60, [192, 0, 2, 1])]))).await
    }

    pub fn count(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

pub fn now(message: Message) -> Vec<(Duration, Vec<u8>)> {
    vec![(Duration::ZERO, message.to_vec().unwrap())]
}

/// A reply with an answer section.
pub fn answer(query: &Message, answers: Vec<Record>) -> Message {
    let mut reply = Message::new(query.metadata.id, MessageType::Response, OpCode::Query);
    reply.metadata.recursion_desired = true;
    reply.metadata.recursion_available = true;
    reply.queries = query.queries.clone();
    reply.answers = answers;
    reply.edns = query.edns.clone();
    reply
}

pub fn failure(query: &Message, code: ResponseCode) -> Message {
    let mut reply = answer(query, vec![]);
    reply.metadata.response_code = code;
    reply
}

/// NXDOMAIN with the SOA of a zone.
pub fn nxdomain(query: &Message, zone: &str, ttl: u32, minimum: u32) -> Message {
    let mut reply = failure(query, ResponseCode::NXDomain);
    reply.authorities = vec![soa(zone, ttl, minimum)];
    reply
}

pub fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

pub fn a(owner: &Name, ttl: u32, address: [u8; 4]) -> Record {
    Record::from_rdata(owner.clone(), ttl, RData::A(A(address.into())))
}

pub fn cname(owner: &Name, target: &str) -> Record {
    Record::from_rdata(owner.clone(), 60, RData::CNAME(CNAME(name(target))))
}

pub fn soa(zone: &str, ttl: u32, minimum: u32) -> Record {
    let data = SOA::new(name(zone), name(zone), 1, 60, 60, 60, minimum);
    Record::from_rdata(name(zone), ttl, RData::SOA(data))
}

/// A query with EDNS.
pub fn query(asked: &str, rtype: RecordType) -> Message {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    message.queries.push(Query::query(name(asked), rtype));
    let mut edns = Edns::new();
    edns.set_max_payload(1232);
    message.edns = Some(edns);
    message
}

/// The code of the extended error in a reply.
pub fn extended(reply: &Message) -> Option<u16> {
    match reply.edns.as_ref()?.option(EdnsCode::from(15))? {
        EdnsOption::Unknown(_, data) => Some(u16::from_be_bytes([data[0], data[1]])),
        _ => None,
    }
}

pub fn data(reply: &Message) -> Vec<String> {
    reply.answers.iter().map(|record| format!("{} {}", record.name, record.data)).collect()
}

/// Sends bytes; what comes back within half of ten seconds.
pub async fn send_udp(to: SocketAddr, bytes: &[u8]) -> Option<Vec<u8>> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    socket.connect(to).await.unwrap();
    socket.send(bytes).await.unwrap();
    let mut buffer = vec![0; 65536];
    let length = tokio::time::timeout(Duration::from_secs(5), socket.recv(&mut buffer)).await.ok()?.ok()?;
    buffer.truncate(length);
    Some(buffer)
}

pub async fn ask_udp(to: SocketAddr, query: &Message) -> Message {
    Message::from_vec(&send_udp(to, &query.to_vec().unwrap()).await.unwrap()).unwrap()
}

pub async fn ask_tcp(to: SocketAddr, query: &Message) -> Message {
    let mut stream = TcpStream::connect(to).await.unwrap();
    let bytes = query.to_vec().unwrap();
    stream.write_u16(bytes.len() as u16).await.unwrap();
    stream.write_all(&bytes).await.unwrap();
    Message::from_vec(&read_tcp(&mut stream).await.unwrap()).unwrap()
}

pub async fn read_tcp(stream: &mut (impl AsyncReadExt + Unpin)) -> Option<Vec<u8>> {
    let reading = async {
        let length = stream.read_u16().await.ok()?;
        let mut bytes = vec![0; length.into()];
        stream.read_exact(&mut bytes).await.ok()?;
        Some(bytes)
    };
    tokio::time::timeout(Duration::from_secs(5), reading).await.ok()?
}

/// Listeners for UDP and TCP on loopback, which everybody there may ask.
pub fn listeners() -> Vec<Listener> {
    let listener = |protocol| Listener {
        address: (Ipv4Addr::LOCALHOST, 0).into(),
        protocol,
        clients: vec!["127.0.0.0/8".parse().unwrap()],
        recursion: None,
    };
    vec![listener(Protocol::Udp), listener(Protocol::Tcp)]
}

pub fn forward(upstreams: &[SocketAddr]) -> Forward {
    Forward {
        upstreams: upstreams.iter().copied().map(Upstream::plain).collect(),
        policy: sluice_resolver::config::Policy::Sequential,
        health: HealthCheck { interval: Duration::from_millis(50), ..HealthCheck::default() },
        ..Forward::default()
    }
}

pub fn root(forward: Forward) -> Zone {
    Zone { name: ".".into(), forward: vec![forward], ..Zone::default() }
}

pub fn settings(zones: Vec<Zone>) -> Settings {
    let limits = Limits { query: Duration::from_secs(2), ..Limits::default() };
    Settings { listeners: listeners(), zones, limits, ..Settings::default() }
}

/// A resolver, with its UDP and TCP addresses.
pub struct Server {
    pub handle: Handle,
    pub udp: SocketAddr,
    pub tcp: SocketAddr,
}

pub async fn start(settings: Settings) -> Server {
    start_with(settings, NoAuthority).await
}

pub async fn start_with(settings: Settings, authority: impl Authority) -> Server {
    let handle = Resolver::start(Config::new(settings).unwrap(), Arc::new(authority)).await.unwrap();
    let addresses = handle.addresses().await;
    Server { handle, udp: addresses[0], tcp: addresses[1] }
}

impl Server {
    pub async fn ask(&self, asked: &str, rtype: RecordType) -> Message {
        ask_udp(self.udp, &query(asked, rtype)).await
    }

    /// The sum of a metric's samples whose line contains `part`.
    pub fn metric(&self, family: &str, part: &str) -> f64 {
        let text = self.handle.metrics();
        let lines = text.lines().filter(|line| {
            line.starts_with(family)
                && line.as_bytes().get(family.len()).is_some_and(|c| matches!(c, b'{' | b' '))
                && line.contains(part)
        });
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }
}
