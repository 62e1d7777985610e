use std::time::{Duration, Instant};

use sluice_model::http::AccessLog;

use super::*;
use crate::Client;
use crate::forward::Outcome;

fn entry(path: &str) -> Box<Entry> {
    let client = Client {
        peer: "192.0.2.1:1000".parse().unwrap(),
        local: "192.0.2.2:80".parse().unwrap(),
        tls: None,
        trusted: false,
    };
    let request = http::Request::builder()
        .uri(path)
        .header("host", "a.test")
        .header("user-agent", "x\"y")
        .body(())
        .unwrap();
    let mut entry = Entry::new(&client, Some(&request.into_parts().0), None);
    entry.finish(Some(http::StatusCode::OK), Outcome::default(), 7, Duration::from_millis(3));
    Box::new(entry)
}

fn lines(path: &std::path::Path, count: usize) -> Vec<serde_json::Value> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        if text.lines().count() >= count || Instant::now() > deadline {
            return text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_line_is_json_and_a_file_that_is_moved_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access");
    let log = Log::new(&Arc::default());
    assert!(log.current().is_none());
    log.set(Some(&AccessLog { file: Some(file.clone()) }));
    let now = log.current().unwrap();
    now.write(entry("/a?b=c"));
    let written = lines(&file, 1);
    assert_eq!(written.len(), 1);
    for (key, value) in
        [("path", "/a?b=c"), ("host", "a.test"), ("user_agent", "x\"y"), ("client", "192.0.2.1:1000")]
    {
        assert_eq!(written[0][key], value, "{key}");
    }
    assert_eq!((written[0]["status"].as_u64(), written[0]["bytes"].as_u64()), (Some(200), Some(7)));
    std::fs::rename(&file, folder.path().join("access.1")).unwrap();
    std::thread::sleep(Duration::from_millis(1100));
    now.write(entry("/b"));
    assert_eq!(lines(&file, 1)[0]["path"], "/b");
    assert_eq!(lines(&folder.path().join("access.1"), 1).len(), 1);
    log.set(None);
    assert!(log.current().is_none());
}

#[test]
fn a_full_queue_loses_lines_and_counts_them() {
    // Nobody reads: the thread waits in opening a pipe.
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let metrics = Arc::new(Metrics::default());
    let log = Log::new(&metrics);
    log.set(Some(&AccessLog { file: Some(pipe.clone()) }));
    for _ in 0..QUEUE + 100 {
        log.write(entry("/"));
    }
    let text = metrics.render(0, 0, 0);
    let lost = text.lines().find_map(|line| line.strip_prefix("sluice_http_log_lost_total ")).unwrap();
    let lost: usize = lost.parse().unwrap();
    assert!((90..=100).contains(&lost), "{lost}");
    // What waits is written once somebody reads.
    let mut reader = std::fs::File::open(&pipe).unwrap();
    let mut byte = [0];
    std::io::Read::read_exact(&mut reader, &mut byte).unwrap();
    assert_eq!(&byte, b"{");
}
