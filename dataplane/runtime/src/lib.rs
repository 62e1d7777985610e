//! `sluice dataplane`: lcores, ports, punt interfaces, the mirror of Linux's tables, and the admin socket.
#![forbid(unsafe_code)]

pub mod config;
pub mod flows;
pub mod instance;
pub mod stop;

pub use config::DataplaneConfig;
pub use stop::Stop;
