//! The YAML file: its schema, its checks, and errors that name file, line, column and key.
//!
//! [`Config::load`] is parse and check in one: whoever holds a [`Config`] need not look at its values again. All
//! semantic errors are found in one go; a file that is no YAML or not of the schema yields its first error.
//!
//! `configs/sluice.yaml` describes every key with its default.

mod check;
pub mod config;
pub mod error;
mod load;
mod raw;

pub use config::{
    AddressPool, CertificateFiles, Config, Corefile, CorefileSource, Dataplane, HugePages, Idle, Ingress,
    Kubernetes, Log, LogFormat, LogLevel, Metrics, Names, Port, Queues, Route, Source,
};
pub use error::{ConfigError, Problem};
