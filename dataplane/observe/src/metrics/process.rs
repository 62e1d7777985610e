//! What every process says of itself, under the names that Prometheus' own libraries use.

use std::fs;

use rustix::time::{ClockId, clock_gettime};

use super::{Exposition, Kind, Label};

/// Adds which program this is; `more` are labels beside the role and the release.
pub fn build(out: &mut Exposition, role: &str, version: &str, more: &[Label<'_>]) {
    let mut labels: Vec<Label<'_>> = vec![("role", &role), ("version", &version)];
    labels.extend(more);
    out.family("sluice_build_info", Kind::Gauge, "Which program this is; the value is 1.")
        .sample(&labels, 1_u64);
}

/// Adds start time, CPU time, memory and open files of this process. What cannot be read is left out.
pub fn process(out: &mut Exposition) {
    if let Some(Stat { started, cpu, resident, threads }) = stat() {
        let help = "When the process started, in seconds since 1970.";
        // To a hundredth, as the kernel has it: otherwise each scrape would tell another time.
        out.single("process_start_time_seconds", Kind::Gauge, help, (started * 100.0).round() / 100.0);
        let help = "User and system CPU time, in seconds.";
        out.single("process_cpu_seconds_total", Kind::Counter, help, cpu);
        out.single("process_resident_memory_bytes", Kind::Gauge, "Resident memory, in bytes.", resident);
        out.single("process_threads", Kind::Gauge, "Threads.", threads);
    }
    if let Ok(files) = fs::read_dir("/proc/self/fd") {
        out.single("process_open_fds", Kind::Gauge, "Open file descriptors.", files.count());
    }
}

struct Stat {
    started: f64,
    cpu: f64,
    resident: u64,
    threads: u64,
}

/// proc_pid_stat(5).
fn stat() -> Option<Stat> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    // The program's name may have blanks and parentheses of its own.
    let (_, fields) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    // Numbered from 1, with process id and name before these.
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    let seconds = |clock| {
        let time = clock_gettime(clock);
        time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
    };
    let booted = seconds(ClockId::Realtime) - seconds(ClockId::Boottime);
    Some(Stat {
        started: booted + field(22)? as f64 / ticks,
        cpu: (field(14)? + field(15)?) as f64 / ticks,
        resident: field(24)? * rustix::param::page_size() as u64,
        threads: field(20)?,
    })
}
