//! nginx, and a backend that remembers what it was asked.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::message::{Message, Read, first};

/// An nginx as Debian has it, which passes all on.
pub struct Nginx {
    child: Child,
    _folder: tempfile::TempDir,
}

impl Nginx {
    /// Listens at each of the first addresses and passes on to the second.
    pub fn start(lanes: &[(SocketAddr, SocketAddr)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().display();
        let servers: String = lanes
            .iter()
            .map(|(at, to)| format!("  server {{ listen {at}; location / {{ proxy_pass http://{to}; }} }}\n"))
            .collect();
        let text = format!(
            "daemon off;\nmaster_process off;\npid {at}/pid;\nerror_log {at}/log error;\nevents {{ }}\nhttp {{\n\
             \x20 access_log off;\n  client_max_body_size 0;\n  proxy_http_version 1.1;\n  proxy_read_timeout 5s;\n\
             \x20 client_body_temp_path {at}/b;\n  proxy_temp_path {at}/p;\n  fastcgi_temp_path {at}/f;\n  uwsgi_temp_path {at}/u;\n  scgi_temp_path {at}/s;\n{servers}}}\n"
        );
        let config = folder.path().join("nginx.conf");
        std::fs::write(&config, text).unwrap();
        // It ends with this process, however that ends.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "nginx", "-e", "stderr", "-p"])
            .arg(folder.path())
            .arg("-c")
            .arg(&config)
            .stdin(Stdio::null())
            .spawn()
            .expect("nginx: testbed/install.sh nginx-light");
        let end = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(lanes[0].0).is_err() {
            assert!(
                Instant::now() < end,
                "nginx does not listen; testbed/install.sh nginx-light installs it"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { child, _folder: folder }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a backend was asked.
#[derive(Debug, Default)]
pub struct Asked {
    /// Whole requests, in the order of their ends.
    pub whole: Vec<Message>,
    /// What came and was none.
    pub nonsense: Vec<String>,
}

/// A backend that answers every whole request with 200, and remembers it.
#[derive(Clone)]
pub struct Recorder {
    pub address: SocketAddr,
    asked: Arc<Mutex<Asked>>,
}

impl Recorder {
    pub fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let this = Self { address: listener.local_addr().unwrap(), asked: Arc::default() };
        let asked = Arc::clone(&this.asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let asked = Arc::clone(&asked);
                std::thread::spawn(move || remember(stream, &asked));
            }
        });
        this
    }

    /// What there was since the last call.
    pub fn take(&self) -> Asked {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

fn remember(mut stream: TcpStream, asked: &Mutex<Asked>) {
    let _ = stream.set_nodelay(true);
    let (mut buffer, mut part) = (Vec::new(), [0; 4096]);
    while let Ok(length @ 1..) = stream.read(&mut part) {
        buffer.extend(&part[..length]);
        while !buffer.is_empty() {
            match first(&buffer) {
                Read::Whole(message, length) => {
                    buffer.drain(..length);
                    asked.lock().unwrap().whole.push(*message);
                    if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_err() {
                        return;
                    }
                }
                Read::Part => break,
                Read::Nonsense(why) => {
                    let told = format!("{why}: {}", buffer.escape_ascii());
                    asked.lock().unwrap().nonsense.push(told);
                    return;
                }
            }
        }
    }
}
