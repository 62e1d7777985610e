//! CPUs: whether the lcores have theirs to themselves.

use rustix::thread::sched_getaffinity;
use sluice_runtime::DataplaneConfig;
use sluice_runtime::config::Idle;

use super::Finding;
use super::system::{System, as_list};

const FOLDER: &str = "/sys/devices/system/cpu";

pub(super) fn examine(system: &System, config: Option<&DataplaneConfig>) -> Vec<Finding> {
    let online = system.cpus(&format!("{FOLDER}/online")).unwrap_or_default();
    let isolated = system.cpus(&format!("{FOLDER}/isolated")).unwrap_or_default();
    let Some(config) = config else {
        let found = format!("{} online, isolated: {}", online.len(), none_or(&isolated));
        return vec![Finding::ok("CPUs", found)];
    };
    let lcores = &config.lcores;
    let absent: Vec<u32> = lcores.iter().copied().filter(|cpu| !online.contains(cpu)).collect();
    if !absent.is_empty() {
        let found = format!("dataplane.lcores: CPU {} is not online", as_list(&absent));
        let mend = format!("choose dataplane.lcores from {}", as_list(&online));
        return vec![Finding::missing("lcores", found, mend)];
    }
    let mut all = vec![allowed(lcores)];
    if config.idle == Idle::Sleep {
        // Made for machines that share their CPUs: nothing to isolate.
        all.push(Finding::ok("CPU isolation", "not needed: dataplane.idle is sleep"));
        return all;
    }
    if lcores.len() >= online.len() {
        all.push(Finding::warning(
            "CPU isolation",
            "the lcores take every CPU, and Linux has none left",
            "leave at least one CPU out of dataplane.lcores",
        ));
    }
    let full = system.cpus(&format!("{FOLDER}/nohz_full")).unwrap_or_default();
    for (check, list, what) in [
        ("CPU isolation", &isolated, "other work is scheduled on lcores"),
        ("CPU ticks", &full, "the timer interrupts lcores"),
    ] {
        let shared: Vec<u32> = lcores.iter().copied().filter(|cpu| !list.contains(cpu)).collect();
        all.push(if shared.is_empty() {
            Finding::ok(check, format!("lcores {} are apart", as_list(lcores)))
        } else {
            let cpus = as_list(lcores);
            let mend = format!(
                "on the kernel's command line: isolcpus=managed_irq,domain,{cpus} nohz_full={cpus} rcu_nocbs={cpus}\n\
                 or set dataplane.idle to sleep, where CPUs must be shared"
            );
            Finding::warning(check, format!("{what} {}", as_list(&shared)), mend)
        });
    }
    all.extend(siblings(system, lcores));
    all.extend(governors(system, lcores));
    all
}

/// Whether this process, and so the gateway started like it, may run on the lcores.
fn allowed(lcores: &[u32]) -> Finding {
    let Ok(set) = sched_getaffinity(None) else {
        return Finding::ok("lcores", as_list(lcores));
    };
    let barred: Vec<u32> = lcores.iter().copied().filter(|cpu| !set.is_set(*cpu as usize)).collect();
    if barred.is_empty() {
        return Finding::ok("lcores", format!("{} are online and may be used", as_list(lcores)));
    }
    Finding::missing(
        "lcores",
        format!("this process may not run on CPU {}", as_list(&barred)),
        "a cpuset or an affinity bars it: see taskset -p $$ and the unit's AllowedCPUs=, or the container's --cpuset-cpus",
    )
}

/// Hyper-threads that share a core with an lcore take turns with it.
fn siblings(system: &System, lcores: &[u32]) -> Option<Finding> {
    let shares = |cpu: &u32| {
        let siblings = system.cpus(&format!("{FOLDER}/cpu{cpu}/topology/thread_siblings_list"))?;
        let others: Vec<u32> = siblings.into_iter().filter(|other| other != cpu).collect();
        (!others.is_empty()).then(|| format!("{cpu} with {}", as_list(&others)))
    };
    let shared: Vec<String> = lcores.iter().filter_map(shares).collect();
    (!shared.is_empty()).then(|| {
        Finding::warning(
            "hyper-threads",
            format!("lcores share their cores: {}", shared.join(", ")),
            "take the siblings offline (echo 0 > /sys/devices/system/cpu/cpuN/online), or keep all work off them",
        )
    })
}

fn governors(system: &System, lcores: &[u32]) -> Option<Finding> {
    let slow = |cpu: &&u32| {
        system
            .read(&format!("{FOLDER}/cpu{cpu}/cpufreq/scaling_governor"))
            .is_some_and(|governor| governor != "performance")
    };
    let slow: Vec<u32> = lcores.iter().filter(slow).copied().collect();
    (!slow.is_empty()).then(|| {
        Finding::warning(
            "CPU frequency",
            format!("the clock of lcores {} changes with load", as_list(&slow)),
            "cpupower frequency-set -g performance",
        )
    })
}

fn none_or(cpus: &[u32]) -> String {
    if cpus.is_empty() { "none".to_owned() } else { as_list(cpus) }
}
