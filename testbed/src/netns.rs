//! Network namespaces.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::run::{RunError, run};

/// A named network namespace. Dropping it leaves it: [`crate::cleanup`] takes away everything of a run at once.
#[derive(Clone, Debug)]
pub struct Netns {
    name: String,
}

impl Netns {
    /// Makes the namespace `name`, with its loopback interface up.
    ///
    /// # Errors
    /// Those of `ip netns add`: no permission, name taken.
    pub fn create(name: &str) -> Result<Self, RunError> {
        run(&format!("ip netns add {name}"))?;
        let this = Self { name: name.to_owned() };
        this.ip("link set lo up")?;
        Ok(this)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `ip` with these arguments in it.
    ///
    /// # Errors
    /// Those of `ip`.
    pub fn ip(&self, arguments: &str) -> Result<String, RunError> {
        run(&format!("ip -n {} {arguments}", self.name))
    }

    /// Sets a kernel parameter, given with slashes: `net/ipv4/ip_forward`.
    ///
    /// # Errors
    /// Those of `sysctl`.
    pub fn sysctl(&self, key: &str, value: &str) -> Result<(), RunError> {
        run(&format!("ip netns exec {} sysctl -qw {key}={value}", self.name)).map(drop)
    }

    /// A command that will run in it.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// Runs `work` on a thread inside it. Sockets made there stay in the namespace, whoever uses them later.
    ///
    /// # Panics
    /// Where the namespace cannot be entered, or `work` panics.
    #[allow(clippy::expect_used)]
    pub fn enter<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        self.spawn(work).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// As [`Netns::enter`], without waiting.
    #[allow(clippy::expect_used)]
    pub fn spawn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> thread::JoinHandle<T> {
        let path = PathBuf::from("/run/netns").join(&self.name);
        thread::spawn(move || {
            let namespace = File::open(&path).expect("the namespace exists");
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("entering a network namespace takes root");
            work()
        })
    }
}
