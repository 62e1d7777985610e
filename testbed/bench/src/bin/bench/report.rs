//! The report: every row in turns with its peers, so that whatever disturbs one run disturbs all of its rows.

use std::path::Path;

use sluice_bench::ports::{captures, queries};
use sluice_bench::report::{Figure, Figures, Row, page, table, write};
use sluice_bench::{buffer, gateway, measure, scenario, testpmd, traffic};
use sluice_engine::Now;

use crate::rows::{self, SIZES, TIME, huge};
use crate::{bars, gate};

/// Where everything is written.
const FOLDER: &str = "target/bench";

/// Measures everything RUNS times, 5 if that is not set.
pub(crate) fn run() {
    let runs: usize = std::env::var("RUNS").ok().and_then(|r| r.parse().ok()).unwrap_or(5);
    let hz = rows::child("hz").0[0].value;
    let folder = tempfile::tempdir().unwrap();
    let connections = {
        let snapshot = gateway::snapshot(&mut gateway::publisher(0));
        let mut worker = gateway::worker(4096, Now(1));
        let mut lend = buffer::Pool::default();
        let client = |n| traffic::client(n, false, gateway::PORT);
        traffic::connect(&mut worker, &snapshot, Now(1), 1024, client, |frame| lend.take(frame))
    };
    let mut figures = Figures::default();
    figures.add(Figure::new("hz", "ticks/s", hz), "target/release/bench row hz");
    for run in 1..=runs {
        eprintln!("run {run} of {runs}");
        let modes = [("io", 64), ("macswap", 64), ("csum", 64)];
        for (mode, size) in modes.into_iter().chain(SIZES.map(|size| ("csum", size))) {
            let files = captures(folder.path(), &connections, size);
            let files = [files[0].as_path(), files[1].as_path()];
            let cycles = testpmd::cycles(mode, files, huge(), hz, TIME).unwrap();
            let bytes = if size == 64 { String::new() } else { format!(".bytes.{size}") };
            let figure = Figure::new(format!("testpmd.{mode}{bytes}"), "cycles/packet", cycles);
            figures.add(figure, &testpmd::told(mode));
        }
        let files = queries(folder.path(), "a");
        let files = [files[0].as_path(), files[1].as_path()];
        let cycles = testpmd::cycles("csum", files, huge(), hz, TIME).unwrap();
        figures.add(Figure::new("testpmd.csum.dns", "cycles/packet", cycles), &testpmd::told("csum"));
        for (name, _) in rows::ALL.iter().filter(|(name, _)| *name != "hz") {
            let (all, command) = rows::child(name);
            all.into_iter().for_each(|figure| figures.add(figure, &command));
        }
        written(&figures);
    }
    for name in scenario::ALL {
        match measure::instructions(&gate::count(), name) {
            Ok(counted) => {
                let figure = Figure::new(format!("{name}.instructions"), "instructions/packet", counted);
                figures.add(figure, &format!("valgrind --tool=callgrind target/release/count {name}"));
            }
            Err(error) => eprintln!("{error}"),
        }
    }
    let (rows, verdicts) = written(&figures);
    println!("{}\n\n{verdicts}", table(&rows));
    println!("written to {FOLDER}/packets.json and packets.md");
}

/// Writes what there is: also after each run, for whoever does not wait for the last.
fn written(figures: &Figures) -> (Vec<Row>, String) {
    let rows = figures.rows(peer);
    let verdicts = bars::verdicts(figures);
    let path = Path::new(FOLDER).join("packets.json");
    write(&path, &rows).unwrap();
    std::fs::write(path.with_extension("md"), format!("{}\n```text\n{verdicts}```\n", page(&rows))).unwrap();
    (rows, verdicts)
}

/// What a row stands beside.
fn peer(name: &str) -> Option<String> {
    let peer = match name {
        "nat.workers.2" => "nat.workers.1".into(),
        "generator.ring" => "testpmd.io".into(),
        "nat.engine.v4.1m" => "nat.engine.v4.1k".into(),
        _ if name.starts_with("nat.new.services.") => "nat.new.services.1".into(),
        _ if name.ends_with(".instructions") => return None,
        _ if name.starts_with("dns.") && name.ends_with(".10k") => "testpmd.csum.dns".into(),
        _ if name.starts_with("nat.established") => match name.split_once(".bytes.") {
            Some((_, size)) => format!("testpmd.csum.bytes.{size}"),
            None => "testpmd.csum".into(),
        },
        _ if name.starts_with("testpmd.") => "testpmd.csum".into(),
        _ => return None,
    };
    (peer != name).then_some(peer)
}
