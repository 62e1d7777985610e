//! `sluice run`: starts the roles, restarts one that dies, and ends them in order.

mod backoff;
mod child;
mod wake;

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::args::{Global, RunArgs};
use crate::exit::{Exit, Failure};
use crate::{locate, logging, role, signals};

use child::{Child, Ended};
use wake::Wake;

/// The roles, in the order in which they are started; they end in the opposite one. The proxy has work only where there
/// is DNS or HTTP.
const ROLES: [&str; 2] = ["dataplane", "control"];
const PROXY: &str = "proxy";
/// How long a role has to end.
const GRACE: Duration = Duration::from_secs(10);

/// Runs until told to stop, or until a role says that the configuration is wrong.
pub(crate) fn run(args: &RunArgs, global: &Global) -> Result<Exit, Failure> {
    let stop = signals::stop_flag()?;
    let wake =
        Wake::new().map_err(|error| Failure::new(Exit::System, format_args!("signal handlers: {error}")))?;
    let config = locate::config(&args.config, global)?;
    role::machine_independent(&config)
        .map_err(|error| Failure::new(Exit::Usage, format_args!("{}: {error}", args.config.display())))?;
    logging::start("run", &args.log, config.log)?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), pid = std::process::id(), "starting");

    let program = program()?;
    let mut children: Vec<Child> = ROLES
        .iter()
        .chain((config.resolver.is_some() || config.ingress.is_some()).then_some(&PROXY))
        .map(|role| Child::new(role, &program, role_arguments(role, args, global)))
        .collect();
    let mut verdict = None;
    while !stop.load(Ordering::Acquire) && verdict.is_none() {
        let now = Instant::now();
        for child in &mut children {
            if let Some(Ended::Configuration(code)) = child.look(now) {
                tracing::error!(role = child.role(), code, "the configuration is wrong: ending");
                verdict = Some(if code == Exit::NoInput as i32 { Exit::NoInput } else { Exit::Usage });
            }
        }
        let next = children.iter().filter_map(Child::due).min();
        if verdict.is_none() {
            wake.wait(next.map(|at| at.saturating_duration_since(now)));
        }
    }
    let given = args.grace.map(|seconds| Duration::from_secs(seconds.into()));
    let drain = config.ingress.as_ref().map_or(0, |ingress| ingress.settings.drain_ms);
    end(&mut children, &wake, |role| given.unwrap_or_else(|| grace(role, drain)));
    // The role has said what is wrong.
    verdict.map_or(Ok(Exit::Ok), |exit| Err(Failure::silent(exit)))
}

/// How long a role has to end, where nobody says otherwise. The proxy first lets requests in flight end, for so many
/// milliseconds.
fn grace(role: &str, drain: u32) -> Duration {
    let drain = if role == PROXY { Duration::from_millis(drain.into()) } else { Duration::ZERO };
    GRACE + drain
}

/// Ends the roles one after the other: the proxy first, so that the packet path forwards until the last.
fn end(children: &mut [Child], wake: &Wake, grace: impl Fn(&str) -> Duration) {
    for child in children.iter_mut().rev() {
        child.ask_to_end();
        let grace = grace(child.role());
        let deadline = Instant::now() + grace;
        while child.is_running() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                tracing::warn!(role = child.role(), ?grace, "does not end in order: killed");
                child.kill();
                break;
            }
            wake.wait(Some(left));
        }
    }
    tracing::info!("ended");
}

/// This program, also after an upgrade has put another file in its place.
fn program() -> Result<PathBuf, Failure> {
    let path = std::env::current_exe()
        .map_err(|error| Failure::new(Exit::System, format_args!("own path: {error}")))?;
    Ok(if path.exists() { path } else { PathBuf::from("/proc/self/exe") })
}

fn role_arguments(role: &str, args: &RunArgs, global: &Global) -> Vec<std::ffi::OsString> {
    let mut all: Vec<std::ffi::OsString> = vec![role.into(), "--config".into(), args.config.clone().into()];
    let mut option = |name: &str, value: Option<std::ffi::OsString>| {
        if let Some(value) = value {
            all.extend([name.into(), value]);
        }
    };
    option("--runtime-dir", global.runtime_dir.clone().map(Into::into));
    option("--log", args.log.log.clone().map(Into::into));
    option("--log-format", args.log.log_format.map(|format| format.as_str().into()));
    option("--supervisor", Some(std::process::id().to_string().into()));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxy_has_the_time_of_its_requests_in_flight_and_others_do_not() {
        assert_eq!(grace("proxy", 240_000), Duration::from_secs(250));
        assert_eq!(grace("control", 240_000), GRACE);
        assert_eq!(grace("dataplane", 240_000), GRACE);
    }
}
