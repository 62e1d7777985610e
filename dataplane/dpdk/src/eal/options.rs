//! What EAL is started with.

use std::ffi::CString;
use std::path::PathBuf;

use super::log::{LogLevel, Sink};
use super::{EalError, huge};
use crate::device::DeviceSpec;

/// Whether packet memory comes from huge pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HugePages {
    /// Huge pages where enough of them are free now, ordinary pages otherwise.
    #[default]
    Auto,
    /// Huge pages, or EAL does not start.
    Required,
    /// Ordinary pages: slower for large tables, no reservation, virtual devices and VFIO only.
    Never,
}

/// How devices address packet memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IovaMode {
    /// DPDK chooses (virtual addresses without huge pages, whatever is asked).
    #[default]
    Auto,
    /// Virtual addresses; real devices then need an IOMMU.
    Virtual,
    /// Physical addresses; needs huge pages and root.
    Physical,
}

/// Options of [`Eal::init`](super::Eal::init). Nothing is taken from a command line, so nothing can be smuggled in.
pub struct EalOptions {
    pub(super) main_cpu: Option<usize>,
    pub(super) memory_mib: u32,
    pub(super) huge_pages: HugePages,
    pub(super) iova: IovaMode,
    pub(super) file_prefix: Option<String>,
    pub(super) shareable: bool,
    pub(super) devices: Vec<DeviceSpec>,
    pub(super) drivers: Vec<PathBuf>,
    pub(super) log_level: LogLevel,
    pub(super) sink: Option<Sink>,
}

impl Default for EalOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl EalOptions {
    /// 256 MiB, huge pages where there are enough, no devices, a file prefix of this process's own, warnings to stderr.
    pub fn new() -> Self {
        Self {
            main_cpu: None,
            memory_mib: 256,
            huge_pages: HugePages::Auto,
            iova: IovaMode::Auto,
            file_prefix: None,
            shareable: false,
            devices: Vec::new(),
            drivers: Vec::new(),
            log_level: LogLevel::Warning,
            sink: None,
        }
    }

    /// The CPU that EAL calls its main lcore, and that its helper threads stay away from where they can. The calling
    /// thread's own affinity is what it was once EAL is up. Default: the first CPU this process may use.
    #[must_use]
    pub fn main_cpu(mut self, cpu: usize) -> Self {
        self.main_cpu = Some(cpu);
        self
    }

    /// Packet memory in MiB, at least 8. A default packet buffer takes 4 KiB without huge pages and 2.4 KiB with.
    #[must_use]
    pub fn memory_mib(mut self, mib: u32) -> Self {
        self.memory_mib = mib;
        self
    }

    /// Whether to use huge pages.
    #[must_use]
    pub fn huge_pages(mut self, huge_pages: HugePages) -> Self {
        self.huge_pages = huge_pages;
        self
    }

    /// How devices address memory.
    #[must_use]
    pub fn iova_mode(mut self, iova: IovaMode) -> Self {
        self.iova = iova;
        self
    }

    /// The name that keeps this process's DPDK files apart from others' (letters, digits, `_`, `-`). Default:
    /// `sluice-<pid>`.
    #[must_use]
    pub fn file_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.file_prefix = Some(prefix.into());
        self
    }

    /// Packet memory that another process can map, as `net_memif`, and `virtio_user` against a vhost-user server, need.
    /// It costs files (in the runtime directory, and of huge pages) that outlive a killed process until the next start.
    #[must_use]
    pub fn shareable_memory(mut self, shareable: bool) -> Self {
        self.shareable = shareable;
        self
    }

    /// A device that EAL probes when it starts. PCI devices must be named here; no other is touched. Virtual devices may
    /// be, but [`Eal::attach`](super::Eal::attach) says more precisely what is wrong with them.
    #[must_use]
    pub fn device(mut self, device: DeviceSpec) -> Self {
        self.devices.push(device);
        self
    }

    /// Loads this driver (a shared object) or folder of drivers instead of all that the distribution installed. The
    /// mempool and bus drivers have to be among them.
    #[must_use]
    pub fn driver(mut self, path: impl Into<PathBuf>) -> Self {
        self.drivers.push(path.into());
        self
    }

    /// The least grave lines that are logged.
    #[must_use]
    pub fn log_level(mut self, level: LogLevel) -> Self {
        self.log_level = level;
        self
    }

    /// Where log lines go instead of standard error. Called from any thread, also from within packet
    /// calls, so it must not call into this crate.
    #[must_use]
    pub fn on_log(mut self, sink: impl Fn(LogLevel, &str) + Send + Sync + 'static) -> Self {
        self.sink = Some(Box::new(sink));
        self
    }

    /// Checks everything and says which kind of memory it will be: true for huge pages.
    pub(super) fn decide(&self) -> Result<bool, EalError> {
        if self.memory_mib < 8 {
            return Err(EalError::TooLittleMemory { mib: self.memory_mib });
        }
        if let Some(prefix) = &self.file_prefix {
            let good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            // It becomes part of paths whose length DPDK limits.
            if prefix.is_empty() || prefix.len() > 48 || !prefix.chars().all(good) {
                return Err(EalError::BadFilePrefix(prefix.clone()));
            }
        }
        let mut names: Vec<&str> = self.devices.iter().map(DeviceSpec::name).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(EalError::DuplicateDevice(pair[0].to_owned()));
        }
        let found = huge::free_mib();
        let enough = found >= u64::from(self.memory_mib) && (!self.shareable || !huge::mounts().is_empty());
        match self.huge_pages {
            HugePages::Never => Ok(false),
            HugePages::Auto => Ok(enough),
            HugePages::Required if enough => Ok(true),
            HugePages::Required if found < u64::from(self.memory_mib) => {
                Err(EalError::NoHugePages { needed_mib: self.memory_mib, free_mib: found })
            }
            HugePages::Required => Err(EalError::NoHugeMount),
        }
    }

    /// The prefix in use.
    pub(super) fn prefix(&self) -> String {
        self.file_prefix.clone().unwrap_or_else(|| format!("sluice-{}", std::process::id()))
    }

    /// EAL's argument vector.
    pub(super) fn arguments(&self, huge: bool, cpu: usize) -> Result<Vec<CString>, EalError> {
        // Logical core 0 is the main one wherever it runs; the numbers above are for threads that register later.
        let mut text = vec![
            "sluice".to_owned(),
            format!("--lcores=0@{cpu}"),
            "-m".to_owned(),
            self.memory_mib.to_string(),
        ];
        text.push(format!("--file-prefix={}", self.prefix()));
        text.push("--no-telemetry".to_owned());
        // The limit for all, then the level of each component, so that Debug is not capped by a component's default.
        text.push(format!("--log-level={}", self.log_level as u32));
        text.push(format!("--log-level=*:{}", self.log_level as u32));
        match (huge, self.iova) {
            // Not with --in-memory: DPDK 22.11 cannot start with both.
            (false, _) => text.extend(["--no-huge".to_owned(), "--iova-mode=va".to_owned()]),
            (true, IovaMode::Auto) => {}
            (true, IovaMode::Virtual) => text.push("--iova-mode=va".to_owned()),
            (true, IovaMode::Physical) => text.push("--iova-mode=pa".to_owned()),
        }
        match (huge, self.shareable) {
            (true, false) => text.push("--in-memory".to_owned()),
            (true, true) => text.push("--single-file-segments".to_owned()),
            (false, false) => text.push("--no-shconf".to_owned()),
            (false, true) => {}
        }
        if !self.devices.iter().any(DeviceSpec::is_pci) {
            text.push("--no-pci".to_owned());
        }
        for device in &self.devices {
            text.push(if device.is_pci() { "-a".to_owned() } else { "--vdev".to_owned() });
            text.push(device.to_string());
        }
        for driver in &self.drivers {
            text.push("-d".to_owned());
            text.push(driver.to_str().ok_or_else(|| EalError::BadDriverPath(driver.clone()))?.to_owned());
        }
        let bad = |text: &str| EalError::BadArgument(text.to_owned());
        text.iter().map(|text| CString::new(text.as_str()).map_err(|_| bad(text))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(options: &EalOptions, huge: bool) -> String {
        let arguments = options.arguments(huge, 3).unwrap();
        arguments.iter().map(|a| a.to_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn without_huge_pages_never_in_memory() {
        for shareable in [false, true] {
            let text = line(&EalOptions::new().shareable_memory(shareable).file_prefix("a-b"), false);
            assert!(text.contains("--no-huge --iova-mode=va"), "{text}");
            assert!(text.contains("--file-prefix=a-b") && text.contains("--lcores=0@3"), "{text}");
            assert!(!text.contains("--in-memory"), "{text}");
        }
        assert!(line(&EalOptions::new(), true).contains("--in-memory"));
        assert!(!line(&EalOptions::new().shareable_memory(true), true).contains("--in-memory"));
    }

    #[test]
    fn only_named_pci_devices_are_touched() {
        assert!(line(&EalOptions::new(), false).contains("--no-pci"));
        let options =
            EalOptions::new().device("03:00.0".parse().unwrap()).device("net_null0,size=64".parse().unwrap());
        let text = line(&options, false);
        assert!(text.contains("-a 0000:03:00.0") && text.contains("--vdev net_null0,size=64"), "{text}");
        assert!(!text.contains("--no-pci"), "{text}");
    }

    #[test]
    fn options_that_cannot_work_are_refused_before_eal_starts() {
        let never = || EalOptions::new().huge_pages(HugePages::Never);
        assert!(matches!(never().memory_mib(7).decide(), Err(EalError::TooLittleMemory { mib: 7 })));
        for prefix in ["", "a/b", "a b", "a\n", &"x".repeat(49)] {
            assert!(
                matches!(never().file_prefix(prefix).decide(), Err(EalError::BadFilePrefix(_))),
                "{prefix:?}"
            );
        }
        let twice = never().device("net_null0".parse().unwrap()).device("net_null0,size=1".parse().unwrap());
        assert!(matches!(twice.decide(), Err(EalError::DuplicateDevice(name)) if name == "net_null0"));
        let much = EalOptions::new().huge_pages(HugePages::Required).memory_mib(u32::MAX);
        assert!(matches!(much.decide(), Err(EalError::NoHugePages { .. })));
        assert!(!EalOptions::new().memory_mib(u32::MAX).decide().unwrap());
    }
}
