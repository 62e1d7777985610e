use std::io::Read;

use serde::{Deserialize, Serialize};

use super::super::{Client, Trouble};
use super::*;

/// A protocol of two questions.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
enum Question {
    Two,
    No,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", content = "data", rename_all = "snake_case")]
enum Answer {
    Number(u32),
}

impl Request for Question {
    const ROLE: &'static str = "the test";
    type Response = Answer;
}

struct Two;

impl Handler<Question> for Two {
    fn handle(
        &self,
        request: Question,
        say: &mut dyn FnMut(Answer) -> io::Result<()>,
    ) -> Result<(), Failure> {
        if request == Question::No {
            return Err(Failure::Refused("no".into()));
        }
        for number in [1, 2] {
            say(Answer::Number(number))?;
        }
        Ok(())
    }
}

struct Asked {
    directory: tempfile::TempDir,
    running: Option<Running>,
}

impl Asked {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let server = Server::bind(&directory.path().join("s"), None).unwrap();
        Self { directory, running: Some(server.start(Arc::new(Two)).unwrap()) }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("s")
    }

    fn connect(&self) -> Client<Question> {
        Client::connect(&self.path()).unwrap()
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        drop(self.running.take());
        assert!(!self.path().exists(), "the socket's file goes with the server");
    }
}

#[test]
fn requests_are_answered_one_after_the_other() {
    let asked = Asked::new();
    let mut client = asked.connect();
    for _ in 0..3 {
        assert_eq!(client.ask(&Question::Two).unwrap(), [Answer::Number(1), Answer::Number(2)]);
        let refused = client.ask(&Question::No).unwrap_err();
        assert!(matches!(&refused.trouble, Trouble::Refused(text) if text == "no"), "{refused}");
        assert_eq!(refused.to_string(), "the test: no");
    }
}

#[test]
fn nonsense_is_answered_and_endless_lines_are_not() {
    let asked = Asked::new();
    let mut stream = UnixStream::connect(asked.path()).unwrap();
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
    let asked = Asked::new();
    let mut held: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let mut client = asked.connect();
            client.ask(&Question::Two).unwrap();
            client
        })
        .collect();
    let refused = asked.connect().ask(&Question::Two);
    assert!(refused.is_err(), "{refused:?}");
    held.pop();
    // The place is free once the server has noticed.
    let again = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        asked.connect().ask(&Question::Two).is_ok()
    });
    assert!(again);
}

#[test]
fn an_idle_connection_does_not_hold_up_the_end() {
    let asked = Asked::new();
    let mut client = asked.connect();
    client.ask(&Question::Two).unwrap();
    let started = Instant::now();
    drop(asked);
    assert!(started.elapsed() < Duration::from_millis(1900), "{:?}", started.elapsed());
    assert!(client.ask(&Question::Two).is_err());
}

#[test]
fn only_sockets_are_removed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    remove_socket(&path).unwrap();
    drop(UnixListener::bind(&path).unwrap());
    remove_socket(&path).unwrap();
    assert!(!path.exists());
    fs::write(&path, "precious").unwrap();
    assert!(remove_socket(&path).is_err());
    assert!(path.exists());
}
