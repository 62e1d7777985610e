//! `http [SERVER …]`: HTTP as a proxy between one generator and one backend, Sluice beside nginx and HAProxy, in the same run.
//! Rows `http.LOAD.WHAT.SERVER`. RUNS=n for more or fewer than 3, SECONDS_EACH=n for loads of more or fewer than 3; LOADS=…,… for some alone.
//! And, as a server called `routes`, very many routes: rows `http.routes.5k.WHAT`.
//!
//! One CPU for the server, the other for generator and backend. Who is not measured does not run. Everything is in a namespace,
//! whose loopback interface has all addresses.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

mod bed;
mod configs;
mod cpu;
mod load;
mod page;
mod report;
mod routes;
mod server;

fn main() {
    let only: Vec<String> = std::env::args().skip(1).collect();
    report::run(&only);
}
