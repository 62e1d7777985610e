//! `kernel`: forwarding over two veth pairs, client to gateway to backends, under one saturating generator: Linux with rules
//! of the real kube-proxy for 5,000 Services, Sluice on `net_af_xdp` and `net_af_packet` ports, and testpmd on the same
//! ports as their ceiling. Rows `kernel.*` and `veth.*`. RUNS=n for more or fewer than 5; names of who forwards as
//! arguments: those alone.
//!
//! `kernel generate|serve|connect …`: the generator and the two ends of connections, in processes of their own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

mod forwarder;
mod generator;
mod link;
mod load;
mod report;
mod rules;
mod stat;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["generate", seconds] => generator::run(seconds.parse().expect("seconds")),
        ["serve"] => load::serve(),
        ["connect", seconds] => println!("{}", load::connect(seconds.parse().expect("seconds"))),
        only => report::run(only),
    }
}
