//! Instructions, counted by callgrind: the same on every machine and under any load.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

/// Instructions per packet of a scenario of [`crate::scenario`], with the program `count` beside this one.
///
/// # Errors
/// Where valgrind does not run or prints no figure.
pub fn instructions(count: &Path, scenario: &str) -> io::Result<f64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*count_these*"])
        .arg(count)
        .arg(scenario)
        .stdin(Stdio::null())
        .output()?;
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let packets = stdout.trim().parse::<f64>().ok();
    let counted = stderr
        .lines()
        .find_map(|line| line.split_once("Collected :"))
        .and_then(|(_, figure)| figure.trim().parse::<f64>().ok());
    match (output.status.success(), packets, counted) {
        (true, Some(packets), Some(counted)) if counted > 0.0 => Ok(counted / packets),
        _ => Err(io::Error::other(format!("{scenario}: callgrind gave no figure:\n{stdout}{stderr}"))),
    }
}
