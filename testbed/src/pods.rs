//! Pods: threads that serve on a pod's address and say who they are.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::netns::Netns;

/// Something that serves in the node's namespace until it is dropped.
#[derive(Debug)]
pub struct Pod {
    stop: Arc<AtomicBool>,
    served: Arc<AtomicU64>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Pod {
    /// Serves TCP on `address`: to a line that looks like HTTP it answers with its name and the client's address and
    /// closes; anything else it sends back until the client closes. UDP on the same address: each datagram is answered
    /// with name, client's address and the datagram.
    ///
    /// # Panics
    /// Where the address cannot be bound.
    #[allow(clippy::expect_used)]
    pub fn start(node: &Netns, name: &str, address: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let served = Arc::new(AtomicU64::new(0));
        let (tcp, udp) = node.enter(move || {
            (
                TcpListener::bind(address).expect("the pod's address"),
                UdpSocket::bind(address).expect("the pod's address"),
            )
        });
        tcp.set_nonblocking(true).expect("a listening socket");
        udp.set_read_timeout(Some(Duration::from_millis(20))).expect("a UDP socket");
        let mut threads = Vec::new();
        threads.push({
            let (name, stop, served) = (name.to_owned(), stop.clone(), served.clone());
            thread::spawn(move || accept(&tcp, &name, &stop, &served))
        });
        threads.push({
            let (name, stop, served) = (name.to_owned(), stop.clone(), served.clone());
            thread::spawn(move || answer(&udp, &name, &stop, &served))
        });
        Self { stop, served, threads }
    }

    /// Connections accepted and datagrams answered.
    pub fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }
}

impl Drop for Pod {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn accept(listener: &TcpListener, name: &str, stop: &Arc<AtomicBool>, served: &AtomicU64) {
    while !stop.load(Ordering::Relaxed) {
        match listener.accept() {
            Ok((stream, client)) => {
                served.fetch_add(1, Ordering::Relaxed);
                let (name, stop) = (name.to_owned(), stop.clone());
                thread::spawn(move || serve(stream, client, &name, &stop));
            }
            Err(_) => thread::sleep(Duration::from_millis(1)),
        }
    }
}

fn serve(mut stream: TcpStream, client: SocketAddr, name: &str, stop: &AtomicBool) {
    let _ = stream.set_nonblocking(false);
    let _ = stream.set_read_timeout(Some(Duration::from_millis(200)));
    let mut buffer = [0; 16_384];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(n) if buffer.starts_with(b"GET ") => {
                let _ = n;
                let body = format!("{name} {client}\n");
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all((head + &body).as_bytes());
                return;
            }
            Ok(n) => {
                if stream.write_all(&buffer[..n]).is_err() {
                    return;
                }
            }
            Err(e) if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
            }
            Err(_) => return,
        }
    }
}

fn answer(socket: &UdpSocket, name: &str, stop: &AtomicBool, served: &AtomicU64) {
    let mut buffer = [0; 65_536];
    while !stop.load(Ordering::Relaxed) {
        if let Ok((n, client)) = socket.recv_from(&mut buffer) {
            served.fetch_add(1, Ordering::Relaxed);
            let mut reply = format!("{name} {client} ").into_bytes();
            reply.extend_from_slice(&buffer[..n]);
            let _ = socket.send_to(&reply, client);
        }
    }
}
