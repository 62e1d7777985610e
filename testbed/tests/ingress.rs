//! Ingress through a running gateway on TAP ports, asked by the programs that people ask with.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod common;
mod http;

use std::time::Duration;

use http::*;
use sluice_testbed::client::eventually;

fn rules(rules: &[String]) -> String {
    format!("  rules:\n{}", rules.concat())
}

#[test]
fn exact_and_prefix_paths_lead_where_kubernetes_says() {
    let paths = [
        ("/foo", "Exact", "two"),
        ("/bar", "Prefix", "two"),
        ("/bar/baz", "Prefix", "one"),
        ("/slash/", "Prefix", "two"),
        ("/same", "Prefix", "one"),
        ("/same", "Exact", "two"),
        ("/impl", "ImplementationSpecific", "two"),
    ];
    let lab =
        HttpLab::start("", &[("paths", ingress("paths", "", &rules(&[rule("paths.example", &paths)])))]);
    for (path, expected) in [
        ("/foo", "b"),
        ("/foo/", "404"),
        ("/Foo", "404"),
        ("/foo?x=/y", "b"),
        ("/bar", "b"),
        ("/bar/", "b"),
        ("/bar/x", "b"),
        ("/barx", "404"),
        ("/bar/baz", "a"),
        ("/bar/baz/x", "a"),
        ("/bar/bazx", "b"),
        ("/slash", "b"),
        ("/slash/x", "b"),
        ("/same", "b"),
        ("/same/x", "a"),
        ("/impl/x", "b"),
        ("/", "404"),
        // Normalised before it is matched, never decoded.
        ("/x/../foo", "b"),
        ("/%66oo", "404"),
    ] {
        assert_eq!(lab.route("paths.example", path), expected, "{path}\n{}", lab.report());
    }
}

#[test]
fn hosts_are_precise_then_wildcard_then_all_and_never_fall_through() {
    let hosts = rules(&[
        rule("a.example.com", &[("/one", "Prefix", "one")]),
        rule("*.example.com", &[("/", "Prefix", "two")]),
        rule("", &[("/any", "Prefix", "one")]),
    ]);
    let default = "  defaultBackend: { service: { name: two, port: { name: http } } }\n";
    let lab = HttpLab::start("", &[("hosts", ingress("hosts", "", &hosts))]);
    for (host, path, expected) in [
        ("a.example.com", "/one", "a"),
        // Its own host, whatever the wildcard has.
        ("a.example.com", "/two", "404"),
        ("b.example.com", "/two", "b"),
        ("B.EXAMPLE.com", "/two", "b"),
        ("c.b.example.com", "/two", "404"),
        ("example.com", "/two", "404"),
        ("other.example", "/any", "a"),
        ("other.example", "/two", "404"),
        ("up.example", "/", "a"),
    ] {
        assert_eq!(lab.route(host, path), expected, "{host}{path}\n{}", lab.report());
    }
    // Port and final dot are no part of a host.
    let dotted = lab.curl(&["-H", "Host: b.example.com.:80", &format!("http://{ADDRESS}/two")]).unwrap();
    assert_eq!(dotted.pod(), "b");
    // A default backend takes what nothing else does, of its own hosts as well.
    lab.write("hosts", &ingress("hosts", "", &format!("{default}{hosts}")));
    let taken =
        eventually(Duration::from_secs(5), || (lab.route("other.example", "/two") == "b").then_some(()));
    assert!(taken.is_some(), "{}", lab.report());
    assert_eq!(lab.route("a.example.com", "/two"), "b");
}

#[test]
fn every_version_of_http_is_spoken_in_both_families() {
    let tls = "  tls: [{ hosts: [up.example], secretName: up }]\n";
    let lab = HttpLab::start("", &[]);
    lab.write(
        "up-tls",
        &format!(
            "{}---\n{}",
            lab.pair(&["up.example"], 1).secret("up"),
            ingress(
                "tls",
                "ssl-redirect: \"false\"",
                &format!("{tls}{}", rules(&[rule("up.example", &[("/tls", "Prefix", "two")])]))
            )
        ),
    );
    let ready = eventually(Duration::from_secs(5), || {
        lab.curl(&lab.url("https", "up.example", "/tls")).ok().filter(|reply| reply.status == 200)
    });
    assert!(ready.is_some(), "{}", lab.report());
    for (scheme, argument, version) in [
        ("http", "--http1.0", "HTTP/1.0"),
        ("http", "--http1.1", "HTTP/1.1"),
        ("http", "--http2-prior-knowledge", "HTTP/2"),
        ("https", "--http1.1", "HTTP/1.1"),
        ("https", "--http2", "HTTP/2"),
    ] {
        let reply = lab.ask(scheme, "up.example", "/tls", &[argument]);
        assert_eq!((reply.status, reply.pod()), (200, "b"), "{argument}");
        assert!(reply.version.starts_with(version), "{argument}: {reply:?}");
        assert!(reply.said("line").unwrap().ends_with("HTTP/1.1"), "the pod is spoken to in HTTP/1.1");
    }
    let six = lab
        .curl(&["-H", "Host: up.example", "-g", &format!("http://[{ADDRESS6}]/tls")])
        .unwrap_or_else(|error| panic!("{error}\n{}", lab.report()));
    assert_eq!((six.pod(), six.said("x-forwarded-for")), ("b", Some("2001:db8:1::100")));
}

#[test]
fn the_certificate_is_chosen_by_sni_and_old_versions_are_refused() {
    let lab = HttpLab::start("", &[]);
    let hosts = ["a.example.com", "*.example.com", "b.example.org"];
    let secrets: String = hosts
        .iter()
        .zip(["sa", "sw", "sb"])
        .map(|(host, name)| format!("{}---\n", lab.pair(&[host], 1).secret(name)))
        .collect();
    let tls = "  tls:\n  - { hosts: [a.example.com], secretName: sa }\n  - { hosts: [\"*.example.com\"], secretName: sw }\n  - { hosts: [b.example.org], secretName: sb }\n";
    let all = hosts.map(|host| rule(host, &[("/", "Prefix", "one")]));
    lab.write("sni", &format!("{secrets}{}", ingress("sni", "", &format!("{tls}{}", rules(&all)))));
    let shown = |name: &str, more: &[&str]| {
        let mut command = lab.lab.bed.client.command("openssl");
        command.args(["s_client", "-connect", &format!("{ADDRESS}:443")]).args(more);
        if name.is_empty() {
            command.arg("-noservername")
        } else {
            command.args(["-servername", name])
        };
        let output = command.stdin(std::process::Stdio::null()).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    };
    let ready = eventually(Duration::from_secs(5), || {
        shown("a.example.com", &[]).contains("CN = a.example.com").then_some(())
    });
    assert!(ready.is_some(), "{}\n{}", shown("a.example.com", &[]), lab.report());
    for (name, subject) in [
        ("b.example.com", "CN = *.example.com"),
        ("B.example.com", "CN = *.example.com"),
        ("b.example.org", "CN = b.example.org"),
    ] {
        let text = shown(name, &[]);
        assert!(text.contains(subject), "{name}: {text}");
    }
    // Nobody's name, and none: a certificate of the gateway's own, none of these.
    for name in ["x.y.example.com", "example.net", ""] {
        let text = shown(name, &[]);
        assert!(text.contains("BEGIN CERTIFICATE"), "{name}: {text}");
        assert!(!text.contains("example.com\n") && !text.contains("example.org\n"), "{name}: {text}");
    }
    for (argument, version) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let text = shown("a.example.com", &[argument]);
        assert!(text.contains(&format!("New, {version}")) || text.contains(version), "{argument}: {text}");
        assert!(text.contains("CN = a.example.com"), "{argument}: {text}");
    }
    let old = shown("a.example.com", &["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"]);
    assert!(!old.contains("BEGIN CERTIFICATE"), "{old}");
    // A session is resumed, whichever worker takes the connection.
    let resumed = shown("a.example.com", &["-tls1_2", "-reconnect"]);
    assert!(resumed.matches("Reused, TLSv1.2").count() >= 4, "{resumed}");
    // A host of another certificate on the same connection is misdirected.
    let mut arguments = vec!["-H".to_owned(), "Host: b.example.org".to_owned()];
    arguments.extend(lab.url("https", "a.example.com", "/"));
    assert_eq!(lab.curl(&arguments).unwrap().status, 421);
    assert_eq!(lab.get("https", "a.example.com", "/").status, 200);
}

#[test]
fn plain_requests_are_sent_to_https_where_there_is_tls() {
    let lab = HttpLab::start("", &[]);
    let tls = "  tls: [{ hosts: [up.example], secretName: up }]\n";
    let spec = format!("{tls}{}", rules(&[rule("up.example", &[("/tls", "Prefix", "two")])]));
    lab.write(
        "tls",
        &format!("{}---\n{}", lab.pair(&["up.example"], 1).secret("up"), ingress("tls", "", &spec)),
    );
    let moved = eventually(Duration::from_secs(5), || {
        let reply = lab.get("http", "up.example", "/tls/x?y=z");
        (reply.status == 308).then_some(reply)
    });
    let moved = moved.unwrap_or_else(|| panic!("{}", lab.report()));
    assert_eq!(moved.header("location"), Some("https://up.example/tls/x?y=z"));
    assert_eq!(moved.header("strict-transport-security"), None, "RFC 6797 section 7.2");
    let reply = lab.get("https", "up.example", "/tls/x");
    let hsts = reply.header("strict-transport-security").unwrap_or_default();
    assert!(hsts.starts_with("max-age=31536000"), "{reply:?}");
    assert_eq!(reply.said("x-forwarded-proto"), Some("https"));
}

#[test]
fn the_pod_learns_who_asked_and_clients_cannot_make_it_up() {
    let lab = HttpLab::start("  trusted_proxies: [192.0.2.0/28]\n", &[]);
    let forged = lab.ask(
        "http",
        "up.example",
        "/x",
        &[
            "-H",
            "X-Forwarded-For: 10.0.0.1",
            "-H",
            "X-Real-IP: 10.0.0.1",
            "-H",
            "X-Forwarded-Proto: https",
            "-H",
            "Forwarded: for=10.0.0.1",
        ],
    );
    assert_eq!(forged.said("x-forwarded-for"), Some("192.0.2.100"), "{forged:?}");
    assert_eq!(forged.said("x-real-ip"), Some("192.0.2.100"));
    assert_eq!(forged.said("x-forwarded-proto"), Some("http"));
    assert_eq!(forged.said("x-forwarded-host"), Some("up.example"));
    assert!(!forged.body.contains("10.0.0.1"), "{forged:?}");
    assert!(forged.said("x-request-id").is_some_and(|id| id.len() >= 16), "{forged:?}");
    assert!(forged.said("peer").unwrap().starts_with("198.51.100.10:"), "{forged:?}");
    // What belongs to the connection alone goes no further (RFC 9110 section 7.6.1).
    let hop = lab.ask(
        "http",
        "up.example",
        "/",
        &["-H", "Connection: x-mine", "-H", "X-Mine: 1", "-H", "TE: gzip"],
    );
    assert!(hop.said("x-mine").is_none() && hop.said("te").is_none(), "{hop:?}");
}

#[test]
fn what_is_too_large_is_refused_by_its_status() {
    let small =
        ingress("small", "proxy-body-size: 1k", &rules(&[rule("small.example", &[("/", "Prefix", "one")])]));
    let lab = HttpLab::start("", &[("small", small)]);
    let body = "x".repeat(2000);
    assert_eq!(lab.ask("http", "small.example", "/", &["-d", &body, "-H", "Expect:"]).status, 413);
    assert_eq!(lab.ask("http", "small.example", "/", &["-d", &body[..1000]]).said("body"), Some("1000"));
    let chunked = ["-d", &body, "-H", "Transfer-Encoding: chunked", "-H", "Expect:"];
    assert_eq!(lab.ask("http", "small.example", "/", &chunked).status, 413);
    let header = format!("X-Large: {}", "y".repeat(60_000));
    assert_eq!(lab.ask("http", "up.example", "/", &["-H", &header]).status, 431);
    // The gateway asks for the body only where it wants it.
    let expected = lab.ask("http", "small.example", "/", &["-d", &body[..900], "-H", "Expect: 100-continue"]);
    assert_eq!((expected.status, expected.said("body")), (200, Some("900")));
}

#[test]
fn requests_that_two_parsers_could_read_differently_are_refused() {
    let lab = HttpLab::start("", &[]);
    for (name, request) in [
        (
            "length and encoding",
            "POST / HTTP/1.1\r\nHost: up.example\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        (
            "two lengths",
            "POST / HTTP/1.1\r\nHost: up.example\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        ),
        ("signed length", "POST / HTTP/1.1\r\nHost: up.example\r\nContent-Length: +3\r\n\r\nabc"),
        ("bare line feed", "GET / HTTP/1.1\nHost: up.example\n\n"),
        ("space before colon", "GET / HTTP/1.1\r\nHost : up.example\r\n\r\n"),
        ("folded line", "GET / HTTP/1.1\r\nHost: up.example\r\nX: a\r\n b\r\n\r\n"),
        ("NUL", "GET / HTTP/1.1\r\nHost: up.example\r\nX: a\0b\r\n\r\n"),
        ("two hosts", "GET / HTTP/1.1\r\nHost: up.example\r\nHost: other.example\r\n\r\n"),
        ("no host", "GET / HTTP/1.1\r\n\r\n"),
        (
            "odd chunk",
            "POST / HTTP/1.1\r\nHost: up.example\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
        ),
        (
            "unknown encoding",
            "POST / HTTP/1.1\r\nHost: up.example\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        ),
    ] {
        let mut connection = lab.connect(80);
        connection.send(request.as_bytes()).unwrap();
        let reply = connection.reply().unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(reply.status, 400, "{name}: {reply:?}");
        assert!(connection.is_closed(), "{name}: the connection goes on");
    }
}

#[test]
fn a_websocket_is_passed_through_both_ways() {
    let lab = HttpLab::start("", &[]);
    let mut socket = lab.connect(80);
    let request = "GET /chat HTTP/1.1\r\nHost: up.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    socket.send(request.as_bytes()).unwrap();
    let reply = socket.reply().unwrap_or_else(|error| panic!("{error}\n{}", lab.report()));
    assert_eq!((reply.status, reply.header("upgrade")), (101, Some("websocket")), "{reply:?}");
    for text in [&b"\x81\x05hello"[..], &[0x82; 3000], b"\0\r\n\r\n"] {
        socket.send(text).unwrap();
        assert_eq!(socket.exactly(text.len()).unwrap(), text);
    }
    // A client that asks for it is not given what the pod does not speak.
    let mut plain = lab.connect(80);
    plain.send(request.replace("websocket", "other").as_bytes()).unwrap();
    assert_eq!(plain.reply().unwrap().status, 200);
}

#[test]
fn grpc_keeps_its_trailers() {
    let spec = format!(
        "  tls: [{{ hosts: [rpc.example], secretName: rpc }}]\n{}",
        rules(&[rule("rpc.example", &[("/", "Prefix", "two")])])
    );
    let lab = HttpLab::start("", &[]);
    let rpc = ingress("rpc", "backend-protocol: GRPC", &spec);
    lab.write("rpc", &format!("{}---\n{rpc}", lab.pair(&["rpc.example"], 1).secret("rpc")));
    let call =
        ["--http2", "-H", "Content-Type: application/grpc", "-H", "TE: trailers", "--data-binary", "hello"];
    let ready = eventually(Duration::from_secs(5), || {
        let mut arguments: Vec<String> = call.iter().map(|&argument| argument.to_owned()).collect();
        arguments.extend(lab.url("https", "rpc.example", "/shop.Cart/Get"));
        lab.curl(&arguments).ok().filter(|reply| reply.status == 200)
    });
    let reply = ready.unwrap_or_else(|| panic!("{}", lab.report()));
    assert_eq!((reply.version.as_str(), reply.header("content-type")), ("HTTP/2", Some("application/grpc")));
    // curl prints trailers behind the body.
    assert!(reply.body.starts_with("hello"), "{reply:?}");
    assert!(reply.body.contains("grpc-status: 0") && reply.body.contains("grpc-message: b"), "{reply:?}");
}

/// With the library that most clients and servers are made of: `testbed/grpc`.
#[test]
fn grpc_go_gets_every_kind_of_call_through() {
    let spec = |tls: &str, host: &str| format!("{tls}{}", rules(&[rule(host, &[("/", "Prefix", "rpc")])]));
    let tls = "  tls: [{ hosts: [rpc.example], secretName: rpc }]\n";
    let lab = HttpLab::start("", &[]);
    let program = std::env::var_os("SLUICE_GRPC")
        .map_or_else(
            || concat!(env!("CARGO_MANIFEST_DIR"), "/../target/grpc").into(),
            std::path::PathBuf::from,
        )
        .join("grpc");
    assert!(program.exists(), "{} is built by testbed/grpc/build.sh", program.display());
    let program = program.display().to_string();
    // It ends with the namespace, if not before.
    let mut server = lab.lab.bed.node.command(&program);
    let mut server = server.args(["serve", &format!("{}:8082", common::POD_A)]).spawn().unwrap();
    let service = service("rpc", "10.96.1.9", &[common::POD_A]).replace("port: 8081", "port: 8082");
    let secret = lab.pair(&["rpc.example"], 1).secret("rpc");
    let secure = ingress("secure", "backend-protocol: GRPC", &spec(tls, "rpc.example"));
    let plain = ingress("plain", "backend-protocol: GRPC", &spec("", "plain.example"));
    lab.write("rpc", &[service, secret, secure, plain].join("---\n"));
    for (port, host, more) in [(443, "rpc.example", &["tls"][..]), (80, "plain.example", &[])] {
        let ask = || {
            let mut client = lab.lab.bed.client.command(&program);
            let output =
                client.args(["ask", &format!("{ADDRESS}:{port}"), host]).args(more).output().unwrap();
            let said = [output.stdout, output.stderr].concat();
            (output.status.success(), String::from_utf8_lossy(&said).into_owned())
        };
        // Until the route is there it is told so.
        let mut said = String::new();
        let done = eventually(Duration::from_secs(20), || {
            let (success, text) = ask();
            said = text;
            success.then_some(())
        });
        if done.is_none() {
            let _ = server.kill();
            panic!("{host}:\n{said}\n{}", lab.report());
        }
        for call in
            ["unary", "server stream", "client stream", "both", "deadline", "trailers only", "unknown method"]
        {
            assert!(said.contains(&format!("{call}: <nil>\n")), "{call}: {said}");
        }
    }
    let _ = server.kill();
    let _ = server.wait();
}

#[test]
fn a_service_without_endpoints_is_503_and_all_endpoints_take_their_turn() {
    let paths = [("/none", "Prefix", "none"), ("/both", "Prefix", "both")];
    let lab = HttpLab::start("", &[("more", ingress("more", "", &rules(&[rule("more.example", &paths)])))]);
    assert_eq!(lab.route("more.example", "/none"), "503");
    let mut connection = lab.connect(80);
    let mut pods: Vec<String> =
        (0..20).map(|_| connection.get("more.example", "/both").unwrap().pod().to_owned()).collect();
    pods.sort();
    assert_eq!(
        (pods[0].as_str(), pods[9].as_str(), pods[10].as_str(), pods[19].as_str()),
        ("a", "a", "b", "b")
    );
}

#[test]
fn annotations_of_ingress_nginx_do_what_they_say() {
    let one = |name: &str, annotations: &str, path: &str, kind: &str| {
        let host = format!("{name}.example");
        ingress(name, annotations, &rules(&[rule(&host, &[(path, kind, "one")])]))
    };
    let lab = HttpLab::start(
        "",
        &[
            ("rewrite", one("rewrite", "rewrite-target: /new/$1", "/old/(.*)", "ImplementationSpecific")),
            ("allow", one("allow", "whitelist-source-range: 10.0.0.0/8", "/", "Prefix")),
            (
                "cors",
                one("cors", "enable-cors: \"true\"\ncors-allow-origin: https://app.example", "/", "Prefix"),
            ),
            ("moved", one("moved", "permanent-redirect: https://new.example/x", "/", "Prefix")),
            ("sticky", one("sticky", "affinity: cookie\nsession-cookie-name: stay", "/", "Prefix")),
        ],
    );
    let rewritten = lab.get("http", "rewrite.example", "/old/a/b?c=d");
    assert_eq!(rewritten.said("line"), Some("GET /new/a/b?c=d HTTP/1.1"), "{rewritten:?}");
    assert_eq!(lab.get("http", "allow.example", "/").status, 403);
    let flight =
        ["-X", "OPTIONS", "-H", "Origin: https://app.example", "-H", "Access-Control-Request-Method: GET"];
    let cors = lab.ask("http", "cors.example", "/", &flight);
    assert_eq!(cors.header("access-control-allow-origin"), Some("https://app.example"), "{cors:?}");
    let moved = lab.get("http", "moved.example", "/y");
    assert_eq!((moved.status, moved.header("location")), (301, Some("https://new.example/x")));
    let sticky = lab.get("http", "sticky.example", "/");
    assert!(sticky.header("set-cookie").is_some_and(|cookie| cookie.starts_with("stay=")), "{sticky:?}");
}

#[test]
fn the_packet_path_keeps_out_who_may_not_connect() {
    let lab = HttpLab::start("  clients: [192.0.2.0/24, \"2001:db8:2::/64\"]\n", &[]);
    let six = ["--connect-timeout", "1", "-H", "Host: up.example", "-g", &format!("http://[{ADDRESS6}]/")];
    assert!(lab.curl(&six).is_err(), "a client of another network is answered");
    let counted =
        eventually(Duration::from_secs(2), || lab.lab.counters().contains("ingress_client").then_some(()));
    assert!(counted.is_some(), "{}", lab.report());
    // Another port is refused at once.
    let refused = lab.curl(&["--connect-timeout", "1", &format!("http://{ADDRESS}:8443/")]).unwrap_err();
    assert!(refused.contains("refused") || refused.contains("Failed to connect"), "{refused}");
    let counters = lab.lab.counters();
    assert!(counters.contains("ingress_syns"), "{counters}");
    let explained = lab.lab.cli(&["explain", "192.0.2.100", ADDRESS, "tcp", "443"]);
    assert!(explained.contains("given to the proxy"), "{explained}");
    let explained = lab.lab.cli(&["explain", "2001:db8:1::100", ADDRESS6, "tcp", "443"]);
    assert!(explained.contains("ingress_client"), "{explained}");
}

#[test]
fn show_and_explain_say_what_is_served() {
    let lab = HttpLab::start("", &[]);
    let tls = "  tls: [{ hosts: [shop.example], secretName: shop }]\n";
    let spec = format!(
        "{tls}{}",
        rules(&[rule("shop.example", &[("/", "Prefix", "two"), ("/api", "Exact", "both")])])
    );
    let secret = lab.pair(&["shop.example"], 1).secret("shop");
    lab.write("shop", &format!("{secret}---\n{}", ingress("shop", "", &spec)));
    let json = |arguments: &[&str]| -> serde_json::Value {
        serde_json::from_str(&lab.lab.cli(&[arguments, &["-o", "json"]].concat())).unwrap()
    };
    let routes = eventually(Duration::from_secs(5), || {
        let routes = json(&["show", "http", "routes", "shop.example"]);
        (routes.as_array().unwrap().len() == 2).then_some(routes)
    });
    let routes = routes.unwrap_or_else(|| panic!("{}", lab.report()));
    assert_eq!((&routes[1]["path"], &routes[1]["kind"]), (&"/api".into(), &"exact".into()), "{routes}");
    assert_eq!(routes[1]["action"]["forward"]["upstream"], "default/both:80");
    assert_eq!(
        (&routes[0]["https_redirect"], &routes[0]["origin"]),
        (&308.into(), &"Ingress default/shop".into())
    );
    let upstreams = json(&["show", "http", "upstreams"]);
    let both: Vec<_> =
        upstreams.as_array().unwrap().iter().filter(|row| row["upstream"] == "default/both:80").collect();
    assert_eq!(
        (both.len(), &both[0]["endpoint"], &both[0]["state"]),
        (2, &"10.244.1.5:8081".into(), &"in".into())
    );
    let certificates = json(&["show", "http", "certificates"]);
    let shop =
        certificates.as_array().unwrap().iter().find(|row| row["certificate"] == "default/shop").unwrap();
    assert_eq!(
        (&shop["names"][0], &shop["server_names"][0]),
        (&"shop.example".into(), &"shop.example".into())
    );
    assert!(shop["not_after"].as_i64().unwrap() > 1_700_000_000, "{shop}");
    let said = |url: &str| lab.lab.cli(&["explain", "http", url]);
    let api = said("https://shop.example/api");
    for line in [
        "TLS            server name shop.example, certificate default/shop",
        "route          /api (exact) of Ingress default/shop",
        "other routes   / (prefix) of Ingress default/shop: fits, but the route above comes before it",
        "verdict        forwarded to default/both:80, as /api of shop.example",
    ] {
        assert!(api.lines().any(|said| said == line), "{line}\n{api}");
    }
    assert!(said("http://shop.example/x").contains("answered with 308 to https://shop.example/x"));
    assert!(said("http://nobody.example/").contains("answered with 404"));
    assert_eq!(json(&["explain", "http", "http://nobody.example/"])["verdict"]["reason"], "no-host");
}
