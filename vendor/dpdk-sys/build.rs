//! Finds libdpdk by pkg-config, compiles the C shim, generates the bindings and says what to link.

#[path = "build/allow.rs"]
mod allow;
#[path = "build/link.rs"]
mod link;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What every failure ends with: on Debian and Ubuntu this is all there is to install.
const REMEDY: &str = "install what is missing: apt-get install libdpdk-dev libclang-dev pkg-config gcc";

#[allow(clippy::print_stderr)] // Cargo shows a failing build script's standard error.
fn main() -> ExitCode {
    for path in ["build.rs", "build/allow.rs", "build/link.rs", "csrc/shim.h", "csrc/shim.c"] {
        println!("cargo:rerun-if-changed={path}");
    }
    for name in ["PKG_CONFIG_PATH", "LIBCLANG_PATH", link::DRIVERS_VARIABLE] {
        println!("cargo:rerun-if-env-changed={name}");
    }
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            for line in error.lines().take(1).chain([REMEDY]) {
                println!("cargo:warning={line}");
            }
            eprintln!("error: {error}\n{REMEDY}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), String> {
    let library = pkg_config::Config::new()
        .atleast_version("22.11")
        .cargo_metadata(false)
        .probe("libdpdk")
        .map_err(|error| format!("DPDK ≥ 22.11 (libdpdk) was not found by pkg-config: {error}"))?;
    // Includes come first in DPDK's flags; `-include rte_config.h` and `-march=…` are what the crate's API leaves out.
    let flags = link::pkg_config(&["--cflags", "libdpdk"])?;
    let flags: Vec<&str> = flags.split_ascii_whitespace().collect();
    for include in &library.include_paths {
        if include.join("rte_ethdev.h").exists() {
            return continue_with(&library, &flags);
        }
    }
    Err("pkg-config knows libdpdk, but its header rte_ethdev.h is not there".to_owned())
}

fn continue_with(library: &pkg_config::Library, flags: &[&str]) -> Result<(), String> {
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets no OUT_DIR")?);
    compile_shim(flags)?;
    generate_bindings(flags, &out)?;
    link::emit(library)
}

fn compile_shim(flags: &[&str]) -> Result<(), String> {
    let mut build = cc::Build::new();
    build.file("csrc/shim.c").include("csrc").std("gnu11").opt_level(3);
    // The inlines of DPDK's headers are written for GNU C and not for -Wextra.
    build.warnings(false).extra_warnings(false);
    for flag in flags {
        build.flag(flag);
    }
    build.try_compile("sluice_dpdk_shim").map_err(|error| format!("the C shim does not compile: {error}"))
}

fn generate_bindings(flags: &[&str], out: &Path) -> Result<(), String> {
    let mut builder = bindgen::Builder::default()
        .header("csrc/shim.h")
        .clang_args(flags)
        .clang_arg("-Icsrc")
        .layout_tests(false)
        .generate_comments(false)
        .derive_default(false)
        .derive_debug(false)
        .prepend_enum_name(false)
        .rust_edition(bindgen::RustEdition::Edition2024)
        .allowlist_recursively(true);
    for name in allow::FUNCTIONS {
        builder = builder.allowlist_function(name);
    }
    for name in allow::TYPES {
        builder = builder.allowlist_type(name);
    }
    for name in allow::CONSTANTS {
        builder = builder.allowlist_var(name);
    }
    for name in allow::OPAQUE {
        builder = builder.opaque_type(name);
    }
    // bindgen panics where it cannot load libclang; say it in our words instead.
    std::panic::set_hook(Box::new(|_| {}));
    let generated = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| builder.generate()));
    let _ = std::panic::take_hook();
    let bindings = generated
        .map_err(|cause| {
            let text = cause.downcast_ref::<String>().cloned();
            let text = text.or_else(|| cause.downcast_ref::<&str>().map(|s| (*s).to_owned()));
            format!("bindgen could not run, most likely for lack of libclang: {}", text.unwrap_or_default())
        })?
        .map_err(|error| format!("bindgen could not read DPDK's headers: {error}"))?;
    bindings
        .write_to_file(out.join("bindings.rs"))
        .map_err(|error| format!("bindings.rs cannot be written: {error}"))
}
