//! `sluice release`: lets a loss of endpoints through that control holds back.

use sluice_sync::admin::ControlRequest;

use crate::args::{ConfigFile, Global};
use crate::exit::{Exit, Failure};
use crate::locate;

/// Asks control to.
pub(crate) fn run(config: &ConfigFile, global: &Global) -> Result<Exit, Failure> {
    let folder = locate::runtime_dir(config, global)?;
    locate::control_in(&folder)?.ask(&ControlRequest::Release).map_err(locate::failure)?;
    Ok(Exit::Ok)
}
