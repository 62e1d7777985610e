//! `dns [SERVER …]`: DNS end to end over a veth pair, Sluice beside the servers that people use, with the same names
//! and the same generator in the same run. Rows `dns.flood.*`, `dns.latency.*`, `dns.dnsperf.*`, `dns.cached.*`, `dns.beside.*`
//! and `dns.core.*`. RUNS=n for more or fewer than 3. `dns generate`: the generator, with a plan on its standard input.
//!
//! One CPU for the server, the other for the generator. Who is not measured does not run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

mod beside;
mod configs;
mod generator;
mod link;
mod page;
mod plan;
mod programs;
mod queries;
mod report;
mod server;
mod sluice;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "generate") {
        let plan = serde_json::from_reader(std::io::stdin()).expect("a plan");
        let outcome = generator::run(&plan, link::CLIENT_CPU, programs::huge());
        println!("{}", serde_json::to_string(&outcome).unwrap());
        return;
    }
    report::run(&arguments);
}
