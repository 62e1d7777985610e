//! HTTP/2 on either side, and gRPC.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use bytes::Bytes;
use common::*;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use sluice_ingress::forward::Refusal;
use sluice_model::http::{BackendProtocol, Policy};

fn grpc() -> Policy {
    Policy { protocol: BackendProtocol::Grpc, ..Policy::default() }
}

/// Frames that are there already.
fn frames(
    frames: Vec<Frame<Bytes>>,
) -> StreamBody<impl futures_util::Stream<Item = Result<Frame<Bytes>, std::io::Error>> + Unpin> {
    StreamBody::new(futures_util::stream::iter(frames.into_iter().map(Ok)))
}

fn trailers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    fields.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

/// Answers a message with itself and a status in trailers.
async fn grpc_endpoint() -> Endpoint {
    http2(|request: Request<hyper::body::Incoming>| async move {
        assert_eq!(request.version(), Version::HTTP_2);
        assert_eq!(request.headers().get("te").map(|te| te.as_bytes()), Some(&b"trailers"[..]));
        let told = format!("{} {}", request.method(), request.uri());
        let body = request.into_body().collect().await.unwrap();
        let came = body.trailers().and_then(|trailers| trailers.get("x-sum")).cloned();
        let mut end = trailers(&[("grpc-status", "0"), ("connection", "x"), ("x-forwarded-for", "6.6.6.6")]);
        end.extend(came.map(|sum| ("x-sum".parse::<http::HeaderName>().unwrap(), sum)));
        let parts = vec![Frame::data(body.to_bytes()), Frame::trailers(end)];
        let response = Response::builder().header("content-type", "application/grpc").header("x-told", told);
        // A server that sends connection-specific fields in HTTP/2 would be malformed; hyper drops them from trailers too.
        response
            .body(frames(
                parts
                    .into_iter()
                    .map(|frame| match frame.into_trailers() {
                        Ok(mut trailers) => {
                            trailers.remove("connection");
                            Frame::trailers(trailers)
                        }
                        Err(frame) => frame,
                    })
                    .collect(),
            ))
            .unwrap()
    })
    .await
}

fn call(version: Version) -> http::request::Builder {
    Request::builder()
        .method(Method::POST)
        .version(version)
        .uri("http://a.com/pkg.Service/Call")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
}

#[test]
fn grpc_passes_with_trailers_both_ways() {
    run(async {
        let endpoint = grpc_endpoint().await;
        let gateway = gateway(grpc(), &[endpoint.address]).await;
        for _ in 0..5 {
            let parts = vec![
                Frame::data(Bytes::from_static(b"message")),
                Frame::trailers(trailers(&[("x-sum", "7")])),
            ];
            let response = ask_http2(&gateway, call(Version::HTTP_2).body(frames(parts)).unwrap()).await;
            assert_eq!(response.status(), StatusCode::OK);
            assert_eq!(response.headers()["x-told"], "POST http://a.com/pkg.Service/Call");
            let body = response.into_body();
            assert_eq!(body.trailers(), Some(&trailers(&[("grpc-status", "0"), ("x-sum", "7")])));
            assert_eq!(body.to_bytes(), "message");
        }
        assert_eq!(endpoint.connections(), 1, "one connection for all of them");
    });
}

#[test]
fn many_streams_share_a_connection() {
    run(async {
        let endpoint = grpc_endpoint().await;
        let gateway = gateway(grpc(), &[endpoint.address]).await;
        let calls: Vec<_> = (0..60)
            .map(|_| {
                let gateway = gateway.clone();
                let body = Full::new(Bytes::from_static(b"x"));
                tokio::task::spawn_local(async move {
                    ask_http2(&gateway, call(Version::HTTP_2).body(body).unwrap()).await.status()
                })
            })
            .collect();
        for call in calls {
            assert_eq!(call.await.unwrap(), StatusCode::OK);
        }
        assert_eq!(endpoint.connections(), 1);
    });
}

#[test]
fn grpc_from_http1_is_refused_and_other_requests_are_not() {
    run(async {
        let endpoint =
            http2(|request| async { Response::new(Full::new(Bytes::from(told(request).await))) }).await;
        let gateway = gateway(grpc(), &[endpoint.address]).await;
        let mut request = post("/pkg.Service/Call", "x");
        request.headers_mut().insert("content-type", "application/grpc+proto".parse().unwrap());
        assert_eq!(ask(&gateway, request).await.status(), StatusCode::HTTP_VERSION_NOT_SUPPORTED);
        assert_eq!(gateway.outcome().refusal, Some(Refusal::GrpcVersion));
        let response = ask(&gateway, get("/health")).await;
        assert!(text(&response).starts_with("GET http://a.com/health HTTP/2.0\n"), "{}", text(&response));
    });
}

#[test]
fn an_http2_client_reaches_an_http1_endpoint() {
    run(async {
        let endpoint = echo().await;
        let gateway = gateway(Policy::default(), &[endpoint.address]).await;
        let request = Request::post("http://a.com:8080/x/../y?z")
            .header("cookie", "a=1")
            .header("cookie", "b=2")
            .header("te", "trailers")
            .body(Full::new(Bytes::from_static(b"body")))
            .unwrap();
        let response = ask_http2(&gateway, request).await;
        let told = String::from_utf8(response.into_body().to_bytes().to_vec()).unwrap();
        assert!(told.starts_with("POST /y?z HTTP/1.1\n"), "{told}");
        assert!(told.contains("\nhost: a.com:8080\n") && told.contains("\ncookie: a=1; b=2\n"), "{told}");
        assert!(told.ends_with("\n\nbody"), "{told}");
        let differing =
            Request::get("http://a.com/").header("host", "b.com").body(Full::<Bytes>::default()).unwrap();
        assert_eq!(ask_http2(&gateway, differing).await.status(), StatusCode::BAD_REQUEST);
    });
}

#[test]
fn responses_with_trailers_reach_http1_clients_that_take_them() {
    run(async {
        let endpoint = http1(|_| async {
            let parts =
                vec![Frame::data(Bytes::from_static(b"x")), Frame::trailers(trailers(&[("x-sum", "7")]))];
            Response::builder().header("trailer", "x-sum").body(frames(parts)).unwrap()
        })
        .await;
        let gateway = gateway(Policy::default(), &[endpoint.address]).await;
        let answer = say(
            gateway.address,
            "GET / HTTP/1.1\r\nHost: a.com\r\nTE: trailers\r\nConnection: close, TE\r\n\r\n",
        )
        .await;
        assert!(answer.ends_with("0\r\nx-sum: 7\r\n\r\n"), "{answer}");
    });
}

#[test]
fn endpoints_are_spoken_to_within_tls() {
    run(async {
        let certified = rcgen::generate_simple_self_signed(vec!["x".into()]).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certified.cert.der().clone()], key)
            .unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec(), b"h2".to_vec()];
        let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
        let endpoint = raw(move |stream, _| {
            let acceptor = acceptor.clone();
            async move {
                let stream = acceptor.accept(stream).await.unwrap();
                assert_eq!(stream.get_ref().1.server_name(), None);
                let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                let service = hyper::service::service_fn(|request| async {
                    Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from(
                        told(request).await,
                    ))))
                });
                let io = hyper_util::rt::TokioIo::new(stream);
                if is_http2 {
                    let executor = hyper_util::rt::TokioExecutor::new();
                    drop(
                        hyper::server::conn::http2::Builder::new(executor)
                            .serve_connection(io, service)
                            .await,
                    );
                } else {
                    drop(hyper::server::conn::http1::Builder::new().serve_connection(io, service).await);
                }
            }
        })
        .await;
        for (protocol, line) in [
            (BackendProtocol::Https, "GET / HTTP/1.1\n"),
            (BackendProtocol::Grpcs, "GET https://a.com/ HTTP/2.0\n"),
        ] {
            let gateway = gateway(Policy { protocol, ..Policy::default() }, &[endpoint.address]).await;
            for _ in 0..3 {
                let response = ask(&gateway, get("/")).await;
                assert!(text(&response).starts_with(line), "{}", text(&response));
            }
        }
        assert_eq!(endpoint.connections(), 2);
    });
}
