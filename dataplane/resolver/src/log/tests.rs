use std::net::SocketAddr;

use hickory_proto::op::{Edns, Message, Query, ResponseCode};
use hickory_proto::rr::RecordType;

use super::*;
use crate::authority::Transport;
use crate::message::{Answer, encode, parse};

const LOCAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 53);

fn client() -> SocketAddr {
    "192.0.2.7:4000".parse().unwrap()
}

fn request(asked: Name, size: Option<u16>) -> Request {
    let mut message = Message::query();
    message.metadata.id = 17;
    message.metadata.recursion_desired = true;
    message.queries.push(Query::query(asked, RecordType::AAAA));
    message.edns = size.map(|size| {
        let mut edns = Edns::new();
        edns.set_max_payload(size).set_dnssec_ok(true);
        edns
    });
    parse(&message.to_vec().unwrap(), client(), LOCAL, Transport::Udp, 1232).unwrap()
}

fn reply(request: &Request, code: ResponseCode) -> Vec<u8> {
    let answer = Answer { code, ..Answer::default() };
    encode(request, &answer, Transport::Udp, 1232, |ttl| ttl)
}

#[test]
fn a_line_is_of_the_query_and_its_reply() {
    let asked = request(Name::from_ascii("Example.ORG.").unwrap(), Some(1232));
    let answer = reply(&asked, ResponseCode::NXDomain);
    let text = line::line(&asked, client(), 40, false, &answer, Duration::from_micros(3990));
    let expected = format!(
        "[INFO] 192.0.2.7:4000 - 17 \"AAAA IN example.org. udp 40 true 1232\" NXDOMAIN qr,rd,ra {} 0.00399s\n",
        answer.len()
    );
    assert_eq!(text, expected);
    let asked = request(Name::root(), None);
    let v6 = "[2001:db8::1]:53".parse().unwrap();
    let text = line::line(&asked, v6, 17, true, &reply(&asked, ResponseCode::Refused), Duration::ZERO);
    assert_eq!(text, "[INFO] [2001:db8::1]:53 - 17 \"AAAA IN . tcp 17 false 512\" REFUSED qr,rd,ra 17 0s\n");
}

#[test]
fn no_name_breaks_a_line() {
    let label: &[u8] = b"a\" \n\r\x1b\xff";
    let asked = request(Name::from_labels([label]).unwrap(), None);
    let answer = reply(&asked, ResponseCode::NoError);
    let text = line::line(&asked, client(), 40, false, &answer, Duration::from_secs(1));
    assert_eq!(text.matches('\n').count(), 1, "{text:?}");
    assert!(text.bytes().all(|b| b == b'\n' || b.is_ascii_graphic() || b == b' '), "{text:?}");
    let quoted = text.replace("\\\"", "");
    assert_eq!(quoted.matches('"').count(), 2, "{text:?}");
    assert_eq!(quoted.split('"').nth(1).unwrap().split(' ').count(), 7, "{text:?}");
}

#[test]
fn queries_are_sampled_lines_limited_and_files_moved() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("queries.log");
    let process = Arc::new(Process::default());
    let settings = QueryLog { sample: 3, rate: 5, classes: vec![LogClass::Denial], ..QueryLog::default() };
    let settings = QueryLog { file: Some(file.clone()), ..settings };
    let log = Arc::new(Log::new(settings, vec![Name::from_ascii("org.").unwrap()], &process));
    let asked = request(Name::from_ascii("example.org.").unwrap(), None);
    let other = Name::from_ascii("example.com.").unwrap();
    assert!(log.note(&other, client(), 40).is_none());
    let (denied, failed) = (reply(&asked, ResponseCode::NXDomain), reply(&asked, ResponseCode::ServFail));
    let mut noted = 0;
    for _ in 0..60 {
        if let Some(it) = log.note(asked.name(), client(), 40) {
            noted += 1;
            it.replied(&asked, false, &failed, Duration::ZERO);
            it.replied(&asked, false, &denied, Duration::ZERO);
        }
    }
    assert_eq!(noted, 20);
    let wait = || {
        let deadline = Instant::now() + Duration::from_secs(5);
        while log.writer.waiting() > 0 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
    };
    wait();
    let text = std::fs::read_to_string(&file).unwrap();
    // A second may have begun in between.
    let lines = text.lines().count();
    assert!((5..=10).contains(&lines) && text.lines().all(|line| line.contains(" NXDOMAIN ")), "{text}");
    assert_eq!(crate::counters::read(&process.log_lost), 20 - lines as u64);
    // Whoever rotates the file moves it.
    std::fs::rename(&file, folder.path().join("queries.log.1")).unwrap();
    std::thread::sleep(Duration::from_millis(1100));
    log.note(asked.name(), client(), 40).unwrap().replied(&asked, false, &denied, Duration::ZERO);
    wait();
    assert_eq!(std::fs::read_to_string(&file).unwrap().lines().count(), 1);
}
