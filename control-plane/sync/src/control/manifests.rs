//! A manifest folder as the source.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use sluice_config::Config;

use super::guard::Guard;
use super::names::Effect;
use super::{Control, take};
use crate::folder::{Folder, Wake, Watch};

/// Follows the folder until told to stop.
pub(super) fn run(config: &Config, root: &Path, mut control: Control, stop: &AtomicBool) {
    tracing::info!(folder = %root.display(), "following manifests");
    let mut folder = Folder::new(root, control.rules.clone());
    let mut watch = Watch::new(root);
    // Objects were read anew, and what is no more is not known yet.
    let mut unswept = false;
    let mut guard = Guard::new(config.shrink_hold);
    loop {
        let reread = control.follow_names(config) == Effect::Rules;
        if reread {
            folder = Folder::new(root, control.rules.clone());
        }
        // A folder that is not there changes nothing, and is reported like every other problem.
        let changes = folder.refresh(|path| watch.is_in_flux(path));
        let readable = changes.is_ok();
        take(&mut control.desired, changes.unwrap_or_default());
        unswept |= reread;
        if readable && std::mem::take(&mut unswept) {
            control.desired.sweep();
        }
        control.follow_certificate();
        control.follow_externals();
        guard.listen(&control.board);
        let now = Instant::now();
        if readable
            && guard.is_due(now)
            && let Some(changes) = guard.take(&mut control.desired, now)
        {
            control.publish(&changes);
        }
        if !readable || guard.held().is_some() {
            control.publish_settings();
        }
        control.board.update(|shown| {
            shown.complete |= readable;
            shown.files = Some(folder.files());
            shown.held = guard.held();
        });
        let mut problems = folder.problems();
        problems.extend(guard.problem());
        control.report(problems);
        // A folder that has only just come under watch may have changed before that.
        if watch.follow(folder.folders()) && readable {
            continue;
        }
        // A loss that is held back may be released at any time, and a Corefile changed.
        let often = folder.is_missing()
            || guard.held().is_some()
            || control.names.is_some()
            || control.certificate.is_some()
            || control.tickets.is_some()
            || control.externals.is_busy()
            || control.desired.external_names().next().is_some();
        if let Wake::Stop = watch.wait(often, stop) {
            return;
        }
    }
}
