//! The state on disk: whole or not at all.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::time::Duration;

use common::*;
use proptest::prelude::*;
use sluice_sync::object::{NodeObject, Object};
use sluice_sync::state::{LoadError, Saved, StateFile};

fn world() -> World {
    let second = web("NodePort", &[]).replace("name: web,", "name: other,").replace(".20", ".21");
    World::of(&all(&[web("ClusterIP", &[]), second, slice("web-1", &["10.244.1.5", "10.244.1.6"])]))
}

fn bytes() -> Vec<u8> {
    let node = Arc::new(NodeObject { name: "edge-1".into(), zone: Some("z1".into()) });
    let mut world = world();
    world.desired.apply(Object::Node(node));
    StateFile::encode(&world.desired.shared()).unwrap()
}

#[test]
fn what_was_saved_is_loaded_and_a_new_state_replaces_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = StateFile::new(folder.path());
    assert_eq!(file.load().unwrap(), None);
    for _ in 0..2 {
        file.save(&bytes()).unwrap();
        let mut saved = file.load().unwrap().unwrap();
        saved.services.sort_by_key(|service| service.name.clone());
        let expected: Vec<_> = world().services.into_values().collect();
        assert_eq!(saved.services, expected);
        assert_eq!(saved.node.unwrap().zone.as_deref(), Some("z1"));
    }
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["state-v1"]);
}

#[test]
fn a_states_age_counts_from_when_it_was_confirmed() {
    let folder = tempfile::tempdir().unwrap();
    let file = StateFile::new(folder.path());
    assert_eq!(file.as_of(), None);
    assert!(file.confirm().is_err());
    file.save(&bytes()).unwrap();
    let (hour, saved) = (Duration::from_secs(3600), file.as_of().unwrap());
    std::fs::File::open(file.path()).unwrap().set_modified(saved - hour).unwrap();
    assert_eq!(file.as_of(), Some(saved - hour));
    file.confirm().unwrap();
    assert!(file.as_of().unwrap() >= saved);
    assert!(file.load().unwrap().is_some());
}

#[test]
fn a_state_that_is_restored_is_swept_when_all_is_known() {
    let old = world();
    let mut new = World::new();
    let mut told = Vec::new();
    let saved = Saved { services: old.services.values().cloned().collect(), ..Saved::default() };
    new.desired.restore(saved, |changes| told = changes.to_vec());
    assert_eq!(told.len(), 3);
    for change in told {
        if let sluice_model::Change::Service(service) = change {
            new.services.insert(service.name.to_string(), service);
        }
    }
    new.write("a.yaml", all(&[web("ClusterIP", &[]), slice("web-1", &["10.244.1.5", "10.244.1.6"])]));
    assert_eq!(
        (new.told.len(), new.services.len()),
        (0, 2),
        "what is the same is not told again: {:?}",
        new.told
    );
    new.desired.sweep();
    new.look();
    assert_eq!((new.told.len(), new.services.len()), (1, 1), "what is no more goes");
}

#[test]
fn a_full_disk_keeps_the_former_state() {
    let folder = tempfile::tempdir().unwrap();
    let file = StateFile::new(&folder.path().join("away"));
    assert!(file.save(&bytes()).is_err());
    let file = StateFile::new(folder.path());
    file.save(&bytes()).unwrap();
    // A device that is always full.
    symlink("/dev/full", folder.path().join("state-v1.next")).unwrap();
    file.save(&bytes()).unwrap();
    assert!(
        file.load().unwrap().is_some(),
        "what lay in the way was no file of ours and is not written through"
    );
}

#[test]
fn a_link_or_a_fifo_in_its_place_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = StateFile::new(folder.path());
    let elsewhere = StateFile::new(&folder.path().join(".."));
    let target = folder.path().join("target");
    std::fs::write(&target, bytes()).unwrap();
    symlink(&target, file.path()).unwrap();
    assert!(matches!(file.load(), Err(LoadError::Io { .. })));
    std::fs::remove_file(file.path()).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(file.path()).status().unwrap().success());
    assert!(matches!(file.load(), Err(LoadError::Damaged { .. })));
    drop(elsewhere);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_damaged_file_is_refused_by_name(at in any::<prop::sample::Index>(), bit in 0_u8..8, cut in any::<Option<prop::sample::Index>>()) {
        let folder = tempfile::tempdir().unwrap();
        let file = StateFile::new(folder.path());
        let mut damaged = bytes();
        match cut {
            Some(cut) => damaged.truncate(cut.index(damaged.len())),
            None => {
                let at = at.index(damaged.len());
                damaged[at] ^= 1 << bit;
            }
        }
        std::fs::write(file.path(), damaged).unwrap();
        let error = file.load().unwrap_err().to_string();
        prop_assert!(error.contains("state-v1") && error.contains("not used"), "{error}");
    }
}
