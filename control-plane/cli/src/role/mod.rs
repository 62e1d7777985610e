//! The roles: configuration, then logging, then work until told to stop, then an orderly end.

mod convert;
mod cpus;
mod notify;
mod proxy;
mod supervised;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use sluice_config::Config;
use sluice_runtime::ports::PacketMemory;
use sluice_runtime::{RuntimeError, Stop};

use crate::args::{Global, RoleArgs};
use crate::exit::{Exit, Failure};
use crate::{locate, logging, signals};

pub(crate) use convert::dataplane_config;
pub(crate) use proxy::proxy;

/// `sluice dataplane`.
pub(crate) fn dataplane(args: &RoleArgs, global: &Global) -> Result<Exit, Failure> {
    let (config, stop) = begin("dataplane", args, global)?;
    let settings = dataplane_config(&config);
    let path = config.path;
    let ran = sluice_runtime::run(settings, &Stop::from_flag(stop), || {
        tracing::info!("ready");
        notify::ready();
    });
    match ran {
        Ok(()) => Ok(Exit::Ok),
        Err(error) if error.is_configuration() => {
            Err(Failure::new(Exit::Usage, format_args!("{}: {error}", path.display())))
        }
        Err(error @ RuntimeError::Failed(_)) => Err(Failure::new(Exit::Software, error)),
        Err(error @ RuntimeError::Instance(_)) => Err(Failure::new(Exit::Unavailable, error)),
        Err(error) => Err(Failure::new(Exit::System, error)
            .hint(format!("`sluice doctor -c {}` looks for what is missing", path.display()))),
    }
}

/// `sluice control`.
pub(crate) fn control(args: &RoleArgs, global: &Global) -> Result<Exit, Failure> {
    let (config, stop) = begin("control", args, global)?;
    notify::ready();
    match sluice_sync::run(&config, &stop) {
        Ok(()) => Ok(Exit::Ok),
        Err(error) => Err(Failure::new(Exit::System, error)),
    }
}

/// What can be known about a configuration without looking at the machine, beyond what reading it has found.
pub(crate) fn machine_independent(config: &Config) -> Result<(), String> {
    let settings = dataplane_config(config);
    settings.check().map_err(|error| error.to_string())?;
    proxy::check(config)?;
    PacketMemory::plan(&settings).map(drop).map_err(|error| error.to_string())
}

/// What all roles begin with.
fn begin(role: &'static str, args: &RoleArgs, global: &Global) -> Result<(Config, Arc<AtomicBool>), Failure> {
    let stop = signals::stop_flag()?;
    supervised::follow(args.supervisor)?;
    let config = locate::config(&args.config, global)?;
    logging::start(role, &args.log, config.log)?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), config = %args.config.display(), "starting");
    cpus::leave_lcores(&config.dataplane);
    // Whichever role comes first makes the folder of their sockets: none is there before the others by itself.
    std::fs::create_dir_all(&config.runtime_dir).map_err(|error| {
        Failure::new(Exit::System, format_args!("{}: {error}", config.runtime_dir.display()))
    })?;
    Ok((config, stop))
}
