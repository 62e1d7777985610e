//! What a packet costs, beside what it costs others: the parts from which `make bench` and the instruction gate are made.
//!
//! A benchmark may fail loudly: where something is not as it assumes, its figures would be worth nothing.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

pub mod buffer;
pub mod dns;
pub mod gateway;
pub mod kubeproxy;
pub mod measure;
pub mod objects;
pub mod pcap;
pub mod plot;
pub mod ports;
pub mod program;
pub mod publish;
pub mod report;
pub mod scenario;
pub mod stamp;
pub mod testpmd;
pub mod traffic;
