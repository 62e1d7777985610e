//! Runs one scenario, to be counted from outside, and prints how many packets it had.
#![allow(clippy::print_stdout, clippy::print_stderr)]

fn main() {
    let Some(name) = std::env::args().nth(1) else {
        eprintln!("which scenario? {}", sluice_bench::scenario::ALL.join(" "));
        std::process::exit(64);
    };
    println!("{}", sluice_bench::scenario::run(&name));
}
