//! The yardstick: `dpdk-testpmd` on ports of the same kind.

use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The command of [`cycles`], for whoever wants to see it at work; the files are those of the rows' connections.
pub fn told(mode: &str) -> String {
    format!(
        "dpdk-testpmd -l 0,1 --vdev=net_pcapN,rx_pcap=FILE,infinite_rx=1 … --burst=64 --forward-mode={mode}"
    )
}

/// Cycles of one lcore for each packet that testpmd forwards in `mode` between two `net_pcap` ports which receive these
/// files over and over and drop what they send.
///
/// # Errors
/// Where it does not start or forwards nothing.
pub fn cycles(mode: &str, files: [&Path; 2], huge: bool, hz: f64, time: Duration) -> io::Result<f64> {
    let memory: &[&str] =
        if huge { &["--in-memory", "-m", "256"] } else { &["--no-huge", "--no-shconf", "-m", "256"] };
    let mut command = Command::new("dpdk-testpmd");
    command.args(["-l", "0,1", "--no-pci", "--no-telemetry"]).args(memory);
    for (n, file) in files.iter().enumerate() {
        command.arg(format!("--vdev=net_pcap{n},rx_pcap={},infinite_rx=1", file.display()));
    }
    command.args(["--", "--interactive", "--burst=64", "--nb-cores=1", "--total-num-mbufs=16384"]);
    command.arg(format!("--forward-mode={mode}"));
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(|e| {
            io::Error::new(e.kind(), format!("dpdk-testpmd, of Debian's package dpdk, does not start: {e}"))
        })?;
    let conversation = (|| {
        let mut stdin = child.stdin.take().ok_or_else(|| io::Error::other("no standard input"))?;
        std::thread::sleep(Duration::from_millis(1500));
        stdin.write_all(b"start\n")?;
        std::thread::sleep(Duration::from_millis(300));
        // Rates are those since the last time they were shown.
        stdin.write_all(b"show port stats all\n")?;
        std::thread::sleep(time);
        stdin.write_all(b"show port stats all\nstop\nquit\n")
    })();
    let output = child.wait_with_output()?;
    conversation?;
    let text = String::from_utf8_lossy(&output.stdout);
    let rates: Vec<f64> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Rx-pps:"))
        .filter_map(|rest| rest.split_whitespace().next()?.parse().ok())
        .collect();
    // Two ports, shown twice; the last two count.
    match rates.as_slice() {
        [_, _, a, b] if a + b > 0.0 => Ok(hz / (a + b)),
        _ => Err(io::Error::other(format!(
            "testpmd {mode} gave no rates:\n{text}{}",
            String::from_utf8_lossy(&output.stderr)
        ))),
    }
}
