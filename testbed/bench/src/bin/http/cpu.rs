//! Time on CPUs of processes and their children.

use std::fs::read_to_string;

/// Ticks in a second: USER_HZ, which is 100 on every Linux that has anything to do with this.
const TICKS: f64 = 100.0;

/// Seconds that processes have had.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cpu {
    /// In the program.
    pub(crate) user: f64,
    /// In the kernel on its behalf.
    pub(crate) system: f64,
}

impl Cpu {
    /// Of these processes, their threads, and of the processes that they started and that still run.
    pub(crate) fn of(roots: &[u32]) -> Self {
        let mut sum = Self::default();
        let mut left = roots.to_vec();
        while let Some(pid) = left.pop() {
            let stat = read_to_string(format!("/proc/{pid}/stat")).unwrap();
            // The program's name comes in parentheses, and may have anything in it.
            let fields: Vec<&str> = stat[stat.rfind(')').unwrap() + 2..].split(' ').collect();
            let seconds = |at: usize| fields[at].parse::<f64>().unwrap() / TICKS;
            sum.user += seconds(11);
            sum.system += seconds(12);
            let children = read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
            left.extend(children.split_whitespace().map(|pid| pid.parse::<u32>().unwrap()));
        }
        sum
    }

    /// Since then.
    pub(crate) fn since(self, before: Self) -> Self {
        Self { user: self.user - before.user, system: self.system - before.system }
    }

    /// Both.
    pub(crate) fn sum(self) -> f64 {
        self.user + self.system
    }
}
