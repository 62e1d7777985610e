//! Which fields pass.

use super::*;

fn map(fields: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
    };
    fields.iter().map(pair).collect()
}

fn names(headers: &HeaderMap) -> Vec<&str> {
    let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    names
}

#[test]
fn hop_by_hop_and_nominated_fields_end_here() {
    let mut headers = map(&[
        ("connection", "close, X-Secret"),
        ("connection", " keep-alive ,x-other"),
        ("keep-alive", "timeout=5"),
        ("x-secret", "1"),
        ("x-other", "1"),
        ("x-kept", "1"),
        ("te", "trailers, deflate"),
        ("proxy-connection", "x"),
        ("proxy-authorization", "x"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("http2-settings", "x"),
        ("proxy", "http://evil"),
        ("trailer", "x"),
    ]);
    let asked = take_connection(&mut headers);
    assert_eq!(asked, Connection { trailers: true, upgrade: None }, "Connection does not name Upgrade");
    assert_eq!(names(&headers), ["trailer", "x-kept"]);
}

#[test]
fn a_client_cannot_nominate_away_what_the_gateway_says() {
    let mut headers = map(&[
        ("connection", "host, x-forwarded-for, forwarded, x-real-ip, x-request-id, expect, upgrade"),
        ("host", "a.com"),
        ("x-forwarded-for", "1.2.3.4"),
        ("forwarded", "for=1.2.3.4"),
        ("x-real-ip", "1.2.3.4"),
        ("x-request-id", "1"),
        ("expect", "100-continue"),
        ("upgrade", "websocket"),
    ]);
    let asked = take_connection(&mut headers);
    assert_eq!(asked.upgrade.unwrap(), "websocket");
    assert_eq!(
        names(&headers),
        ["expect", "forwarded", "host", "x-forwarded-for", "x-real-ip", "x-request-id"]
    );
}

#[test]
fn what_only_the_gateway_may_say_is_taken_from_untrusted_clients() {
    let fields = [
        ("x-forwarded-for", "1"),
        ("x-forwarded-prefix", "1"),
        ("forwarded", "1"),
        ("x-real-ip", "1"),
        ("x-request-id", "1"),
        ("x-scheme", "1"),
        ("x_forwarded_for", "1"),
        ("x-forwarded_for", "1"),
        ("x_real_ip", "1"),
        ("content_length", "1"),
        ("my_field", "1"),
        ("x-forward", "1"),
    ];
    let mut headers = map(&fields);
    take_reserved(&mut headers, false);
    assert_eq!(names(&headers), ["my_field", "x-forward"]);
    let mut headers = map(&fields);
    take_reserved(&mut headers, true);
    let kept = [
        "forwarded",
        "my_field",
        "x-forward",
        "x-forwarded-for",
        "x-forwarded-prefix",
        "x-real-ip",
        "x-request-id",
        "x-scheme",
    ];
    assert_eq!(names(&headers), kept);
}

#[test]
fn responses_lose_their_connections_fields() {
    let mut headers = map(&[
        ("connection", "keep-alive, x-internal, content-length"),
        ("keep-alive", "max=3, timeout=5"),
        ("x-internal", "1"),
        ("content-length", "3"),
        ("upgrade", "h2c"),
        ("server", "x"),
    ]);
    let (seconds, upgrade) = clean_response(&mut headers);
    assert_eq!((seconds, upgrade), (Some(5), Some(HeaderValue::from_static("h2c"))));
    assert_eq!(names(&headers), ["content-length", "server"]);
    let mut both = map(&[("content-length", "3"), ("transfer-encoding", "chunked")]);
    clean_response(&mut both);
    assert!(both.is_empty(), "one framing, the connection's own");
}

#[test]
fn trailers_do_not_frame_route_or_authenticate() {
    let mut trailers = map(&[
        ("grpc-status", "0"),
        ("x-checksum", "1"),
        ("host", "evil"),
        ("content-length", "1"),
        ("x-forwarded-for", "1"),
        ("authorization", "1"),
        ("transfer-encoding", "chunked"),
    ]);
    clean_trailers(&mut trailers);
    assert_eq!(names(&trailers), ["grpc-status", "x-checksum"]);
}

#[test]
fn cookies_are_joined_and_found() {
    let mut headers = map(&[("cookie", "a=1; b=2"), ("cookie", "c=3=4")]);
    assert_eq!(
        (cookie(&headers, "b"), cookie(&headers, "c"), cookie(&headers, "d")),
        (Some("2"), Some("3=4"), None)
    );
    join_cookies(&mut headers);
    assert_eq!(headers.get_all(COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2; c=3=4"]);
}
