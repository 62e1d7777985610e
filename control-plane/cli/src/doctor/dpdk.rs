//! DPDK and its drivers.

use sluice_runtime::DataplaneConfig;

use super::Finding;
use super::system::System;

/// The driver of the ports' kernel interfaces.
const PUNT: &str = "net_tap";

pub(super) fn examine(system: &System, config: Option<&DataplaneConfig>) -> Vec<Finding> {
    let mut all = vec![Finding::ok("DPDK", crate::version::bare(sluice_dpdk::version()))];
    let Some(library) = library(system) else {
        all.push(Finding::ok("DPDK drivers", "linked into this program"));
        return all;
    };
    let Some((folder, files)) = drivers(system, &library) else {
        let found = format!("no folder of drivers beside {library}");
        let mend = "Debian: apt install libdpdk-dev, which brings all drivers";
        all.push(Finding::missing("DPDK drivers", found, mend));
        return all;
    };
    let count = files.iter().filter(|file| file.ends_with(".so")).count();
    all.push(Finding::ok("DPDK drivers", format!("{count} in {folder}")));
    let abi = folder.rsplit("pmds-").next().and_then(|abi| abi.split('.').next()).unwrap_or_default();
    for driver in wanted(config) {
        let name = format!("librte_{driver}.so");
        if !files.iter().any(|file| file.starts_with(&name)) {
            let package = format!("librte-{}{abi}", driver.replace('_', "-"));
            let found = format!("{name} is not in {folder}");
            all.push(Finding::missing(
                format!("DPDK driver {driver}"),
                found,
                format!("Debian: apt install {package}"),
            ));
        }
    }
    all
}

/// The DPDK library that this process runs with; `None` where it is linked statically.
fn library(system: &System) -> Option<String> {
    let maps = system.read("/proc/self/maps")?;
    let path = maps.lines().find_map(|line| {
        let path = line.get(line.find('/')?..)?;
        path.rsplit('/').next()?.starts_with("librte_eal.so").then_some(path)
    })?;
    Some(path.to_owned())
}

/// DPDK's folder of drivers beside its library, and what is in it.
fn drivers(system: &System, library: &str) -> Option<(String, Vec<String>)> {
    let (folder, _) = library.rsplit_once('/')?;
    let base = format!("{folder}/dpdk");
    let name = system.names(&base).into_iter().rfind(|name| name.starts_with("pmds-"))?;
    let folder = format!("{base}/{name}");
    let files = system.names(&folder);
    Some((folder, files))
}

/// The drivers that this gateway is known to need.
fn wanted(config: Option<&DataplaneConfig>) -> Vec<String> {
    let mut all = vec![PUNT.to_owned()];
    for port in config.iter().flat_map(|config| &config.ports) {
        all.push(match port.driver() {
            Some("virtio_user" | "net_virtio_user") => "net_virtio".to_owned(),
            // eth_ is what some virtual devices were called once.
            Some(driver) => driver.replacen("eth_", "net_", 1),
            None => "bus_pci".to_owned(),
        });
    }
    all.sort();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::Status;
    use super::*;

    #[test]
    fn a_driver_that_is_not_there_is_named_with_its_package() {
        let root = tempfile::tempdir().unwrap();
        let make = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        make("proc/self/maps", "7f00-7f01 r--p 0000 fe:00 12   /usr/lib/librte_eal.so.23.0\n");
        make("usr/lib/dpdk/pmds-23.0/librte_net_null.so", "");
        let found = examine(&System::at(root.path()), None);
        let bad: Vec<_> = found.iter().filter(|f| f.status == Status::Missing).collect();
        assert_eq!(bad.len(), 1, "{found:?}");
        assert!(bad[0].mend.as_ref().unwrap().contains("librte-net-tap23"), "{bad:?}");
        make("usr/lib/dpdk/pmds-23.0/librte_net_tap.so.23", "");
        assert!(examine(&System::at(root.path()), None).iter().all(|f| f.status == Status::Ok));
    }
}
