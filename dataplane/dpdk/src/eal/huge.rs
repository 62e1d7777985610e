//! What the kernel says about huge pages.

use std::fs;
use std::path::{Path, PathBuf};

/// Free huge pages of every size, in MiB. Zero where the kernel has none.
pub(super) fn free_mib() -> u64 {
    free_mib_in(Path::new("/sys/kernel/mm/hugepages"))
}

/// Where hugetlbfs is mounted.
pub(super) fn mounts() -> Vec<PathBuf> {
    mounts_in(&fs::read_to_string("/proc/self/mounts").unwrap_or_default())
}

fn mounts_in(table: &str) -> Vec<PathBuf> {
    let mounts = table.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (place, kind) = (fields.next()?, fields.next()?);
        (kind == "hugetlbfs").then(|| PathBuf::from(place))
    });
    mounts.collect()
}

fn free_mib_in(folder: &Path) -> u64 {
    let Ok(sizes) = fs::read_dir(folder) else {
        return 0;
    };
    let free_kib = sizes.flatten().filter_map(|size| {
        let name = size.file_name();
        let kib: u64 = name.to_str()?.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
        let free: u64 = fs::read_to_string(size.path().join("free_hugepages")).ok()?.trim().parse().ok()?;
        free.checked_mul(kib)
    });
    free_kib.sum::<u64>() / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_sizes_are_summed_and_strangers_ignored() {
        let folder = tempfile::tempdir().unwrap();
        for (name, free) in [("hugepages-2048kB", "3\n"), ("hugepages-1048576kB", "1\n"), ("other", "9\n")] {
            fs::create_dir(folder.path().join(name)).unwrap();
            fs::write(folder.path().join(name).join("free_hugepages"), free).unwrap();
        }
        assert_eq!(free_mib_in(folder.path()), 6 + 1024);
        assert_eq!(free_mib_in(&folder.path().join("missing")), 0);
    }

    #[test]
    fn mounts_are_found_by_their_kind() {
        let table = "proc /proc proc rw 0 0\nnone /mnt/huge hugetlbfs rw 0 0\nhugetlbfs /x ext4 rw 0 0\n";
        assert_eq!(mounts_in(table), [Path::new("/mnt/huge")]);
    }
}
