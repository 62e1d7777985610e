//! The role as a whole: fed by a control's socket, asked over loopback.
#![allow(clippy::unwrap_used, clippy::panic, reason = "in helpers of tests")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};
use std::time::{Duration, Instant};

use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use sluice_feed::{Server, ServerOptions};
use sluice_model::http::{
    Action, HostPattern, HttpChange, HttpSettings, PathMatch, Policy, Route, VirtualHost,
};
use sluice_model::resolver::Times;
use sluice_model::{
    Change, DnsAddress, DnsSettings, ExternalAddress, ExternalZone, NameKind, NamedPod, NamedPort,
    NamedService, PodNames, Protocol, ResolverSettings, ServiceName, Settings, Visibility,
};
use sluice_observe::Stop;
use sluice_proxy::{ProxyConfig, ProxyError, Secure, Serving, run};
use sluice_resolver::config::{Forward, QueryLog, Upstream, Zone};

/// A port of loopback that nobody has, over UDP and TCP, each time another, and none of those that Linux gives to connections
/// (32768 and up): one of them might be taken before it is listened on.
fn free() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let port = 20_000 + NEXT.fetch_add(1, Relaxed) % 10_000;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
            return address;
        }
    }
}

/// A proxy under way.
struct Role {
    stop: Stop,
    thread: std::thread::JoinHandle<Result<(), ProxyError>>,
    control: Server,
    at: SocketAddr,
    folder: tempfile::TempDir,
    resolver: ResolverSettings,
}

fn start(serving: impl FnOnce(&tempfile::TempDir) -> Serving) -> Role {
    start_with(ResolverSettings::default(), serving)
}

/// One that asks an upstream for names of others.
fn start_resolving(at: SocketAddr, serving: impl FnOnce(&tempfile::TempDir) -> Serving) -> Role {
    let forward = Forward { upstreams: vec![Upstream::plain(at)], ..Forward::default() };
    let zone = Zone { name: ".".into(), forward: vec![forward], ..Zone::default() };
    start_with(ResolverSettings { zones: vec![zone], ..ResolverSettings::default() }, serving)
}

fn start_with(resolver: ResolverSettings, serving: impl FnOnce(&tempfile::TempDir) -> Serving) -> Role {
    start_as(true, resolver, serving)
}

fn start_as(
    dns: bool,
    resolver: ResolverSettings,
    serving: impl FnOnce(&tempfile::TempDir) -> Serving,
) -> Role {
    let folder = tempfile::tempdir().unwrap();
    let feed = folder.path().join("feed.sock");
    let control = Server::bind(&feed, ServerOptions::default()).unwrap();
    let stop = Stop::default();
    let serving = serving(&folder);
    let resolver = ResolverSettings { serving: serving.clone(), ..resolver };
    let config = ProxyConfig { feed, dns, http: !dns, serving, admin: None, metrics: None };
    let thread = std::thread::spawn({
        let stop = stop.clone();
        move || run(config, &stop, || {})
    });
    Role { stop, thread, control, at: free(), folder, resolver }
}

impl Role {
    fn feed(&self) {
        self.feed_with(DnsSettings::default());
    }

    fn feed_with(&self, dns: DnsSettings) {
        let listen = [vec![self.at], dns.listen].concat();
        let dns = DnsSettings { listen, clients: vec!["127.0.0.0/8".parse().unwrap()], ..dns };
        let service = NamedService {
            name: ServiceName::new("default", "web"),
            kind: NameKind::Cluster(vec!["10.96.0.7".parse().unwrap()]),
            ports: vec![NamedPort { name: "http".into(), protocol: Protocol::Tcp, port: 80 }],
            endpoints: vec![],
            external: vec![ExternalAddress::Ip("192.0.2.7".parse().unwrap())],
        };
        let settings = Settings { dns: Some(dns), ..Settings::default() };
        let resolver = self.resolver.clone();
        self.control
            .publish(&[Change::Settings(settings), Change::Resolver(resolver.into()), Change::Named(service)])
            .unwrap();
    }

    fn ask(&self, name: &str) -> Option<Message> {
        self.ask_for(name, RecordType::A)
    }

    /// Asks over UDP.
    fn ask_for(&self, name: &str, kind: RecordType) -> Option<Message> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        let mut query = Message::query();
        query.queries.push(Query::query(Name::from_ascii(name).unwrap(), kind));
        socket.send_to(&query.to_vec().unwrap(), self.at).unwrap();
        let mut buffer = [0; 4096];
        let length = socket.recv(&mut buffer).ok()?;
        Message::from_vec(&buffer[..length]).ok()
    }
}

/// The status and body of a page; none where nobody listens.
fn get(at: SocketAddr, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(at).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

fn eventually<T>(what: &str, mut find: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        if let Some(found) = find() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("{what} did not come")
}

#[test]
fn probes_are_coredns_and_lameduck_answers_on() {
    let (health, ready) = (free(), free());
    let times = Times { lameduck: Some(Duration::from_millis(1500)), ..Times::default() };
    let settings = ResolverSettings { times, ..ResolverSettings::default() };
    let role = start_with(settings, |folder| Serving {
        health: Some(health),
        ready: Some(ready),
        log: Some(QueryLog { file: Some(folder.path().join("queries")), ..QueryLog::default() }),
        ..Serving::default()
    });
    assert_eq!(eventually("health", || get(health, "/health")), (200, "OK".into()));
    let (status, why) = eventually("ready", || get(ready, "/ready"));
    assert_eq!((status, why.as_str()), (503, "the addresses to answer on are not known yet"));
    assert_eq!(get(ready, "/health").unwrap().0, 404);
    role.feed();
    eventually("readiness", || get(ready, "/ready").filter(|page| *page == (200, "OK".into())));
    let name = "web.default.svc.cluster.local.";
    assert_eq!(role.ask(name).unwrap().answers.len(), 1);
    role.stop.set();
    assert_eq!(eventually("the end", || get(ready, "/ready").filter(|page| page.0 == 503)).1, "ending");
    // Told to end it lives on, and answers.
    assert_eq!(get(health, "/health"), Some((200, "OK".into())));
    assert_eq!(role.ask(name).unwrap().metadata.response_code, ResponseCode::NoError);
    role.thread.join().unwrap().unwrap();
    assert_eq!((get(health, "/health"), get(ready, "/ready")), (None, None));
    let log = std::fs::read_to_string(role.folder.path().join("queries")).unwrap();
    assert_eq!(log.lines().filter(|line| line.contains("web.default") && line.contains("aa")).count(), 2);
}

/// A new certificate for dns.example in the folder, and its key.
fn certify(folder: &std::path::Path) {
    let made = rcgen::generate_simple_self_signed(["dns.example".to_owned()]).unwrap();
    std::fs::write(folder.join("tls.key"), made.signing_key.serialize_pem()).unwrap();
    std::fs::write(folder.join("tls.crt"), made.cert.pem()).unwrap();
}

/// What kdig says, which believes the certificate that is in a file.
fn kdig(at: SocketAddr, authority: &std::path::Path, transport: &str, name: &str) -> String {
    let output = std::process::Command::new("kdig")
        .args([&format!("@{}", at.ip()), "-p", &at.port().to_string(), transport, "+retry=0", "+timeout=3"])
        .arg(format!("+tls-ca={}", authority.display()))
        .args(["+tls-hostname=dns.example", "+short", name, "A"])
        .output()
        .unwrap_or_else(|why| panic!("kdig is of the package knot-dnsutils: {why}"));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn kdig_asks_over_tls_and_https_and_certificates_are_taken_over() {
    let (tls, https, ready) = (free(), free(), free());
    let role = start(|folder| {
        let (certificate, key) = (folder.path().join("tls.crt"), folder.path().join("tls.key"));
        let secure = |at, path: Option<&str>| Secure {
            addresses: vec![at],
            certificate: certificate.clone(),
            key: key.clone(),
            path: path.map(ToOwned::to_owned),
        };
        let secure = vec![secure(tls, None), secure(https, Some("/dns-query"))];
        Serving { secure, ready: Some(ready), ..Serving::default() }
    });
    role.feed();
    // Without a certificate plain DNS is answered, and the page says what is missing.
    let name = "web.default.svc.cluster.local.";
    eventually("an answer", || role.ask(name));
    let why = eventually("why", || get(ready, "/ready").filter(|page| page.1.contains("tls.crt")));
    assert_eq!(why.0, 503);
    let folder = role.folder.path();
    certify(folder);
    let both = |authority: &std::path::Path| {
        let answers = [kdig(tls, authority, "+tls", name), kdig(https, authority, "+https", name)];
        (answers == ["10.96.0.7", "10.96.0.7"]).then_some(())
    };
    let crt = folder.join("tls.crt");
    eventually("an answer over TLS", || both(&crt));
    assert_eq!(get(ready, "/ready"), Some((200, "OK".into())));
    // A certificate without its key is not taken over: what there was goes on.
    let former = folder.join("former.crt");
    std::fs::copy(&crt, &former).unwrap();
    std::fs::write(&crt, rcgen::generate_simple_self_signed(["x".to_owned()]).unwrap().cert.pem()).unwrap();
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(both(&former), Some(()));
    certify(folder);
    eventually("the new certificate", || both(&crt));
    assert_eq!(both(&former), None);
    role.stop.set();
    role.thread.join().unwrap().unwrap();
}

/// What dig says.
fn dig(at: SocketAddr, arguments: &[&str]) -> String {
    let output = std::process::Command::new("dig")
        .args([&format!("@{}", at.ip()), "-p", &at.port().to_string(), "+tries=1", "+time=3"])
        .args(arguments)
        .output()
        .unwrap_or_else(|why| panic!("dig is of the package bind9-dnsutils: {why}"));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn dig_transfers_a_zone_where_that_is_allowed() {
    let serving = |net: &str| Serving { transfer: vec![net.parse().unwrap()], ..Serving::default() };
    let role = start(|_| serving("127.0.0.1/32"));
    role.feed();
    eventually("an answer", || role.ask("web.default.svc.cluster.local."));
    let zone = dig(role.at, &["axfr", "cluster.local"]);
    for line in ["web.default.svc.cluster.local. 5 IN\tA\t10.96.0.7", "XFR size: "] {
        assert!(zone.replace('\t', " ").contains(&line.replace('\t', " ")), "{line}: {zone}");
    }
    assert_eq!(zone.matches("\tSOA\t").count(), 2, "{zone}");
    assert!(dig(role.at, &["axfr", "10.in-addr.arpa"]).contains("Transfer failed"));
    assert!(dig(role.at, &["axfr", "in-addr.arpa"]).contains("7.0.96.10.in-addr.arpa."));
    let serial = zone.lines().find(|line| line.contains("\tSOA\t")).unwrap();
    let serial: u32 = serial.split_whitespace().nth(6).unwrap().parse().unwrap();
    let current = dig(role.at, &[&format!("ixfr={serial}"), "cluster.local"]);
    assert!(current.contains("XFR size: 1 records"), "{current}");
    for kind in [RecordType::AXFR, RecordType::IXFR] {
        let reply = role.ask_for("cluster.local.", kind).unwrap();
        assert_eq!(reply.metadata.response_code, ResponseCode::Refused);
    }
    let older = dig(role.at, &["+tcp", &format!("ixfr={}", serial - 1), "cluster.local"]);
    assert!(older.matches("\tSOA\t").count() == 2, "{older}");
    role.stop.set();
    role.thread.join().unwrap().unwrap();

    let role = start(|_| serving("192.0.2.0/24"));
    role.feed();
    eventually("an answer", || role.ask("web.default.svc.cluster.local."));
    let refused = dig(role.at, &["axfr", "cluster.local"]);
    assert!(refused.contains("Transfer failed"), "{refused}");
    role.stop.set();
    role.thread.join().unwrap().unwrap();
}

#[test]
fn an_address_for_the_outside_has_no_names_of_the_cluster_over_any_transport() {
    let (certificates, tls, https) = (tempfile::tempdir().unwrap(), free(), free());
    certify(certificates.path());
    let outer = |at: SocketAddr| SocketAddr::from((Ipv4Addr::new(127, 0, 0, 2), at.port()));
    let role = start(|_| {
        let secure = |at: SocketAddr, path: Option<&str>| Secure {
            addresses: vec![at, outer(at)],
            certificate: certificates.path().join("tls.crt"),
            key: certificates.path().join("tls.key"),
            path: path.map(ToOwned::to_owned),
        };
        Serving {
            secure: vec![secure(tls, None), secure(https, Some("/dns-query"))],
            transfer: vec!["127.0.0.0/8".parse().unwrap()],
            autopath: true,
            ..Serving::default()
        }
    });
    let zone = ExternalZone {
        zone: "example.org".into(),
        ttl: 60,
        apex: "dns".into(),
        headless: false,
        hosts: false,
        secondary: None,
    };
    role.feed_with(DnsSettings {
        listen: vec![outer(role.at)],
        addresses: vec![DnsAddress {
            address: outer(role.at).ip(),
            clients: None,
            recursion: None,
            cluster_zones: Some(vec![]),
        }],
        pods: PodNames::Verified,
        external_zones: vec![zone],
        ..DnsSettings::default()
    });
    let pod = NamedPod {
        name: ServiceName::new("shop", "p"),
        addresses: vec!["127.0.0.1".parse().unwrap()],
        named: true,
        client: true,
    };
    role.control.publish(&[Change::Namespace("shop".into()), Change::Pod(pod)]).unwrap();
    let (inside, outside) = ("web.default.svc.cluster.local.", "web.default.example.org.");
    let authority = certificates.path().join("tls.crt");
    eventually("an answer", || (kdig(tls, &authority, "+tls", inside) == "10.96.0.7").then_some(()));
    eventually("an answer", || (kdig(https, &authority, "+https", inside) == "10.96.0.7").then_some(()));
    assert_eq!(kdig(outer(tls), &authority, "+tls", inside), "");
    assert_eq!(kdig(outer(https), &authority, "+https", inside), "");
    assert_eq!(kdig(outer(tls), &authority, "+tls", outside), "192.0.2.7");
    assert_eq!(kdig(outer(https), &authority, "+https", outside), "192.0.2.7");
    let shop = "web.default.shop.svc.cluster.local.";
    assert!(dig(role.at, &["+tcp", shop]).contains("CNAME"), "the search list of the pod that asks");
    for transport in ["+tcp", "+notcp"] {
        assert!(dig(role.at, &[transport, inside]).contains("10.96.0.7"));
        for name in
            [inside, shop, "no.default.svc.cluster.local.", "7.0.96.10.in-addr.arpa.", "cluster.local."]
        {
            for kind in ["A", "PTR", "SOA"] {
                let said = dig(outer(role.at), &[transport, name, kind]);
                let refused = said.contains("status: REFUSED") && said.contains("EDE: 20");
                assert!(refused && !said.contains("10.96.0.7") && !said.contains("SOA\t"), "{said}");
            }
        }
        assert!(dig(outer(role.at), &[transport, outside]).contains("192.0.2.7"));
    }
    assert!(dig(role.at, &["axfr", "cluster.local"]).contains("10.96.0.7"));
    for zone in ["cluster.local", "in-addr.arpa"] {
        assert!(dig(outer(role.at), &["axfr", zone]).contains("Transfer failed"));
        assert!(dig(outer(role.at), &["+tcp", "ixfr=1", zone]).contains("Transfer failed"));
    }
    let whole = dig(outer(role.at), &["axfr", "example.org"]);
    assert!(whole.contains("192.0.2.7") && !whole.contains("10.96.0.7"), "{whole}");
    role.stop.set();
    role.thread.join().unwrap().unwrap();
}

/// Asks over UDP from an address of loopback.
fn ask_from(role: &Role, client: &str, name: &str, kind: RecordType) -> Message {
    let socket = UdpSocket::bind((client, 0)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let mut query = Message::query();
    query.metadata.recursion_desired = true;
    query.queries.push(Query::query(Name::from_ascii(name).unwrap(), kind));
    socket.send_to(&query.to_vec().unwrap(), role.at).unwrap();
    let mut buffer = [0; 4096];
    let length = socket.recv(&mut buffer).unwrap();
    Message::from_vec(&buffer[..length]).unwrap()
}

/// An upstream that knows x.example.com alone, and counts.
fn upstream() -> (SocketAddr, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (at, count) =
        (socket.local_addr().unwrap(), std::sync::Arc::<std::sync::atomic::AtomicUsize>::default());
    let asked = count.clone();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let mut reply = Message::from_vec(&buffer[..length]).unwrap();
            reply.metadata.message_type = hickory_proto::op::MessageType::Response;
            let name = reply.queries[0].name.clone();
            if name.to_lowercase().to_ascii() == "x.example.com." {
                let data = match reply.queries[0].query_type {
                    RecordType::AAAA => RData::AAAA(AAAA("2001:db8::77".parse().unwrap())),
                    _ => RData::A(A(Ipv4Addr::new(192, 0, 2, 77))),
                };
                reply.answers.push(Record::from_rdata(name, 60, data));
                asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            } else {
                reply.metadata.response_code = ResponseCode::NXDomain;
            }
            socket.send_to(&reply.to_vec().unwrap(), from).unwrap();
        }
    });
    (at, count)
}

#[test]
fn search_lists_are_completed_for_the_pods_of_the_namespace_alone() {
    let (at, count) = upstream();
    let role = start_resolving(at, |_| Serving { autopath: true, ..Serving::default() });
    role.feed_with(DnsSettings { pods: PodNames::Verified, forward: true, ..DnsSettings::default() });
    let pod = NamedPod {
        name: ServiceName::new("shop", "p"),
        addresses: vec!["127.0.0.9".parse().unwrap()],
        named: true,
        client: true,
    };
    role.control.publish(&[Change::Namespace("shop".into()), Change::Pod(pod)]).unwrap();
    eventually("an answer", || role.ask("web.default.svc.cluster.local."));
    eventually("the pod", || {
        let reply = ask_from(&role, "127.0.0.9", "127-0-0-9.shop.pod.cluster.local.", RecordType::A);
        (reply.answers.len() == 1).then_some(())
    });
    let shown = |reply: &Message| -> Vec<String> {
        reply.answers.iter().map(|record| format!("{} {}", record.name, record.data)).collect()
    };
    let ask = |client: &str, name: &str| ask_from(&role, client, name, RecordType::A);
    // A Service of another namespace by the list's second step.
    let reply = ask("127.0.0.9", "Web.default.shop.svc.cluster.local.");
    let alias = "Web.default.shop.svc.cluster.local. Web.default.svc.cluster.local.";
    assert_eq!(shown(&reply), [alias, "Web.default.svc.cluster.local. 10.96.0.7"]);
    // By its third, and by none for what is whole already.
    let reply = ask("127.0.0.9", "web.default.svc.shop.svc.cluster.local.");
    assert_eq!(shown(&reply)[1], "web.default.svc.cluster.local. 10.96.0.7");
    let reply = ask("127.0.0.9", "web.default.svc.cluster.local.shop.svc.cluster.local.");
    assert_eq!(shown(&reply)[1], "web.default.svc.cluster.local. 10.96.0.7");
    // A name of others.
    let reply = ask("127.0.0.9", "x.example.com.shop.svc.cluster.local.");
    let alias = "x.example.com.shop.svc.cluster.local. x.example.com.";
    assert_eq!(shown(&reply), [alias, "x.example.com. 192.0.2.77"]);
    assert_eq!(
        (reply.metadata.response_code, reply.queries[0].name.to_ascii().as_str()),
        (ResponseCode::NoError, "x.example.com.shop.svc.cluster.local.")
    );
    assert_eq!(count.load(std::sync::atomic::Ordering::SeqCst), 1);
    for (client, name) in [
        // Nobody has that, another client, another namespace, no first step of a list.
        ("127.0.0.9", "y.example.com.shop.svc.cluster.local."),
        ("127.0.0.8", "x.example.com.shop.svc.cluster.local."),
        ("127.0.0.9", "x.example.com.default.svc.cluster.local."),
        ("127.0.0.9", "x.example.com.svc.cluster.local."),
        ("127.0.0.9", "shop2.svc.cluster.local."),
    ] {
        let reply = ask(client, name);
        assert_eq!(
            (reply.metadata.response_code, reply.answers.len()),
            (ResponseCode::NXDomain, 0),
            "{name}"
        );
        assert_eq!(reply.authorities[0].name.to_ascii(), "cluster.local.", "{name}");
    }
    assert_eq!(count.load(std::sync::atomic::Ordering::SeqCst), 1);
    role.stop.set();
    role.thread.join().unwrap().unwrap();
}

#[test]
fn tenants_see_as_much_here_and_no_search_list_leads_further() {
    let (at, _) = upstream();
    let role = start_resolving(at, |_| Serving {
        autopath: true,
        transfer: vec!["127.0.0.0/8".parse().unwrap()],
        ..Serving::default()
    });
    let sees = |namespace: &str| Visibility {
        namespaces: vec![namespace.into()],
        clients: Vec::new(),
        see: Vec::new(),
    };
    role.feed_with(DnsSettings {
        pods: PodNames::Verified,
        forward: true,
        visibility: vec![sees("shop"), sees("other")],
        ..DnsSettings::default()
    });
    let pod = |namespace: &str, address: &str| {
        Change::Pod(NamedPod {
            name: ServiceName::new(namespace, "p"),
            addresses: vec![address.parse().unwrap()],
            named: true,
            client: true,
        })
    };
    role.control
        .publish(&[Change::Namespace("shop".into()), pod("shop", "127.0.0.9"), pod("default", "127.0.0.10")])
        .unwrap();
    eventually("an answer", || role.ask("web.default.svc.cluster.local."));
    eventually("the pod", || {
        let reply = ask_from(&role, "127.0.0.9", "127-0-0-9.shop.pod.cluster.local.", RecordType::A);
        (reply.answers.len() == 1).then_some(())
    });
    let web = "web.default.svc.cluster.local.";
    for (client, name, answers) in [
        ("127.0.0.9", web, 0),
        ("127.0.0.10", web, 1),
        ("127.0.0.8", web, 1),
        // By its second, third and last step.
        ("127.0.0.9", "web.default.shop.svc.cluster.local.", 0),
        ("127.0.0.9", "web.default.svc.shop.svc.cluster.local.", 0),
        ("127.0.0.9", "web.default.svc.cluster.local.shop.svc.cluster.local.", 0),
        ("127.0.0.9", "7.0.96.10.in-addr.arpa.shop.svc.cluster.local.", 0),
        ("127.0.0.9", "x.example.com.shop.svc.cluster.local.", 2),
    ] {
        let reply = ask_from(&role, client, name, RecordType::A);
        assert_eq!(reply.answers.len(), answers, "{client} {name}: {reply}");
        let code = if answers == 0 { ResponseCode::NXDomain } else { ResponseCode::NoError };
        assert_eq!(reply.metadata.response_code, code, "{client} {name}");
    }
    // A zone, over TCP.
    let transferred = || -> String {
        let mut query = Message::query();
        query.queries.push(Query::query(Name::from_ascii("cluster.local.").unwrap(), RecordType::AXFR));
        let query = query.to_vec().unwrap();
        let mut stream = TcpStream::connect(role.at).unwrap();
        stream.write_all(&[&(query.len() as u16).to_be_bytes()[..], &query].concat()).unwrap();
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap();
        let mut reply = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut reply).unwrap();
        let reply = Message::from_vec(&reply).unwrap();
        reply.answers.iter().map(|record| format!("{} {}\n", record.name, record.data)).collect()
    };
    let all = transferred();
    assert!(all.contains("web.default"), "{all}");
    role.control.publish(&[pod("other", "127.0.0.1")]).unwrap();
    eventually("the other pod", || (role.ask(web)?.answers.is_empty()).then_some(()));
    let tenant = transferred();
    assert!(!tenant.contains("web.default") && tenant.contains("ns.dns.cluster.local."), "{tenant}");
    role.stop.set();
    role.thread.join().unwrap().unwrap();
}

#[test]
fn upstreams_are_not_asked_for_ipv6_addresses_of_clients_without() {
    let (at, count) = upstream();
    let role = start_resolving(at, |_| Serving { autopath: true, ..Serving::default() });
    role.feed_with(DnsSettings {
        pods: PodNames::Verified,
        forward: true,
        suppress_aaaa: vec!["127.0.0.8/32".parse().unwrap()],
        suppress_aaaa_of_pods: true,
        ..DnsSettings::default()
    });
    let pod = |name: &str, addresses: &[&str]| {
        Change::Pod(NamedPod {
            name: ServiceName::new("shop", name),
            addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
            named: true,
            client: true,
        })
    };
    let out = NamedService {
        name: ServiceName::new("shop", "out"),
        kind: NameKind::External("x.example.com".into()),
        ports: vec![],
        endpoints: vec![],
        external: vec![],
    };
    role.control
        .publish(&[
            Change::Namespace("shop".into()),
            Change::Named(out),
            pod("four", &["127.0.0.9"]),
            pod("both", &["127.0.0.10", "fd00::10"]),
        ])
        .unwrap();
    eventually("an answer", || role.ask("web.default.svc.cluster.local."));
    eventually("the pods", || {
        let reply = ask_from(&role, "127.0.0.9", "127-0-0-10.shop.pod.cluster.local.", RecordType::A);
        (reply.answers.len() == 1).then_some(())
    });
    let asked = || count.load(std::sync::atomic::Ordering::SeqCst);
    let before = asked();
    for client in ["127.0.0.8", "127.0.0.9"] {
        let reply = ask_from(&role, client, "x.example.com.", RecordType::AAAA);
        assert_eq!(reply.metadata.response_code, ResponseCode::NoError, "{client}");
        assert!(
            reply.answers.is_empty() && reply.authorities.is_empty() && reply.metadata.recursion_available
        );
        // An alias in the cluster is told, and goes no further.
        let reply = ask_from(&role, client, "out.shop.svc.cluster.local.", RecordType::AAAA);
        assert_eq!(
            (reply.metadata.response_code, reply.answers.len()),
            (ResponseCode::NoError, 1),
            "{client}"
        );
    }
    assert_eq!(asked(), before, "nobody was asked");
    // What a search list leads to has to be there, whatever its addresses.
    let search = "x.example.com.shop.svc.cluster.local.";
    assert_eq!(ask_from(&role, "127.0.0.9", search, RecordType::AAAA).answers.len(), 2);
    assert_eq!(asked(), before + 1);
    for (client, kind) in [("127.0.0.9", RecordType::A), ("127.0.0.10", RecordType::AAAA)] {
        assert_eq!(ask_from(&role, client, "x.example.com.", kind).answers.len(), 1, "{client}");
    }
    role.stop.set();
    role.thread.join().unwrap().unwrap();
}

/// An upstream that has one address for every name.
fn saying(last: u8) -> SocketAddr {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let at = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let mut reply = Message::from_vec(&buffer[..length]).unwrap();
            reply.metadata.message_type = hickory_proto::op::MessageType::Response;
            let data = RData::A(A(Ipv4Addr::new(192, 0, 2, last)));
            reply.answers.push(Record::from_rdata(reply.queries[0].name.clone(), 60, data));
            socket.send_to(&reply.to_vec().unwrap(), from).unwrap();
        }
    });
    at
}

#[test]
fn a_stub_zone_of_a_namespace_is_its_pods_alone_and_so_is_what_it_answers() {
    let zone = |name: &str, last: u8, namespaces: &[&str]| Zone {
        name: name.into(),
        namespaces: namespaces.iter().map(|name| Box::from(*name)).collect(),
        cache: Some(sluice_model::resolver::Cache::default()),
        forward: vec![Forward {
            from: name.into(),
            upstreams: vec![Upstream::plain(saying(last))],
            ..Forward::default()
        }],
        ..Zone::default()
    };
    let zones = vec![
        zone(".", 1, &[]),
        zone("corp.example", 2, &["shop"]),
        zone("corp.example", 3, &["office", "home"]),
        zone("inner.corp.example", 4, &[]),
        zone("other.example", 5, &["shop"]),
    ];
    let role = start_with(ResolverSettings { zones, ..ResolverSettings::default() }, |_| Serving::default());
    role.feed_with(DnsSettings {
        forward: true,
        tenant_zones: vec!["corp.example".into(), "other.example".into()],
        ..DnsSettings::default()
    });
    let pod = |namespace: &str, address: &str| {
        Change::Pod(NamedPod {
            name: ServiceName::new(namespace, "p"),
            addresses: vec![address.parse().unwrap()],
            named: false,
            client: true,
        })
    };
    let pods = [
        pod("shop", "127.0.0.9"),
        pod("office", "127.0.0.10"),
        pod("default", "127.0.0.11"),
        // One replaces the other: nobody knows which of them asks.
        pod("home", "127.0.0.12"),
        pod("shop2", "127.0.0.12"),
    ];
    role.control.publish(&pods).unwrap();
    eventually("an answer", || role.ask("web.default.svc.cluster.local."));
    let answer = |client: &str, name: &str| match ask_from(&role, client, name, RecordType::A).answers.first()
    {
        Some(Record { data: RData::A(A(address)), .. }) => address.octets()[3],
        other => panic!("{client} {name}: {other:?}"),
    };
    eventually("the pods", || (answer("127.0.0.10", "first.corp.example.") == 3).then_some(()));
    let rows = [
        ("127.0.0.9", [2, 4, 5, 1]),
        ("127.0.0.10", [3, 4, 1, 1]),
        ("127.0.0.11", [1, 4, 1, 1]),
        ("127.0.0.12", [1, 4, 1, 1]),
        ("127.0.0.8", [1, 4, 1, 1]),
    ];
    let names = ["www.corp.example.", "www.inner.corp.example.", "www.other.example.", "www.example.com."];
    // The second time from caches, and in another order.
    for (client, expected) in rows.iter().chain(rows.iter().rev()) {
        assert_eq!(names.map(|name| answer(client, name)), *expected, "{client}");
    }
    role.stop.set();
    role.thread.join().unwrap().unwrap();
}

#[test]
fn http_is_served_as_the_feed_says_and_the_role_is_ready_once_it_is() {
    let (ready, http) = (free(), free());
    let serving = |_: &tempfile::TempDir| Serving { ready: Some(ready), ..Serving::default() };
    let role = start_as(false, ResolverSettings::default(), serving);
    let (status, why) = eventually("ready", || get(ready, "/ready"));
    assert_eq!((status, why.as_str()), (503, "what HTTP to serve is not known yet"));
    let answer = |status| {
        let route = Route {
            path: PathMatch::Prefix("/".into()),
            action: Action::Respond(status),
            policy: Policy::default(),
            origin: "test".into(),
        };
        Change::Http(HttpChange::Host(VirtualHost {
            host: HostPattern::Any,
            routes: vec![route],
            decoded: false,
        }))
    };
    // An address that is another's for now.
    let taken = TcpListener::bind(http).unwrap();
    let settings = HttpSettings { http: vec![http], ..HttpSettings::default() };
    let resolver =
        ResolverSettings { serving: Serving { ready: Some(ready), ..Serving::default() }, ..role.resolver };
    let settings = Change::Http(HttpChange::Settings(settings.into()));
    role.control.publish(&[settings, Change::Resolver(resolver.into()), answer(204)]).unwrap();
    let why = |page: &(u16, String)| page.0 == 503 && page.1.contains(&http.to_string());
    eventually("why not", || get(ready, "/ready").filter(why));
    drop(taken);
    eventually("readiness", || get(ready, "/ready").filter(|page| page.0 == 200));
    let status = || {
        let mut stream = TcpStream::connect(http).ok()?;
        write!(stream, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        text.split(' ').nth(1)?.parse::<u16>().ok()
    };
    assert_eq!(status(), Some(204));
    role.control.publish(&[answer(503)]).unwrap();
    eventually("the other answer", || status().filter(|status| *status == 503));
    role.stop.set();
    role.thread.join().unwrap().unwrap();
    assert_eq!(status(), None);
}
