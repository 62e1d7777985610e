use std::io::Read;
use std::thread::JoinHandle;

use super::super::protocol::VersionInfo;
use super::super::{AdminClient, AdminError};
use super::*;

/// Says two versions for `Version`, and refuses the rest.
struct Two;

impl Handler for Two {
    fn handle(
        &self,
        request: AdminRequest,
        say: &mut dyn FnMut(AdminResponse) -> io::Result<()>,
    ) -> Result<(), Failure> {
        if request != AdminRequest::Version {
            return Err(Failure::Refused("no".into()));
        }
        for pid in [1, 2] {
            say(AdminResponse::Version(VersionInfo { pid, ..VersionInfo::default() }))?;
        }
        Ok(())
    }
}

struct Running {
    directory: tempfile::TempDir,
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let server = Server::bind(&directory.path().join("s"), None).unwrap();
        let stop = Stop::default();
        let thread = std::thread::spawn({
            let stop = stop.clone();
            move || server.run(&(Arc::new(Two) as Arc<dyn Handler>), &stop)
        });
        Self { directory, stop, thread: Some(thread) }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("s")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.set();
        self.thread.take().unwrap().join().unwrap();
        assert!(!self.path().exists(), "the socket's file goes with the server");
    }
}

#[test]
fn requests_are_answered_one_after_the_other() {
    let running = Running::new();
    let mut client = AdminClient::connect(&running.path()).unwrap();
    for _ in 0..3 {
        let answer = client.ask(&AdminRequest::Version).unwrap();
        assert!(
            matches!(&answer[..], [AdminResponse::Version(a), AdminResponse::Version(b)] if (a.pid, b.pid) == (1, 2))
        );
        assert!(matches!(client.ask(&AdminRequest::Ports), Err(AdminError::Refused(text)) if text == "no"));
    }
}

#[test]
fn nonsense_is_answered_and_endless_lines_are_not() {
    let running = Running::new();
    let mut stream = UnixStream::connect(running.path()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.write_all(b"{\"request\":\"dance\"}\n").unwrap();
    let mut answer = [0; 2048];
    let length = stream.read(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
    assert!(answer.contains("not understood") && answer.contains("dance"), "{answer}");

    let endless = vec![b'x'; LONGEST + 1];
    // The server may hang up before all is written.
    let _ = stream.write_all(&endless);
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
}

#[test]
fn connections_are_bounded() {
    let running = Running::new();
    let mut held: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let mut client = AdminClient::connect(&running.path()).unwrap();
            client.ask(&AdminRequest::Version).unwrap();
            client
        })
        .collect();
    let mut one_more = AdminClient::connect(&running.path()).unwrap();
    let refused = one_more.ask(&AdminRequest::Version);
    assert!(refused.is_err(), "{refused:?}");
    held.pop();
    // The place is free once the server has noticed.
    let again = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        AdminClient::connect(&running.path()).unwrap().ask(&AdminRequest::Version).is_ok()
    });
    assert!(again);
}

#[test]
fn an_idle_connection_does_not_hold_up_the_end() {
    let running = Running::new();
    let mut client = AdminClient::connect(&running.path()).unwrap();
    client.ask(&AdminRequest::Version).unwrap();
    let started = std::time::Instant::now();
    drop(running);
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    assert!(client.ask(&AdminRequest::Version).is_err());
}
