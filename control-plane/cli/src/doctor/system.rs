//! Reading what the kernel tells, below a root that tests put elsewhere.

use std::fs;
#[cfg(test)]
use std::path::Path;
use std::path::PathBuf;

/// A machine.
#[derive(Clone, Debug)]
pub(super) struct System {
    root: PathBuf,
}

impl System {
    /// This one.
    pub(super) fn real() -> Self {
        Self { root: PathBuf::from("/") }
    }

    /// One made of files.
    #[cfg(test)]
    pub(super) fn at(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Where `path`, an absolute one, lies.
    pub(super) fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// Whether there is something.
    pub(super) fn exists(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    /// A file's text without the white space around it; `None` where it cannot be read.
    pub(super) fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.path(path)).ok().map(|text| text.trim().to_owned())
    }

    /// A file's number.
    pub(super) fn number(&self, path: &str) -> Option<u64> {
        self.read(path)?.parse().ok()
    }

    /// The value of `key: value` in a file such as `/proc/meminfo`.
    pub(super) fn field(&self, path: &str, key: &str) -> Option<String> {
        let text = self.read(path)?;
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        Some(line.trim().to_owned())
    }

    /// The names in a folder, sorted; none where there is no such folder.
    pub(super) fn names(&self, path: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(path)).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// The last part of a link's target: the driver's name of `…/driver`.
    pub(super) fn link_name(&self, path: &str) -> Option<String> {
        let target = fs::read_link(self.path(path)).ok()?;
        Some(target.file_name()?.to_str()?.to_owned())
    }

    /// The CPUs of a list as the kernel writes it.
    pub(super) fn cpus(&self, path: &str) -> Option<Vec<u32>> {
        Some(cpu_list(&self.read(path)?))
    }
}

/// `0-2,8` as numbers; what is no number is left out.
pub(super) fn cpu_list(text: &str) -> Vec<u32> {
    let range = |part: &str| -> Option<std::ops::RangeInclusive<u32>> {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.trim().parse().ok()?..=last.trim().parse().ok()?)
    };
    text.split(',').filter_map(range).flatten().collect()
}

/// Numbers as the kernel writes lists of CPUs.
pub(super) fn as_list(cpus: &[u32]) -> String {
    cpus.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cpus_are_read() {
        assert_eq!(cpu_list("0-2,8"), [0, 1, 2, 8]);
        assert_eq!(cpu_list(""), [] as [u32; 0]);
        assert_eq!(cpu_list("(null)"), [] as [u32; 0]);
        assert_eq!(as_list(&[1, 2, 8]), "1,2,8");
    }

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("proc")).unwrap();
        fs::write(root.path().join("proc/meminfo"), "MemTotal: 9 kB\nMem:\t7 kB\n").unwrap();
        let system = System::at(root.path());
        assert_eq!(system.field("/proc/meminfo", "Mem").unwrap(), "7 kB");
        assert_eq!(system.field("/proc/meminfo", "MemFree"), None);
        assert_eq!(system.read("/proc/none"), None);
    }
}
