//! Pods and clients of HTTP.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod lab;
pub mod load;
mod pod;
pub mod tls;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub use lab::*;
pub use pod::HttpPod;

/// An answer, as curl or [`Connection`] got it.
#[derive(Debug, Default)]
pub struct Reply {
    pub status: u16,
    /// `HTTP/1.1`, `HTTP/2`.
    pub version: String,
    /// Names in lower case; trailers behind headers.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// What an [`HttpPod`] says of a request: `pod`, `peer`, `line`, or the value of a header that it got.
    pub fn said(&self, what: &str) -> Option<&str> {
        self.body.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(": "))
    }

    /// Which pod answered.
    pub fn pod(&self) -> &str {
        self.said("pod").unwrap_or_else(|| panic!("no pod's answer: {self:?}"))
    }
}

/// Runs curl with these arguments and takes its output apart.
pub fn curl(mut command: Command, arguments: &[&str]) -> Result<Reply, String> {
    command.args(["-sS", "-i", "--max-time", "10"]).args(arguments);
    let output = command.output().unwrap();
    if !output.status.success() {
        return Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)));
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut rest = text.as_str();
    loop {
        let (head, body) = rest.split_once("\r\n\r\n").ok_or(format!("no head: {text}"))?;
        let reply = head_of(head);
        // Interim responses, and those to a proxy or an upgrade.
        if reply.status < 200 && reply.status != 101 {
            rest = body;
            continue;
        }
        return Ok(Reply { body: body.to_owned(), ..reply });
    }
}

fn head_of(head: &str) -> Reply {
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let mut words = first.split(' ');
    let version = words.next().unwrap_or_default().to_owned();
    let status = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    Reply { status, version, headers: lines.filter_map(header).collect(), body: String::new() }
}

/// A connection that stays open, for HTTP/1.1 as bytes.
pub struct Connection {
    stream: Box<dyn Stream>,
    buffer: Vec<u8>,
}

/// What a connection is of: TCP, or TLS in it.
trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

impl Connection {
    /// To be called in the client's namespace.
    pub fn open(to: SocketAddr) -> std::io::Result<Self> {
        Ok(Self::over(Self::stream(to)?))
    }

    fn stream(to: SocketAddr) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&to, Duration::from_secs(5))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn over(stream: impl Read + Write + Send + 'static) -> Self {
        Self { stream: Box::new(stream), buffer: Vec::new() }
    }

    pub fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// A request without a body, and its answer.
    pub fn get(&mut self, host: &str, path: &str) -> std::io::Result<Reply> {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes())?;
        self.reply()
    }

    /// The next answer with a `Content-Length`, or none and no body.
    pub fn reply(&mut self) -> std::io::Result<Reply> {
        let head = loop {
            if let Some(at) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                let head: Vec<u8> = self.buffer.drain(..at + 4).collect();
                break String::from_utf8_lossy(&head[..at]).into_owned();
            }
            self.more()?;
        };
        let mut reply = head_of(&head);
        let length = reply.header("content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
        let body = self.exactly(length)?;
        reply.body = String::from_utf8_lossy(&body).into_owned();
        Ok(reply)
    }

    /// So many bytes.
    pub fn exactly(&mut self, length: usize) -> std::io::Result<Vec<u8>> {
        while self.buffer.len() < length {
            self.more()?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    /// Whether the other end has closed, once everything is read.
    pub fn is_closed(&mut self) -> bool {
        loop {
            if let Err(error) = self.more() {
                return error.kind() != std::io::ErrorKind::WouldBlock;
            }
        }
    }

    fn more(&mut self) -> std::io::Result<()> {
        let mut part = [0; 16_384];
        match self.stream.read(&mut part)? {
            0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
            n => {
                self.buffer.extend_from_slice(&part[..n]);
                Ok(())
            }
        }
    }
}

/// A certificate that vouches for itself.
pub struct Pair {
    pub certificate: Vec<u8>,
    pub key: Vec<u8>,
}

impl Pair {
    /// For these names; the first is the subject as well. `serial` tells two of the same names apart.
    pub fn new(folder: &Path, names: &[&str], serial: u32) -> Self {
        let [key, certificate] = ["pair.key", "pair.crt"].map(|file| folder.join(file));
        let alternatives: Vec<String> = names.iter().map(|name| format!("DNS:{name}")).collect();
        let output = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
            .args(["-days", "30", "-set_serial", &serial.to_string(), "-subj", &format!("/CN={}", names[0])])
            .args(["-addext", &format!("subjectAltName={}", alternatives.join(","))])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self { certificate: std::fs::read(certificate).unwrap(), key: std::fs::read(key).unwrap() }
    }

    /// As a Secret in namespace `default`.
    pub fn secret(&self, name: &str) -> String {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{ name: {name}, namespace: default }}\ntype: kubernetes.io/tls\n\
             data:\n  tls.crt: {}\n  tls.key: {}\n",
            STANDARD.encode(&self.certificate),
            STANDARD.encode(&self.key)
        )
    }
}
