//! What to link: shared libraries by default, everything in the binary with the feature `static`.

use std::path::PathBuf;
use std::process::Command;

/// Names of drivers (`net_tap,bus_pci,…`) that replace [`DRIVERS`] in a static build.
pub const DRIVERS_VARIABLE: &str = "SLUICE_DPDK_DRIVERS";

/// The libraries whose functions the allow-list names. Drivers are loaded by EAL at run time.
/// The log was a part of EAL until 24.11.
const LIBRARIES: &[&str] = &["rte_ethdev", "rte_mbuf", "rte_mempool", "rte_ring", "rte_eal", "rte_log"];

/// Drivers of a static build: every one that the project tests, and the common NICs.
const DRIVERS: &[&str] = &[
    "bus_vdev",
    "bus_pci",
    "mempool_ring",
    "net_null",
    "net_ring",
    "net_pcap",
    "net_tap",
    "net_af_packet",
    "net_af_xdp",
    "net_memif",
    "net_vhost",
    "net_virtio",
    "net_e1000",
    "net_igc",
    "net_ixgbe",
    "net_i40e",
    "net_ice",
    "net_iavf",
    "net_vmxnet3",
    "net_ena",
];

/// Prints cargo's link instructions.
pub fn emit(library: &pkg_config::Library) -> Result<(), String> {
    for path in &library.link_paths {
        println!("cargo:rustc-link-search=native={}", path.display());
    }
    if std::env::var_os("CARGO_FEATURE_STATIC").is_some() {
        return emit_static();
    }
    for name in LIBRARIES.iter().filter(|name| library.libs.iter().any(|there| there == *name)) {
        println!("cargo:rustc-link-lib=dylib={name}");
    }
    Ok(())
}

/// Static archives register their drivers in constructors that nothing refers to, so the drivers must be linked whole.
fn emit_static() -> Result<(), String> {
    let directory = archive_directory()?;
    println!("cargo:rustc-link-search=native={}", directory.display());
    let chosen = std::env::var(DRIVERS_VARIABLE).unwrap_or_else(|_| DRIVERS.join(","));
    let drivers: Vec<&str> = chosen.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    for name in &drivers {
        if !directory.join(format!("librte_{name}.a")).exists() {
            return Err(format!(
                "there is no driver {name} in {}; see {DRIVERS_VARIABLE}",
                directory.display()
            ));
        }
        println!("cargo:rustc-link-lib=static:+whole-archive,-bundle=rte_{name}");
    }
    for name in core_archives(&drivers)? {
        println!("cargo:rustc-link-lib=static:-bundle={name}");
    }
    for name in system_libraries(&drivers) {
        println!("cargo:rustc-link-lib=dylib={name}");
    }
    Ok(())
}

/// DPDK's own libraries in dependency order, from pkg-config's list for shared linking, which names no driver.
fn core_archives(drivers: &[&str]) -> Result<Vec<String>, String> {
    let text = pkg_config(&["--libs", "libdpdk"])?;
    let mut names: Vec<String> = text
        .split_ascii_whitespace()
        .filter_map(|flag| flag.strip_prefix("-lrte_"))
        .map(|name| format!("rte_{name}"))
        .collect();
    if drivers.iter().any(|name| matches!(*name, "net_iavf" | "net_ice")) {
        names.insert(0, "rte_common_iavf".to_owned());
    }
    Ok(names)
}

/// What the archives need of the system; these stay shared.
fn system_libraries(drivers: &[&str]) -> Vec<&'static str> {
    let mut names = vec!["bsd", "numa", "m", "dl", "atomic"];
    if drivers.contains(&"net_pcap") {
        names.push("pcap");
    }
    if drivers.contains(&"net_af_xdp") {
        names.extend(["xdp", "bpf"]);
    }
    names
}

fn archive_directory() -> Result<PathBuf, String> {
    Ok(PathBuf::from(pkg_config(&["--variable=libdir", "libdpdk"])?.trim()))
}

/// What pkg-config prints for these arguments.
pub fn pkg_config(arguments: &[&str]) -> Result<String, String> {
    let program = std::env::var_os("PKG_CONFIG").unwrap_or_else(|| "pkg-config".into());
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("pkg-config does not run: {error}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
