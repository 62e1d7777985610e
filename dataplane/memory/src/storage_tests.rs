use std::fs::OpenOptions;
use std::os::unix::fs::{MetadataExt, symlink};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::*;

#[derive(Clone, Copy, Debug, PartialEq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(64))]
struct Entry {
    key: [u64; 4],
    stamp: u32,
    rest: [u32; 7],
}

#[test]
fn anonymous_memory_is_zero_and_costs_what_is_touched() {
    // 1 TiB: far more than the machine has, possible only if nothing is reserved and nothing is written.
    let mut table = Storage::<Entry>::anonymous(1 << 34).unwrap();
    assert_eq!(table.len(), 1 << 34);
    assert_eq!(table.as_ptr() as usize % 64, 0);
    assert_eq!(table.origin(), Origin::Fresh);
    assert!(table.path().is_none());
    let last = table.len() - 1;
    assert_eq!(table[last].key, [0; 4]);
    table[last].stamp = 9;
    assert_eq!(table[last].stamp, 9);
}

#[test]
fn a_reopened_file_has_what_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flows");
    let mut table = Storage::<Entry>::file(&path, 1000).unwrap();
    assert_eq!(table.origin(), Origin::Fresh);
    assert_eq!(table.path(), Some(path.as_path()));
    assert!(table.iter().all(|entry| entry.stamp == 0));
    table[999] = Entry { key: [1, 2, 3, 4], stamp: 5, rest: [6; 7] };
    drop(table);

    let table = Storage::<Entry>::file(&path, 1000).unwrap();
    assert_eq!(table.origin(), Origin::Reopened);
    assert_eq!(table[999], Entry { key: [1, 2, 3, 4], stamp: 5, rest: [6; 7] });
    let metadata = std::fs::metadata(&path).unwrap();
    assert_eq!(metadata.mode() & 0o777, 0o600);
    assert_eq!(metadata.len(), 64_000);
}

#[test]
fn a_second_opener_is_refused_until_the_first_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flows");
    let first = Storage::<u64>::file(&path, 8).unwrap();
    assert!(matches!(Storage::<u64>::file(&path, 8), Err(StorageError::InUse { .. })));
    // Nor may it resize the file under the first.
    assert!(matches!(Storage::<u64>::file(&path, 4), Err(StorageError::InUse { .. })));
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 64);
    drop(first);
    Storage::<u64>::file(&path, 8).unwrap();
}

#[test]
fn a_truncated_or_extended_file_starts_over() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flows");
    for length in [63, 65, 4096] {
        let mut table = Storage::<u64>::file(&path, 8).unwrap();
        table.fill(u64::MAX);
        drop(table);
        OpenOptions::new().write(true).open(&path).unwrap().set_len(length).unwrap();
        let table = Storage::<u64>::file(&path, 8).unwrap();
        assert_eq!(table.origin(), Origin::Replaced(length));
        assert_eq!(table[..], [0; 8]);
    }
    OpenOptions::new().write(true).open(&path).unwrap().set_len(0).unwrap();
    assert_eq!(Storage::<u64>::file(&path, 8).unwrap().origin(), Origin::Fresh);
}

#[test]
fn another_table_size_starts_over() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flows");
    Storage::<u64>::file(&path, 8).unwrap().fill(7);
    let table = Storage::<u64>::file(&path, 9).unwrap();
    assert_eq!((table.origin(), &table[..]), (Origin::Replaced(64), &[0; 9][..]));
}

#[test]
fn links_directories_and_fifos_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let target = directory.path().join("target");
    std::fs::write(&target, b"precious").unwrap();
    let link = directory.path().join("link");
    symlink(&target, &link).unwrap();
    assert!(matches!(Storage::<u64>::file(&link, 8), Err(StorageError::File { action: "open", .. })));
    assert_eq!(std::fs::read(&target).unwrap(), b"precious");

    assert!(matches!(Storage::<u64>::file(directory.path(), 8), Err(StorageError::File { .. })));

    let fifo = directory.path().join("fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    assert!(matches!(Storage::<u64>::file(&fifo, 8), Err(StorageError::Foreign { .. })));
}

#[test]
fn a_table_the_file_system_cannot_hold_is_refused_when_it_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("flows");
    let refused = Storage::<[u64; 128]>::file(&path, 1 << 40);
    assert!(matches!(refused, Err(StorageError::NoSpace { .. })), "{refused:?}");
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
}

#[test]
fn impossible_lengths_are_errors() {
    assert!(matches!(Storage::<u64>::anonymous(0), Err(StorageError::Length { .. })));
    assert!(matches!(Storage::<u64>::anonymous(usize::MAX), Err(StorageError::Length { .. })));
    assert!(matches!(Storage::<u64>::anonymous(1 << 56), Err(StorageError::Map { .. })));
    assert!(matches!(Storage::<[u8; 0]>::anonymous(5), Err(StorageError::Length { .. })));
}

#[test]
fn storage_moves_between_threads() {
    fn assert_auto<T: Send + Sync>() {}
    assert_auto::<Storage<Entry>>();
}
