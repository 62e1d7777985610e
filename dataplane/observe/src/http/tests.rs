use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::*;

fn answer() -> Arc<Answer> {
    Arc::new(|path: &str| match path {
        "/big" => Page::text(200, "x".repeat(4 << 20)),
        "/odd" => Page { headers: vec![("X-Odd", "1".into())], ..Page::text(503, "odd") },
        path => Page::text(200, path),
    })
}

fn serve() -> (Server, SocketAddr) {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    (Server::over("test", vec![socket], answer()).unwrap(), address)
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

fn ask(address: SocketAddr, request: &str) -> String {
    let mut stream = connect(address);
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn get(address: SocketAddr, path: &str) -> String {
    ask(address, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
}

#[test]
fn get_has_a_body_and_head_has_none() {
    let (_server, address) = serve();
    let text = get(address, "/one?two=3");
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    assert!(text.contains("\r\nContent-Length: 4\r\n") && text.ends_with("\r\n\r\n/one"), "{text}");
    let head = ask(address, "HEAD /one HTTP/1.0\r\n\r\n");
    assert!(head.contains("\r\nContent-Length: 4\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    let odd = get(address, "/odd");
    assert!(odd.starts_with("HTTP/1.1 503 Service Unavailable\r\n") && odd.contains("X-Odd: 1\r\n"), "{odd}");
}

#[test]
fn everything_else_is_refused_in_words() {
    let (_server, address) = serve();
    let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(10_000));
    let cases = [
        ("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "405 Method Not Allowed\r\n"),
        ("DELETE /x HTTP/1.1\r\n\r\n", "405 "),
        ("GET / HTTP/2.0\r\n\r\n", "400 "),
        ("GET /\r\n\r\n", "400 "),
        ("GET  / HTTP/1.1\r\n\r\n", "400 "),
        ("GET http://x/ HTTP/1.1\r\n\r\n", "400 "),
        ("\r\n\r\n", "400 "),
        (&long, "431 "),
    ];
    for (request, status) in cases {
        let text = ask(address, request);
        assert!(text.starts_with(&format!("HTTP/1.1 {status}")), "{request:.40}: {text}");
    }
    // Bytes that are no text.
    let mut stream = connect(address);
    stream.write_all(b"GET /\xff\xfe HTTP/1.1\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 400 "), "{text}");
}

#[test]
fn a_large_answer_arrives_whole() {
    let (_server, address) = serve();
    let text = get(address, "/big");
    assert_eq!(text.split_once("\r\n\r\n").unwrap().1.len(), 4 << 20);
}

#[test]
fn silent_clients_hold_nobody_up_for_long_and_none_is_turned_away() {
    let (_server, address) = serve();
    let _silent: Vec<_> = (0..20).map(|_| connect(address)).collect();
    let start = Instant::now();
    assert!(get(address, "/x").ends_with("/x"));
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
}

#[test]
fn connections_at_a_time_are_bounded() {
    static NOW: AtomicUsize = AtomicUsize::new(0);
    static MOST: AtomicUsize = AtomicUsize::new(0);
    let slow: Arc<Answer> = Arc::new(|_: &str| {
        MOST.fetch_max(NOW.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(30));
        NOW.fetch_sub(1, Ordering::SeqCst);
        Page::text(200, "slow")
    });
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = socket.local_addr().unwrap();
    let _server = Server::over("test", vec![socket], slow).unwrap();
    let clients: Vec<_> = (0..40).map(|_| std::thread::spawn(move || get(address, "/"))).collect();
    for client in clients {
        assert!(client.join().unwrap().ends_with("slow"));
    }
    assert!((2..=8).contains(&MOST.load(Ordering::SeqCst)), "{MOST:?}");
}

#[test]
fn an_address_that_is_taken_is_had_once_it_is_free() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = taken.local_addr().unwrap();
    let _server = Server::persistent("test", address, answer()).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    drop(taken);
    let served = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        TcpStream::connect(address).is_ok()
    });
    assert!(served && get(address, "/x").ends_with("/x"));
}

#[test]
fn the_end_comes_at_once_and_frees_the_address() {
    let (server, address) = serve();
    assert!(get(address, "/x").ends_with("/x"));
    let start = Instant::now();
    drop(server);
    assert!(start.elapsed() < Duration::from_millis(1900), "{:?}", start.elapsed());
    drop(TcpListener::bind(address).unwrap());
    // One that has no address yet ends as well.
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let start = Instant::now();
    drop(Server::persistent("test", taken.local_addr().unwrap(), answer()).unwrap());
    assert!(start.elapsed() < Duration::from_millis(1900), "{:?}", start.elapsed());
}
