//! Clients that count, beside floods: of random names of others, and of the cluster's names from forged sources.
//!
//! What goes out is told in shares of what the port takes at all, which is what comes back from a program that sends
//! everything back: beyond it queries are lost in front of whoever answers, and nobody has seen whose they were.

use crate::link::Link;
use crate::plan::{Flood, Plan};
use crate::programs::generate;
use crate::queries::Names;
use crate::report::Figures;
use crate::server::Kind;

/// All that goes out, in percent of the ceiling.
pub(crate) const LOADS: [u32; 4] = [50, 80, 100, 150];
/// What counts of it, in shares of the ceiling.
const COUNTED: f64 = 0.1;
/// The floods: their names in rows, what they ask for, and whether their sources are forged.
pub(crate) const FLOODS: [(&str, Names, bool); 2] =
    [("random", Names::Random, false), ("spoofed", Names::Cluster, true)];

/// Who is measured: Sluice, and the fastest of those that people run.
pub(crate) fn is_measured(kind: Kind) -> bool {
    matches!(kind, Kind::Sluice(_) | Kind::Knot { .. } | Kind::Nsd)
}

/// Rows of a server that runs.
pub(crate) fn measure(link: &Link, name: &str, ceiling: f64, figures: &mut Figures) {
    for (what, names, spoofed) in FLOODS {
        for load in LOADS {
            let total = ceiling * f64::from(load) / 100.0;
            let flood = Flood { names, spoofed, rate: Some(total - ceiling * COUNTED) };
            let out = generate(link, &Plan::new(Names::Cluster).at(ceiling * COUNTED).beside(flood));
            let mut add = |figure: &str, unit, value| {
                figures.add(format!("dns.beside.{what}.{load}.{figure}.{name}"), unit, value);
            };
            let sent = out.sent + out.beside;
            add("offered", "×", sent as f64 / out.seconds / ceiling);
            add("loss", "%", out.loss());
            add("p99", "µs", out.latency[1]);
            // Where they were lost, if it was not at the server: of all packets, both ways.
            add("generator", "%", 100.0 * out.missed as f64 / sent.max(1) as f64);
            add("wire", "%", 100.0 * out.wire as f64 / sent.max(1) as f64);
        }
    }
}
