//! CPUs of lcores are left to them.
//!
//! A worker that polls never sleeps, so that the kernel takes every other thread on its CPU for one that has waited longer: it
//! runs at once, for milliseconds in which no packet is looked at. A proxy beside a worker was what cache hits waited for.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use sluice_config::{Dataplane, Idle};

/// Keeps this thread, and those that it starts from now on, off the CPUs of polling lcores, if any other CPU is allowed. Lcores
/// go to theirs by themselves. It is a matter of speed: where the kernel refuses, everything stays as it is.
pub(super) fn leave_lcores(dataplane: &Dataplane) {
    if dataplane.idle != Idle::Poll {
        return;
    }
    let Ok(allowed) = sched_getaffinity(None) else { return };
    let Some(rest) = without(&allowed, &dataplane.lcores) else { return };
    if let Err(error) = sched_setaffinity(None, &rest) {
        tracing::warn!(%error, "threads cannot be kept off the CPUs of lcores");
    }
}

/// What is left of `allowed`, if anything is, and less than all.
fn without(allowed: &CpuSet, lcores: &[u32]) -> Option<CpuSet> {
    let mut rest = *allowed;
    for cpu in lcores.iter().map(|cpu| *cpu as usize).filter(|cpu| *cpu < CpuSet::MAX_CPU) {
        rest.unset(cpu);
    }
    (rest.count() > 0 && rest != *allowed).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(cpus: &[usize]) -> CpuSet {
        let mut set = CpuSet::new();
        cpus.iter().for_each(|cpu| set.set(*cpu));
        set
    }

    #[test]
    fn lcores_get_their_cpus_unless_there_are_no_others() {
        assert_eq!(without(&set(&[0, 1, 2, 3]), &[0, 2]), Some(set(&[1, 3])));
        assert_eq!(without(&set(&[0, 1]), &[0, 1]), None);
        assert_eq!(without(&set(&[0, 1]), &[5, 100_000]), None);
    }
}
