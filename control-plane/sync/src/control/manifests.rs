//! A manifest folder as the source.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use sluice_config::Config;

use super::{Control, rules, take};
use crate::folder::{Folder, Wake, Watch};

/// Follows the folder until told to stop.
pub(super) fn run(config: &Config, root: &Path, mut control: Control, stop: &AtomicBool) {
    tracing::info!(folder = %root.display(), "following manifests");
    let mut folder = Folder::new(root, rules(config));
    let mut watch = Watch::new(root);
    loop {
        // A folder that is not there changes nothing, and is reported like every other problem.
        let changes = folder.refresh(|path| watch.is_in_flux(path));
        let readable = changes.is_ok();
        take(&mut control.desired, changes.unwrap_or_default());
        let changes = control.desired.take_changes();
        if readable {
            control.publish(&changes);
        }
        control.board.update(|shown| {
            shown.complete |= readable;
            shown.files = Some(folder.files());
        });
        control.report(folder.problems());
        // A folder that has only just come under watch may have changed before that.
        if watch.follow(folder.folders()) && readable {
            continue;
        }
        if let Wake::Stop = watch.wait(folder.is_missing(), stop) {
            return;
        }
    }
}
