//! What the figures have to be.

use sluice_bench::report::Figures;

/// At most, or at least, so much: a row, or its ratio to another.
struct Bar {
    row: &'static str,
    beside: Option<&'static str>,
    at_most: bool,
    limit: f64,
}

const fn most(row: &'static str, beside: Option<&'static str>, limit: f64) -> Bar {
    Bar { row, beside, at_most: true, limit }
}

const fn least(row: &'static str, beside: Option<&'static str>, limit: f64) -> Bar {
    Bar { row, beside, at_most: false, limit }
}

const CSUM: Option<&str> = Some("testpmd.csum");

const ALL: [Bar; 11] = [
    most("nat.established.v4.1k", CSUM, 1.5),
    most("nat.established.v4.1m", CSUM, 2.5),
    most("nat.established.v6.1k", Some("nat.established.v4.1k"), 1.25),
    least("nat.new", None, 2.5e6),
    least("nat.workers.2", Some("nat.workers.1"), 1.8),
    most("nat.synflood.loss", None, 0.1),
    most("sync.50k", None, 0.7),
    most("publish.dip.1k", None, 1.0),
    most("dns.a.10k", CSUM, 2.5),
    most("dns.a.10k", Some("testpmd.csum.dns"), 2.5),
    most("flow.bytes", None, 192.0),
];

/// One line for each bar whose rows there are.
pub(crate) fn verdicts(figures: &Figures) -> String {
    let lines = ALL.iter().filter_map(|bar| {
        let is = figures.median(bar.row, bar.beside)?;
        let met = if bar.at_most { is <= bar.limit } else { is >= bar.limit };
        let name = match bar.beside {
            Some(beside) => format!("{} / {beside}", bar.row),
            None => bar.row.into(),
        };
        let sign = if bar.at_most { "≤" } else { "≥" };
        let verdict = if met { "met" } else { "NOT MET" };
        Some(format!("{name:<50} {is:>12.3} {sign} {:<10} {verdict}\n", bar.limit))
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use sluice_bench::report::Figure;

    use super::*;

    #[test]
    fn a_bar_is_of_ratios_run_by_run() {
        let mut figures = Figures::default();
        for (v4, csum) in [(150.0, 100.0), (160.0, 100.0), (140.0, 100.0)] {
            figures.add(Figure::new("nat.established.v4.1k", "cycles", v4), "");
            figures.add(Figure::new("testpmd.csum", "cycles", csum), "");
        }
        figures.add(Figure::new("nat.new", "flows/s", 2.4e6), "");
        let text = verdicts(&figures);
        assert!(text.contains("1.500 ≤ 1.5        met"), "{text}");
        assert!(text.contains("2400000.000 ≥ 2500000    NOT MET"), "{text}");
        assert_eq!(text.lines().count(), 2, "{text}");
    }
}
