//! Ingress through a running gateway on TAP ports: what it takes more than a request and an answer to see.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod common;
mod http;

use std::collections::BTreeSet;
use std::net::UdpSocket;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use common::{POD_A, ResolvConf};
use h2::RecvStream;
use h2::client::SendRequest;
use h2::ext::Protocol;
use http::tls::Tls;
use http::*;
use hyper::{Method, Request};
use rustls::pki_types::ServerName;
use sluice_testbed::client::eventually;

/// How long what must come may take on a machine that does a lot besides.
const SOON: Duration = Duration::from_secs(60);

/// An Ingress for one host whose paths lead there.
fn routes(name: &str, annotations: &str, host: &str, paths: &[(&str, &str, &str)]) -> String {
    ingress(name, annotations, &format!("  rules:\n{}", rule(host, paths)))
}

#[test]
fn a_websocket_over_http_2_is_passed_through_both_ways() {
    let lab = HttpLab::start("", &[]);
    let secret = lab.pair(&["ws.example"], 1).secret("ws");
    let ingress = routes("ws", "", "ws.example", &[("/chat", "Prefix", "two")]);
    lab.write("ws", &format!("{secret}---\n{ingress}  tls: [{{ hosts: [ws.example], secretName: ws }}]\n"));
    let ready = eventually(SOON, || {
        lab.curl(&lab.url("https", "ws.example", "/chat")).ok().filter(|reply| reply.status == 200)
    });
    assert!(ready.is_some(), "{}", lab.report());
    lab.lab.bed.client.enter(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { tokio::time::timeout(SOON, websockets()).await.expect("an answer") });
    });
}

/// Two WebSockets and requests beside them, on one connection of HTTP/2 in TLS.
async fn websockets() {
    let mut sender = http2("ws.example").await;
    for _ in 0..2 {
        let (response, mut sent) = sender.send_request(asking("/chat/room?of=1"), false).unwrap();
        let response = response.await.unwrap();
        assert_eq!((response.status().as_u16(), response.headers()["x-pod"].as_bytes()), (200, &b"b"[..]));
        let mut back = response.into_body();
        // Among them more than the windows of a stream and of a connection.
        let large: Vec<u8> = (0..300_000_u32).map(|number| number as u8).collect();
        for message in [b"\x81\x05hello".to_vec(), vec![0x82; 3000], large, b"\0\r\n\r\n".to_vec()] {
            sent.send_data(Bytes::from(message.clone()), false).unwrap();
            assert!(take(&mut back, message.len()).await == message, "something else came back");
        }
        let beside = Request::get("https://ws.example/chat").body(()).unwrap();
        let (response, _) = sender.send_request(beside, true).unwrap();
        assert_eq!(response.await.unwrap().status(), 200);
        sent.send_data(Bytes::new(), true).unwrap();
        assert!(take(&mut back, 1).await.is_empty(), "the pod ends it when the client has");
    }
    // Where no route leads there is no tunnel.
    let (response, _) = sender.send_request(asking("/other"), false).unwrap();
    assert_eq!(response.await.unwrap().status(), 404);
}

/// An extended CONNECT (RFC 8441 section 4).
fn asking(path: &str) -> Request<()> {
    let request = Request::builder().method(Method::CONNECT).uri(format!("https://ws.example{path}"));
    let request = request.header("sec-websocket-version", "13");
    request.extension(Protocol::from_static("websocket")).body(()).unwrap()
}

/// A connection of HTTP/2 by ALPN, once the gateway has said that it takes WebSockets (RFC 8441 section 3).
async fn http2(host: &'static str) -> SendRequest<Bytes> {
    let stream = tokio::net::TcpStream::connect(format!("{ADDRESS}:443")).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Tls::new(&["h2"], false).config);
    let stream = connector.connect(ServerName::try_from(host).unwrap(), stream).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let mut sender = sender.ready().await.unwrap();
    while !sender.is_extended_connect_protocol_enabled() {
        tokio::time::sleep(Duration::from_millis(5)).await;
        sender = sender.ready().await.unwrap();
    }
    sender
}

/// So many bytes, or fewer where it ends before.
async fn take(body: &mut RecvStream, length: usize) -> Vec<u8> {
    let mut taken = Vec::new();
    while taken.len() < length {
        let Some(data) = body.data().await else { break };
        let data = data.unwrap();
        body.flow_control().release_capacity(data.len()).unwrap();
        taken.extend_from_slice(&data);
    }
    taken
}

/// A Service of the type ExternalName, and an Ingress whose host `NAME.example` leads to port 8081 of what it stands for.
fn external(name: &str, stands_for: &str) -> String {
    let service = format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{ name: {name}, namespace: default }}\n\
         spec: {{ type: ExternalName, externalName: {stands_for} }}\n"
    );
    let vhost = format!("upstream-vhost: {stands_for}");
    let ingress = routes(name, &vhost, &format!("{name}.example"), &[("/", "Prefix", name)]);
    format!("{service}---\n{}", ingress.replace("number: 80 ", "number: 8081 "))
}

/// A name, and its address.
type Known = (&'static str, [u8; 4]);

/// A server on the node that knows a few addresses, and what it was asked for.
fn name_server(lab: &HttpLab, known: &'static [Known]) -> Arc<Mutex<BTreeSet<String>>> {
    // The node's address towards the gateway.
    let socket = lab.lab.bed.node.enter(|| UdpSocket::bind("198.51.100.1:53").unwrap());
    let asked = Arc::new(Mutex::new(BTreeSet::new()));
    let heard = Arc::clone(&asked);
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let (name, end) = question(&buffer[..length]);
            let address = known.iter().find(|(known, _)| *known == name).map(|(_, address)| *address);
            heard.lock().unwrap().insert(name);
            // The question alone; behind it the answer. Of other types than A there is none.
            let is_a = buffer[end - 3] == 1;
            let mut reply = buffer[..end].to_vec();
            (reply[2], reply[3]) = (0x81, if address.is_some() { 0x80 } else { 0x83 });
            reply[4..12].copy_from_slice(&[0, 1, 0, 0, 0, 0, 0, 0]);
            if let Some(address) = address.filter(|_| is_a) {
                reply[7] = 1;
                reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4]);
                reply.extend(address);
            }
            let _ = socket.send_to(&reply, from);
        }
    });
    asked
}

/// The name that is asked for, and where the question ends.
fn question(query: &[u8]) -> (String, usize) {
    let (mut at, mut labels) = (12, Vec::new());
    while query[at] != 0 {
        let length = usize::from(query[at]);
        labels.push(String::from_utf8_lossy(&query[at + 1..=at + length]).to_lowercase());
        at += length + 1;
    }
    (labels.join("."), at + 5)
}

#[test]
fn an_external_name_is_a_backend_where_it_is_allowed_and_leads_where_it_may() {
    const KNOWN: &[Known] =
        &[("shop.partner.example", [10, 244, 2, 5]), ("inner.partner.example", [10, 244, 1, 5])];
    let keys = "  external_names: [\"*.partner.example\"]\n  external_networks: [10.244.2.0/24]\n";
    let mut resolver = None;
    let lab = HttpLab::prepared(keys, &[], |bed| {
        let text = "nameserver 198.51.100.1\nsearch wrong.example\noptions ndots:5 timeout:1 attempts:3\n";
        resolver = Some(ResolvConf::write(&bed.gateway, text));
    });
    let asked = name_server(&lab, KNOWN);
    let all = [
        external("shop", "shop.partner.example"),
        external("inner", "inner.partner.example"),
        external("other", "other.example"),
    ];
    lab.write("external", &all.join("---\n"));
    let reply =
        eventually(SOON, || Some(lab.get("http", "shop.example", "/x")).filter(|it| it.status == 200));
    let reply = reply.unwrap_or_else(|| panic!("{:?}\n{}", asked.lock().unwrap(), lab.report()));
    assert_eq!((reply.pod(), reply.said("host")), ("b", Some("shop.partner.example")), "{reply:?}");
    // The name is allowed, and leads to a pod of another network.
    let problems = || lab.lab.cli(&["show", "problems", "-o", "json"]);
    let told =
        eventually(SOON, || problems().contains("`inner.partner.example` leads to 10.244.1.5").then_some(()));
    assert!(told.is_some(), "{}\n{}", problems(), lab.report());
    assert!(problems().contains("ingress.external_names does not allow `other.example`"), "{}", problems());
    for host in ["inner.example", "other.example"] {
        assert_eq!(lab.route(host, "/"), "503", "{host}");
    }
    // A name that is not allowed is not even looked up, and no search list is gone through.
    let expected: BTreeSet<String> = KNOWN.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(*asked.lock().unwrap(), expected);
    drop(lab);
    drop(resolver);
}

#[test]
fn an_external_name_is_refused_where_nothing_allows_it() {
    let lab = HttpLab::start("", &[("external", external("shop", "shop.partner.example"))]);
    assert_eq!(lab.route("shop.example", "/"), "503");
    let problems = lab.lab.cli(&["show", "problems", "-o", "json"]);
    assert!(problems.contains("ingress.external_names does not allow `shop.partner.example`"), "{problems}");
}

#[test]
fn hosts_of_a_compat_class_are_matched_decoded_and_sent_to_their_slash() {
    let class = "apiVersion: networking.k8s.io/v1\nkind: IngressClass\n\
                 metadata: { name: nginx, annotations: { sluice.dev/compat: ingress-nginx } }\n\
                 spec: { controller: sluice.dev/ingress }\n";
    let paths = [("/shop/", "Prefix", "two"), ("/a b", "Prefix", "two"), ("/", "Prefix", "one")];
    let plain = routes("plain", "", "plain.example", &paths);
    let compat = routes("compat", "", "compat.example", &paths);
    let compat = compat.replace("ingressClassName: sluice", "ingressClassName: nginx");
    let lab = HttpLab::start("", &[("compat", [class, &plain, &compat].join("---\n"))]);
    for (path, in_plain, in_compat) in [
        ("/shop/x", "b", "b"),
        ("/%73hop/x", "a", "b"),
        ("//shop//x", "a", "b"),
        ("/a%20b/x", "a", "b"),
        ("/shop", "b", "301"),
        ("/shopx", "a", "a"),
        ("/shop/%2e%2e/x", "400", "400"),
    ] {
        assert_eq!(lab.route("plain.example", path), in_plain, "plain {path}");
        assert_eq!(lab.route("compat.example", path), in_compat, "compat {path}");
    }
    let moved = lab.get("http", "compat.example", "/shop?a=b");
    assert_eq!(moved.header("location"), Some("http://compat.example/shop/?a=b"), "{moved:?}");
    let sent = lab.ask("http", "compat.example", "/%73hop//x", &["--path-as-is"]);
    assert_eq!(sent.said("line"), Some("GET /%73hop//x HTTP/1.1"), "as it came");
}

#[test]
fn tls_is_passed_through_by_server_name_to_a_pod_that_answers_itself() {
    let lab = HttpLab::start("", &[]);
    let own = lab.pair(&["pass.example"], 71);
    let [chain, key] = [("pod.crt", &own.certificate), ("pod.key", &own.key)].map(|(name, bytes)| {
        let path = lab.lab.bed.folder().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    });
    // It sends lines back, reversed. It ends with the namespace, if not before.
    let mut server = lab.lab.bed.node.command("openssl");
    let mut server = server
        .args(["s_server", "-rev", "-accept", &format!("{POD_A}:8443"), "-cert", &chain, "-key", &key])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let service = service("pass", "10.96.1.10", &[POD_A]).replace("port: 8081", "port: 8443");
    let ingress = routes("pass", "ssl-passthrough: \"true\"", "pass.example", &[("/", "Prefix", "pass")]);
    lab.write("pass", &format!("{service}---\n{ingress}"));
    // The client trusts the pod's own certificate and nobody else's.
    let client = |input: &str, name: &str, more: &str| {
        let script = format!(
            "{input} | timeout 20 openssl s_client -connect {ADDRESS}:443 -servername {name} \
             -CAfile {chain} -verify_hostname pass.example {more} 2>&1"
        );
        let output = lab.lab.bed.client.command("sh").args(["-c", &script]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    // Without a certificate openssl finds nothing wrong either.
    let good = |text: &str| text.contains("BEGIN CERTIFICATE") && text.contains("Verify return code: 0 (ok)");
    let ready = eventually(SOON, || good(&client(":", "pass.example", "")).then_some(()));
    let shown = client(":", "pass.example", "");
    let version = client(":", "pass.example", "-tls1_2");
    let other = client(":", "up.example", "");
    let echoed = client("printf 'hello\\nCLOSE\\n'", "pass.example", "-quiet");
    let _ = server.kill();
    let _ = server.wait();
    assert!(ready.is_some(), "{shown}\n{}", lab.report());
    assert!(shown.contains(String::from_utf8_lossy(&own.certificate).trim()), "{shown}");
    assert!(good(&version) && version.contains("TLSv1.2"), "{version}");
    assert!(echoed.contains("olleh"), "{echoed}");
    // Other names are the gateway's to answer.
    assert!(other.contains("BEGIN CERTIFICATE") && !good(&other), "{other}");
    let upstreams = lab.lab.cli(&["show", "http", "upstreams", "-o", "json"]);
    assert!(upstreams.contains("10.244.1.5:8443"), "{upstreams}");
}

#[test]
fn the_gateways_own_certificate_outlives_the_gateway() {
    let mut lab = HttpLab::start("", &[]);
    let shown = |lab: &HttpLab| {
        let script = format!(
            "openssl s_client -connect {ADDRESS}:443 -servername nobody.example < /dev/null 2> /dev/null | \
             openssl x509 -noout -subject -serial -fingerprint -sha256"
        );
        let ask = || {
            let output = lab.lab.bed.client.command("sh").args(["-c", &script]).output().unwrap();
            Some(String::from_utf8_lossy(&output.stdout).into_owned()).filter(|text| !text.is_empty())
        };
        eventually(SOON, ask).unwrap_or_else(|| panic!("{}", lab.report()))
    };
    let first = shown(&lab);
    assert!(first.contains("Sluice ingress default certificate"), "{first}");
    let before = lab.lab.gateway.pid();
    lab.restart();
    assert_ne!(lab.lab.gateway.pid(), before);
    assert_eq!(shown(&lab), first);
}
