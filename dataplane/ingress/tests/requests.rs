//! What becomes of requests: hosts, paths, policies, fields.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use bytes::Bytes;
use common::*;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use sluice_ingress::forward::Refusal;
use sluice_ingress::{Client, TlsInfo, TlsVersion};
use sluice_model::http::{
    Action, Affinity, Balance, Canary, Cors, Forward, HashKey, HeaderMatch, HostPattern, HttpChange,
    PathMatch, Policy, Redirect, Rewrite, ServerName, TlsAction, VirtualHost,
};

fn tls(entry: HostPattern) -> Client {
    let info = TlsInfo { version: TlsVersion::Tls13, server_name: None, entry };
    Client {
        peer: "198.51.100.7:999".parse().unwrap(),
        local: "127.0.0.1:443".parse().unwrap(),
        tls: Some(info),
        trusted: false,
    }
}

#[test]
fn a_request_reaches_its_endpoint_as_it_was_sent() {
    run(async {
        let endpoint = echo().await;
        let gateway = gateway(Policy::default(), &[endpoint.address]).await;
        let mut request = post("/a%2fb//c?x=1&y=%20", "body");
        request.headers_mut().insert("x-own", "1".parse().unwrap());
        let response = ask(&gateway, request).await;
        let told = text(&response);
        assert!(told.starts_with("POST /a%2fb//c?x=1&y=%20 HTTP/1.1\n"), "{told}");
        for line in [
            "host: a.com",
            "x-own: 1",
            "content-length: 4",
            "x-forwarded-for: 127.0.0.1",
            "x-real-ip: 127.0.0.1",
            "x-forwarded-proto: http",
            "x-forwarded-host: a.com",
        ] {
            assert!(told.lines().any(|told| told == line), "{line} in {told}");
        }
        assert!(told.ends_with("\n\nbody"), "{told}");
        let outcome = gateway.outcome();
        assert_eq!((outcome.endpoint, outcome.tries), (Some(endpoint.address), 1));
        assert_eq!(outcome.route.as_deref(), Some("Ingress default/web"));
        assert_eq!(outcome.request_id.unwrap().len(), 32);
    });
}

#[test]
fn dot_segments_are_normalised_before_matching_and_never_passed_on() {
    run(async {
        let (open, closed) = (echo().await, named("closed").await);
        let gateway = Gateway::start(&[
            host(
                "a.com",
                vec![
                    route(prefix("/"), forward("open"), Policy::default()),
                    route(prefix("/admin"), forward("closed"), Policy::default()),
                ],
            ),
            upstream("open", &[open.address]),
            upstream("closed", &[closed.address]),
        ])
        .await;
        assert_eq!(text(&ask(&gateway, get("/x/../admin/y")).await), "closed");
        assert_eq!(text(&ask(&gateway, get("/./admin")).await), "closed");
        let passed = ask(&gateway, get("/admin/../b/./c?d=/../e")).await;
        assert!(text(&passed).starts_with("GET /b/c?d=/../e HTTP/1.1\n"), "{}", text(&passed));
        for path in ["/x/%2e%2e/admin", "/x/..%2fadmin", "/..;/admin", "/../admin", "/%00"] {
            let response = ask(&gateway, get(path)).await;
            assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{path}");
            assert_eq!(gateway.outcome().refusal, Some(Refusal::MalformedPath));
        }
    });
}

#[test]
fn hosts_are_found_without_port_case_and_final_dot_and_do_not_fall_through() {
    run(async {
        let (one, wild, any) = (named("one").await, named("wild").await, named("any").await);
        let to = |path: &str, service: &str| route(prefix(path), forward(service), Policy::default());
        let gateway = Gateway::start(&[
            host("a.com", vec![to("/only", "one")]),
            host("*.a.com", vec![to("/", "wild")]),
            host("*", vec![to("/", "any")]),
            upstream("one", &[one.address]),
            upstream("wild", &[wild.address]),
            upstream("any", &[any.address]),
        ])
        .await;
        for (name, path, wanted) in [
            ("a.com", "/only", "one"),
            ("A.COM:8080", "/only/x", "one"),
            ("a.com.", "/only", "one"),
            ("x.a.com", "/only", "wild"),
            ("x.y.a.com", "/only", "any"),
            ("b.com", "/", "any"),
            ("10.0.0.1", "/", "any"),
        ] {
            assert_eq!(text(&ask(&gateway, with(path, &[("host", name)])).await), wanted, "{name}");
        }
        let missed = ask(&gateway, with("/other", &[("host", "a.com")])).await;
        assert_eq!(
            (missed.status(), gateway.outcome().refusal),
            (StatusCode::NOT_FOUND, Some(Refusal::NoRoute))
        );
        gateway.apply(&[HttpChange::HostGone(HostPattern::Any)]);
        assert_eq!(ask(&gateway, with("/", &[("host", "b.com")])).await.status(), StatusCode::NOT_FOUND);
        assert_eq!(gateway.outcome().refusal, Some(Refusal::NoHost));
    });
}

#[test]
fn malformed_and_doubled_hosts_are_refused() {
    run(async {
        let endpoint = echo().await;
        let gateway = gateway(Policy::default(), &[endpoint.address]).await;
        for head in [
            "GET / HTTP/1.1\r\n",
            "GET / HTTP/1.1\r\nHost: a.com\r\nHost: a.com\r\n",
            "GET / HTTP/1.1\r\nHost: a.com/b\r\n",
            "GET / HTTP/1.1\r\nHost: u@a.com\r\n",
            "GET http://b.com/ HTTP/1.1\r\nHost: a.com\r\n",
            "GET / HTTP/1.1\r\nHost:\r\n",
        ] {
            let answer = say(gateway.address, &format!("{head}Connection: close\r\n\r\n")).await;
            assert!(answer.starts_with("HTTP/1.1 400 "), "{head} {answer}");
        }
        let answer = say(gateway.address, "GET / HTTP/1.0\r\n\r\n").await;
        assert!(answer.contains(&format!("host: {}\n", endpoint.address)), "{answer}");
        let answer =
            say(gateway.address, "GET http://b.com/x HTTP/1.1\r\nHost: b.com\r\nConnection: close\r\n\r\n")
                .await;
        assert!(answer.contains("GET /x HTTP/1.1\n") && answer.contains("host: b.com\n"), "{answer}");
    });
}

#[test]
fn misdirected_requests_are_answered_with_421() {
    run(async {
        let endpoint = named("x").await;
        let gateway = gateway(Policy::default(), &[endpoint.address]).await;
        let entry = |host: HostPattern| {
            HttpChange::ServerName(ServerName { host, action: TlsAction::Terminate(None) })
        };
        let (exact, wild) = (HostPattern::Exact("a.com".into()), HostPattern::Wildcard("b.com".into()));
        gateway.apply(&[entry(exact.clone()), entry(wild.clone())]);
        for (sni, host, wanted) in [
            (&exact, "a.com", 200),
            (&exact, "x.b.com", 421),
            (&exact, "c.com", 421),
            (&wild, "x.b.com", 200),
            (&wild, "y.b.com", 200),
            (&wild, "b.com", 421),
            (&HostPattern::Any, "c.com", 200),
            (&HostPattern::Any, "a.com", 421),
        ] {
            *gateway.client.borrow_mut() = Some(tls(sni.clone()));
            let response = ask(&gateway, with("/", &[("host", host)])).await;
            assert_eq!(response.status(), wanted, "{sni} {host}");
        }
        // The connection is older than the entry of its name.
        let mut older = tls(wild);
        older.tls.as_mut().unwrap().server_name = Some("a.com".into());
        *gateway.client.borrow_mut() = Some(older);
        assert_eq!(ask(&gateway, with("/", &[("host", "A.com:443")])).await.status(), StatusCode::OK);
        assert_eq!(ask(&gateway, with("/", &[("host", "c.com")])).await.status(), 421);
    });
}

#[test]
fn plain_requests_are_sent_to_https_and_told_to_stay_there() {
    run(async {
        let endpoint = named("x").await;
        let policy = Policy { https_redirect: Some(308), hsts: Some(31_536_000), ..Policy::default() };
        let gateway = gateway(policy, &[endpoint.address]).await;
        let request = || with("/a/../b?c", &[("host", "a.com:8080")]);
        let response = ask(&gateway, request()).await;
        assert_eq!(
            (response.status(), &response.headers()["location"]),
            (StatusCode::PERMANENT_REDIRECT, &"https://a.com/b?c".parse().unwrap())
        );
        assert!(!response.headers().contains_key("strict-transport-security"));
        gateway.apply(&[settings(|settings| settings.https = vec!["127.0.0.1:8443".parse().unwrap()])]);
        assert_eq!(ask(&gateway, request()).await.headers()["location"], "https://a.com:8443/b?c");
        *gateway.client.borrow_mut() = Some(tls(HostPattern::Any));
        let response = ask(&gateway, request()).await;
        assert_eq!((response.status(), text(&response)), (StatusCode::OK, "x"));
        assert_eq!(response.headers()["strict-transport-security"], "max-age=31536000");
        // A trusted proxy in front took TLS off.
        *gateway.client.borrow_mut() = Some(Client { tls: None, trusted: true, ..tls(HostPattern::Any) });
        let forwarded = with("/", &[("x-forwarded-proto", "https")]);
        assert_eq!(ask(&gateway, forwarded).await.status(), StatusCode::OK);
    });
}

#[test]
fn networks_are_allowed_and_denied_by_the_client_that_trusted_proxies_name() {
    run(async {
        let endpoint = named("x").await;
        let policy = Policy {
            allow: vec!["203.0.113.0/24".parse().unwrap()],
            deny: vec!["203.0.113.66/32".parse().unwrap()],
            ..Policy::default()
        };
        let gateway = gateway(policy, &[endpoint.address]).await;
        let from = |address: &str| with("/", &[("x-forwarded-for", address)]);
        assert_eq!(ask(&gateway, from("203.0.113.1")).await.status(), StatusCode::FORBIDDEN, "not trusted");
        assert_eq!(gateway.outcome().refusal, Some(Refusal::Forbidden));
        *gateway.client.borrow_mut() = Some(Client { trusted: true, tls: None, ..tls(HostPattern::Any) });
        assert_eq!(ask(&gateway, from("203.0.113.1")).await.status(), StatusCode::OK);
        assert_eq!(ask(&gateway, from("203.0.113.66")).await.status(), StatusCode::FORBIDDEN);
        assert_eq!(ask(&gateway, from("203.0.113.1, 192.0.2.1")).await.status(), StatusCode::FORBIDDEN);
    });
}

#[test]
fn bodies_beyond_the_limit_are_refused_with_413_also_while_they_stream() {
    run(async {
        let endpoint = echo().await;
        let gateway = gateway(Policy { max_body: Some(10), ..Policy::default() }, &[endpoint.address]).await;
        assert_eq!(ask(&gateway, post("/", "0123456789")).await.status(), StatusCode::OK);
        assert_eq!(ask(&gateway, post("/", "0123456789x")).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
        let chunked = "POST / HTTP/1.1\r\nHost: a.com\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
            8\r\n01234567\r\n8\r\n01234567\r\n0\r\n\r\n";
        let answer = say(gateway.address, chunked).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert_eq!(gateway.outcome().refusal, Some(Refusal::TooLarge));
        let connections = endpoint.connections();
        let expecting = "POST / HTTP/1.1\r\nHost: a.com\r\nContent-Length: 11\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n";
        let answer = say(gateway.address, expecting).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "refused before it is sent: {answer}");
        assert_eq!(endpoint.connections(), connections);
    });
}

#[test]
fn expect_100_continue_is_answered_when_an_endpoint_is_there() {
    run(async {
        let endpoint = echo().await;
        let gateway = gateway(Policy::default(), &[endpoint.address]).await;
        let mut stream = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let head = "POST / HTTP/1.1\r\nHost: a.com\r\nContent-Length: 4\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n";
        stream.write_all(head.as_bytes()).await.unwrap();
        assert_eq!(read_head(&mut stream).await, "HTTP/1.1 100 Continue\r\n\r\n");
        stream.write_all(b"body").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\n\nbody"), "{answer}");
        assert!(!answer.contains("expect:"), "{answer}");
        let other = ask(&gateway, with("/", &[("expect", "tea")])).await;
        assert_eq!(other.status(), StatusCode::EXPECTATION_FAILED);
        gateway.apply(&[upstream("web", &[])]);
        let answer = say(gateway.address, head).await;
        assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    });
}

#[test]
fn hop_by_hop_fields_end_at_the_gateway_both_ways() {
    run(async {
        let endpoint = http1(|request| async {
            let told = told(request).await;
            Response::builder()
                .header("connection", "x-internal")
                .header("x-internal", "1")
                .header("keep-alive", "timeout=5")
                .header("proxy-connection", "keep-alive")
                .header("x-kept", "1")
                .body(Full::new(Bytes::from(told)))
                .unwrap()
        })
        .await;
        let gateway = gateway(Policy::default(), &[endpoint.address]).await;
        let fields = [
            ("connection", "x-secret, host, x-forwarded-for, te"),
            ("x-secret", "1"),
            ("keep-alive", "1"),
            ("proxy-authorization", "1"),
            ("te", "gzip, trailers"),
            ("x-forwarded-for", "6.6.6.6"),
            ("forwarded", "for=6.6.6.6"),
            ("x_forwarded_for", "6.6.6.6"),
            ("x-request-id", "6.6.6.6"),
        ];
        let response = ask(&gateway, with("/", &fields)).await;
        let told = text(&response);
        assert!(
            !told.contains("6.6.6.6") && !told.contains("secret") && !told.contains("keep-alive"),
            "{told}"
        );
        assert!(told.contains("host: a.com\n") && told.contains("x-forwarded-for: 127.0.0.1\n"), "{told}");
        assert!(
            told.contains("te: trailers\n")
                && told.contains("forwarded: for=127.0.0.1;host=\"a.com\";proto=http\n"),
            "{told}"
        );
        let headers = response.headers();
        assert!(headers.contains_key("x-kept"));
        for name in ["connection", "x-internal", "keep-alive", "proxy-connection"] {
            assert!(!headers.contains_key(name), "{name}");
        }
    });
}

#[test]
fn routes_redirect_and_respond() {
    run(async {
        let redirect = |location: Option<&str>, host: Option<&str>, scheme: Option<&str>| {
            let owned = |text: Option<&str>| text.map(Into::into);
            let redirect = Redirect {
                status: 301,
                scheme: owned(scheme),
                host: owned(host),
                location: owned(location),
                keep_query: false,
            };
            Action::Redirect(redirect)
        };
        let exact = |path: &str, action| route(PathMatch::Exact(path.into()), action, Policy::default());
        let gateway = Gateway::start(&[host(
            "*",
            vec![
                exact("/", redirect(Some("/app"), None, None)),
                exact("/away", redirect(Some("https://b.com/x"), None, None)),
                exact("/www", redirect(None, Some("www.a.com"), None)),
                exact("/tls", redirect(None, None, Some("https"))),
                exact("/gone", Action::Respond(410)),
            ],
        )])
        .await;
        for (path, wanted) in [
            ("/", "http://a.com:81/app"),
            ("/away?x", "https://b.com/x"),
            ("/www?x", "http://www.a.com/www?x"),
            ("/tls?x", "https://a.com/tls?x"),
        ] {
            let response = ask(&gateway, with(path, &[("host", "a.com:81")])).await;
            assert_eq!(
                (response.status().as_u16(), &response.headers()["location"]),
                (301, &wanted.parse().unwrap())
            );
        }
        let gone = ask(&gateway, get("/gone")).await;
        assert_eq!((gone.status(), text(&gone)), (StatusCode::GONE, "410 Gone\n"));
        let head =
            ask(&gateway, Request::head("/gone").header("host", "a.com").body(Full::default()).unwrap())
                .await;
        assert_eq!(
            (head.status(), text(&head), &head.headers()["content-length"]),
            (StatusCode::GONE, "", &"9".parse().unwrap())
        );
    });
}

#[test]
fn rewrites_and_upstream_hosts() {
    run(async {
        let endpoint = echo().await;
        let rewrite = |path: &str| Some(Rewrite { path: path.into() });
        let groups = Policy { rewrite: rewrite("/$2"), host: Some("inner.svc".into()), ..Policy::default() };
        let fixed = Policy { rewrite: rewrite("/fixed"), ..Policy::default() };
        let gateway = Gateway::start(&[
            host("a.com", vec![route(PathMatch::Pattern("/api(/|$)(.*)".into()), forward("web"), groups)]),
            host("b.com", vec![route(prefix("/x"), forward("web"), fixed)]),
            upstream("web", &[endpoint.address]),
        ])
        .await;
        for (name, path, target, told_host) in [
            ("a.com", "/API/v1/x?y", "/v1/x?y", "inner.svc"),
            ("a.com", "/api", "/", "inner.svc"),
            ("a.com", "/api//evil.com", "/evil.com", "inner.svc"),
            ("b.com:1", "/x/y?z", "/fixed?z", "b.com:1"),
        ] {
            let response = ask(&gateway, with(path, &[("host", name)])).await;
            let told = text(&response);
            assert!(told.starts_with(&format!("GET {target} HTTP/1.1\n")), "{told}");
            assert!(told.contains(&format!("\nhost: {told_host}\n")), "{told}");
            assert!(told.contains(&format!("\nx-forwarded-host: {name}\n")), "{told}");
        }
    });
}

#[test]
fn cross_origin_requests_are_answered() {
    run(async {
        let endpoint = http1(|_| async {
            let response = Response::builder().header("access-control-allow-origin", "*");
            response.body(Full::new(Bytes::from_static(b"x"))).unwrap()
        })
        .await;
        let cors = |origin: &str| Cors {
            origins: vec![origin.into()],
            methods: "GET, PUT".into(),
            headers: "X-Own".into(),
            expose: "X-Seen".into(),
            credentials: true,
            max_age: 60,
        };
        let gateway = Gateway::start(&[
            host(
                "a.com",
                vec![route(
                    prefix("/"),
                    forward("web"),
                    Policy { cors: Some(cors("https://*.ok.com")), ..Policy::default() },
                )],
            ),
            host(
                "any.com",
                vec![route(
                    prefix("/"),
                    forward("web"),
                    Policy { cors: Some(cors("*")), ..Policy::default() },
                )],
            ),
            upstream("web", &[endpoint.address]),
        ])
        .await;
        let preflight = |host: &str, origin: &str| {
            let request =
                Request::builder().method("OPTIONS").uri("/").header("host", host).header("origin", origin);
            request.header("access-control-request-method", "PUT").body(Full::<Bytes>::default()).unwrap()
        };
        let response = ask(&gateway, preflight("a.com", "https://x.ok.com")).await;
        let field = |response: &Response<Bytes>, name: &str| {
            response.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
        };
        assert_eq!((response.status(), endpoint.connections()), (StatusCode::NO_CONTENT, 0));
        for (name, value) in [
            ("access-control-allow-origin", "https://x.ok.com"),
            ("access-control-allow-methods", "GET, PUT"),
            ("access-control-allow-headers", "X-Own"),
            ("access-control-allow-credentials", "true"),
            ("access-control-max-age", "60"),
            ("vary", "Origin"),
        ] {
            assert_eq!(field(&response, name), value, "{name}");
        }
        let response = ask(&gateway, preflight("a.com", "https://evil.com")).await;
        assert_eq!(
            (response.status(), field(&response, "access-control-allow-origin")),
            (StatusCode::NO_CONTENT, String::new())
        );
        let response = ask(&gateway, with("/", &[("origin", "https://x.ok.com")])).await;
        assert_eq!(field(&response, "access-control-allow-origin"), "https://x.ok.com");
        assert_eq!(field(&response, "access-control-expose-headers"), "X-Seen");
        let response = ask(&gateway, with("/", &[("origin", "https://evil.com")])).await;
        assert_eq!(field(&response, "access-control-allow-origin"), "", "the endpoint's word is replaced");
        let response = ask(&gateway, with("/", &[("host", "any.com"), ("origin", "https://evil.com")])).await;
        assert_eq!(field(&response, "access-control-allow-origin"), "*");
        assert_eq!(field(&response, "access-control-allow-credentials"), "", "never to everybody");
        let response = ask(
            &gateway,
            Request::options("/").header("host", "a.com").body(Full::<Bytes>::default()).unwrap(),
        )
        .await;
        assert_eq!(text(&response), "x", "OPTIONS that is no preflight");
    });
}

#[test]
fn canaries_by_header_cookie_and_weight() {
    run(async {
        let (main, canary) = (named("main").await, named("canary").await);
        let gateway = |header: Option<HeaderMatch>, cookie: Option<&str>, weight| {
            let canary_rule = Canary {
                upstream: name("canary"),
                header: header.map(|rule| ("X-Canary".into(), rule)),
                cookie: cookie.map(Into::into),
                weight,
                total: 100,
            };
            let action = Action::Forward(Forward {
                upstream: name("main"),
                fallback: None,
                canary: Some(canary_rule),
            });
            let changes = [
                host("*", vec![route(prefix("/"), action, Policy::default())]),
                upstream("main", &[main.address]),
                upstream("canary", &[canary.address]),
            ];
            async move { Gateway::start(&changes).await }
        };
        let switch = gateway(Some(HeaderMatch::Switch), Some("can"), 0).await;
        for (fields, wanted) in [
            (&[][..], "main"),
            (&[("x-canary", "always")], "canary"),
            (&[("x-canary", "never"), ("cookie", "can=always")], "main"),
            (&[("x-canary", "other"), ("cookie", "a=b; can=always")], "canary"),
            (&[("cookie", "can=never")], "main"),
        ] {
            assert_eq!(text(&ask(&switch, with("/", fields)).await), wanted, "{fields:?}");
        }
        let exact = gateway(Some(HeaderMatch::Exact("v2".into())), None, 0).await;
        assert_eq!(text(&ask(&exact, with("/", &[("x-canary", "v2")])).await), "canary");
        assert_eq!(text(&ask(&exact, with("/", &[("x-canary", "always")])).await), "main");
        let pattern = gateway(Some(HeaderMatch::Pattern("^v[0-9]".into())), None, 0).await;
        assert_eq!(text(&ask(&pattern, with("/", &[("x-canary", "v77")])).await), "canary");
        let weighed = gateway(None, None, 30).await;
        let mut count = 0;
        for _ in 0..300 {
            count += usize::from(text(&ask(&weighed, get("/")).await) == "canary");
        }
        assert!((50..135).contains(&count), "{count} of 300 at 30 of 100");
        let all = gateway(None, None, 100).await;
        all.apply(&[upstream("canary", &[])]);
        assert_eq!(text(&ask(&all, get("/")).await), "main", "a canary without endpoints takes nothing");
    });
}

#[test]
fn a_hundred_requests_reach_all_ten_endpoints() {
    run(async {
        let mut endpoints = Vec::new();
        for _ in 0..10 {
            endpoints.push(named("x").await);
        }
        let addresses: Vec<_> = endpoints.iter().map(|endpoint| endpoint.address).collect();
        let gateway = gateway(Policy::default(), &addresses).await;
        for _ in 0..100 {
            ask(&gateway, get("/")).await;
        }
        for address in addresses {
            let count =
                gateway.outcomes.borrow().iter().filter(|outcome| outcome.endpoint == Some(address)).count();
            assert_eq!(count, 10);
        }
    });
}

#[test]
fn cookies_and_hashes_keep_clients_with_an_endpoint() {
    run(async {
        let mut endpoints = Vec::new();
        for _ in 0..5 {
            endpoints.push(named("x").await);
        }
        let addresses: Vec<_> = endpoints.iter().map(|endpoint| endpoint.address).collect();
        let affinity = Affinity {
            cookie: "route".into(),
            path: None,
            domain: Some("a.com".into()),
            max_age: Some(60),
            same_site: Some(sluice_model::http::SameSite::Lax),
            secure: Some(true),
            change_on_failure: false,
        };
        let gateway = gateway(Policy { affinity: Some(affinity), ..Policy::default() }, &addresses).await;
        let first = ask(&gateway, get("/")).await;
        let cookie = first.headers()["set-cookie"].to_str().unwrap().to_owned();
        let (pair, rest) = cookie.split_once(';').unwrap();
        assert_eq!(rest, " Path=/; Domain=a.com; Max-Age=60; Secure; HttpOnly; SameSite=Lax");
        let endpoint = gateway.outcome().endpoint;
        for _ in 0..10 {
            let next = ask(&gateway, with("/", &[("cookie", pair)])).await;
            assert!(!next.headers().contains_key("set-cookie"));
            assert_eq!(gateway.outcome().endpoint, endpoint);
        }
        let left: Vec<_> = addresses.iter().copied().filter(|address| Some(*address) != endpoint).collect();
        gateway.apply(&[upstream("web", &left)]);
        let next = ask(&gateway, with("/", &[("cookie", pair)])).await;
        assert!(next.headers().contains_key("set-cookie"), "it is gone");

        let hashed = Policy { balance: Balance::Hash(HashKey::Argument("user".into())), ..Policy::default() };
        let gateway = common::gateway(hashed, &addresses).await;
        let mut seen = std::collections::HashSet::new();
        for user in 0..20 {
            ask(&gateway, get(&format!("/?x=1&user={user}"))).await;
            let endpoint = gateway.outcome().endpoint;
            ask(&gateway, get(&format!("/other?user={user}&x=2"))).await;
            assert_eq!(gateway.outcome().endpoint, endpoint, "user {user}");
            seen.insert(endpoint);
        }
        assert!(seen.len() >= 3, "{seen:?}");
    });
}

#[test]
fn connect_and_trace_are_refused() {
    run(async {
        let endpoint = echo().await;
        let gateway = gateway(Policy::default(), &[endpoint.address]).await;
        let answer =
            say(gateway.address, "CONNECT a.com:443 HTTP/1.1\r\nHost: a.com\r\nConnection: close\r\n\r\n")
                .await;
        assert!(answer.starts_with("HTTP/1.1 405 ") && answer.contains("allow: GET"), "{answer}");
        let answer =
            say(gateway.address, "TRACE / HTTP/1.1\r\nHost: a.com\r\nConnection: close\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
        assert_eq!(endpoint.connections(), 0);
    });
}

#[test]
fn answers_without_a_body_have_none() {
    run(async {
        let endpoint = raw(|mut stream, _| async move {
            use tokio::io::AsyncWriteExt;
            loop {
                let head = read_head(&mut stream).await;
                let status = if head.contains("/204") {
                    "204 No Content\r\n\r\n"
                } else if head.contains("/304") {
                    "304 Not Modified\r\nContent-Length: 7\r\n\r\n"
                } else if head.is_empty() {
                    return;
                } else {
                    "200 OK\r\nContent-Length: 7\r\n\r\n"
                };
                stream.write_all(format!("HTTP/1.1 {status}").as_bytes()).await.unwrap();
                if head.starts_with("GET / ") {
                    stream.write_all(b"content").await.unwrap();
                }
            }
        })
        .await;
        let gateway = gateway(Policy::default(), &[endpoint.address]).await;
        let mut stream = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        for (line, status, length) in [
            ("HEAD /", "200 OK", Some(7)),
            ("GET /204", "204 No Content", None),
            ("GET /304", "304 Not Modified", None),
            ("GET /", "200 OK", Some(7)),
        ] {
            stream.write_all(format!("{line} HTTP/1.1\r\nHost: a.com\r\n\r\n").as_bytes()).await.unwrap();
            let head = read_head(&mut stream).await;
            assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{head}");
            if let Some(length) = length {
                assert!(head.contains(&format!("content-length: {length}\r\n")), "{line} {head}");
            }
            assert!(!head.contains("chunked"), "{head}");
        }
        let mut body = [0; 7];
        stream.read_exact(&mut body).await.unwrap();
        assert_eq!(&body, b"content");
        assert_eq!(endpoint.connections(), 1, "one connection for all of them");
    });
}

#[test]
fn hosts_that_match_decoded_find_their_routes_and_pass_paths_on_as_they_came() {
    run(async {
        let (web, other) = (echo().await, named("other").await);
        let rewrite = Rewrite { path: "/new/$1".into() };
        let routes = vec![
            route(prefix("/app"), forward("web"), Policy::default()),
            route(
                PathMatch::Pattern("/old/(.*)".into()),
                forward("web"),
                Policy { rewrite: Some(rewrite), ..Policy::default() },
            ),
            route(prefix("/"), forward("other"), Policy::default()),
        ];
        let decoding = |decoded: bool| {
            let HttpChange::Host(host) = host("*", routes.clone()) else { panic!() };
            HttpChange::Host(VirtualHost { decoded, ..host })
        };
        let gateway = Gateway::start(&[
            decoding(false),
            upstream("web", &[web.address]),
            upstream("other", &[other.address]),
        ])
        .await;
        for path in ["/%61pp/x", "//app/x", "/app%2fx", "/o%6cd/x"] {
            assert_eq!(text(&ask(&gateway, get(path)).await), "other", "{path}");
        }
        gateway.apply(&[decoding(true)]);
        for (path, sent) in [
            ("/%61pp/x", "/%61pp/x"),
            ("//app//x", "//app//x"),
            ("/app%2fx?q=%41", "/app%2fx?q=%41"),
            ("/o%6cd/a%20b%2525", "/new/a%20b%2525"),
            ("/old/x", "/new/x"),
        ] {
            let answer = ask(&gateway, get(path)).await;
            assert!(text(&answer).starts_with(&format!("GET {sent} ")), "{path}: {}", text(&answer));
        }
        assert_eq!(text(&ask(&gateway, get("/%41pp/x")).await), "other", "case counts");
        for path in ["/app/%2e%2e/x", "/app%2f..%2fx", "/app%00"] {
            assert_eq!(ask(&gateway, get(path)).await.status(), 400, "{path}");
        }
    });
}
