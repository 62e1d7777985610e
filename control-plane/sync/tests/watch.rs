//! Waiting for changes of a folder: whoever changes it in whatever way wakes us, and half a file is never taken for one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::*;
use sluice_sync::folder::{Wake, Watch};

/// Looks without events come ten seconds apart: what wakes earlier was an event.
const SOON: Duration = Duration::from_secs(5);

fn watch(world: &World) -> Watch {
    let mut watch = Watch::new(world.dir.path());
    watch.follow(world.folder.folders());
    watch
}

/// Whether something wakes the watch within this time.
fn wakes(watch: &mut Watch, within: Duration) -> bool {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let until = Instant::now() + within;
            while Instant::now() < until && !stop.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(10));
            }
            stop.store(true, Ordering::Relaxed);
        });
        let wake = watch.wait(false, &stop);
        stop.store(true, Ordering::Relaxed);
        wake == Wake::Look
    })
}

#[test]
fn every_way_of_changing_a_file_wakes() {
    let mut world = World::of(&web("ClusterIP", &[]));
    fs::create_dir(world.path("team")).unwrap();
    for version in ["..1", "..2"] {
        fs::create_dir(world.path(version)).unwrap();
    }
    symlink("..1", world.path("..data")).unwrap();
    world.look();
    let mut watch = watch(&world);
    let at = |file: &str| world.path(file);
    let ways: [(&str, &dyn Fn()); 8] = [
        ("made", &|| fs::write(at("b.yaml"), "x: 1").unwrap()),
        ("written in place", &|| fs::write(at("b.yaml"), "x: 2").unwrap()),
        ("appended to", &|| {
            fs::OpenOptions::new().append(true).open(at("b.yaml")).unwrap().write_all(b"\n").unwrap();
        }),
        ("renamed over", &|| {
            fs::write(at(".c"), "x: 3").unwrap();
            fs::rename(at(".c"), at("b.yaml")).unwrap();
        }),
        ("renamed", &|| fs::rename(at("b.yaml"), at("c.yaml")).unwrap()),
        ("in a subfolder", &|| fs::write(at("team/d.json"), "{}").unwrap()),
        ("deleted", &|| fs::remove_file(at("c.yaml")).unwrap()),
        ("swapped as a ConfigMap", &|| {
            symlink("..2", at("..tmp")).unwrap();
            fs::rename(at("..tmp"), at("..data")).unwrap();
        }),
    ];
    for (way, change) in ways {
        change();
        assert!(wakes(&mut watch, SOON), "{way}");
    }
}

#[test]
fn a_new_subfolder_wakes_and_is_watched_from_then_on() {
    let mut world = World::of(&web("ClusterIP", &[]));
    let mut watch = watch(&world);
    fs::create_dir(world.path("team")).unwrap();
    assert!(wakes(&mut watch, SOON));
    world.look();
    assert!(watch.follow(world.folder.folders()), "it was not watched before");
    assert!(!watch.follow(world.folder.folders()), "now it is");
    fs::write(world.path("team/b.yaml"), "x: 1").unwrap();
    assert!(wakes(&mut watch, SOON));
}

#[test]
fn a_folder_that_goes_and_comes_back_wakes() {
    let mut world = World::of(&web("ClusterIP", &[]));
    let mut watch = watch(&world);
    let away = tempfile::tempdir().unwrap();
    fs::rename(world.dir.path(), away.path().join("away")).unwrap();
    assert!(wakes(&mut watch, SOON));
    world.look();
    watch.follow(world.folder.folders());
    fs::rename(away.path().join("away"), world.dir.path()).unwrap();
    assert!(wakes(&mut watch, SOON));
}

#[test]
fn what_is_no_manifest_wakes_nobody_and_a_stop_does_at_once() {
    let world = World::of(&web("ClusterIP", &[]));
    let mut watch = watch(&world);
    for file in [".a.yaml.swp", "a.yaml~", "#a.yaml#", "notes.txt"] {
        fs::write(world.path(file), "x: 1").unwrap();
    }
    let start = Instant::now();
    assert!(!wakes(&mut watch, Duration::from_millis(700)));
    assert!(start.elapsed() < SOON, "a stop is noticed");
}

#[test]
fn a_file_that_is_being_written_is_left_alone_until_it_is_closed() {
    let mut world = World::of(&web("ClusterIP", &[]));
    let mut watch = watch(&world);
    let mut file = fs::OpenOptions::new().write(true).truncate(true).open(world.path("a.yaml")).unwrap();
    file.write_all(b"apiVersion: v1\n").unwrap();
    assert!(wakes(&mut watch, SOON));
    look(&mut world, &mut watch);
    assert_eq!(world.services.len(), 1);
    file.write_all(web("NodePort", &[]).strip_prefix("apiVersion: v1\n").unwrap().as_bytes()).unwrap();
    drop(file);
    assert!(wakes(&mut watch, SOON));
    look(&mut world, &mut watch);
    assert_eq!(world.service("default/web").ports[0].node_port, Some(30080));
}

#[test]
fn a_file_whose_writer_does_not_close_it_is_read_when_it_was_left_alone_for_a_second() {
    let mut world = World::of(&web("ClusterIP", &[]));
    let mut watch = watch(&world);
    let mut file = fs::OpenOptions::new().write(true).truncate(true).open(world.path("a.yaml")).unwrap();
    file.write_all(web("NodePort", &[]).as_bytes()).unwrap();
    let start = Instant::now();
    while world.service("default/web").ports[0].node_port.is_none() {
        assert!(wakes(&mut watch, SOON), "it is looked at again");
        look(&mut world, &mut watch);
    }
    assert!(start.elapsed() >= Duration::from_millis(900), "{:?}", start.elapsed());
}

#[test]
fn a_file_that_is_truncated_while_another_is_looked_at_is_not_taken_for_empty() {
    let mut world = World::of(&web("ClusterIP", &[]));
    let mut watch = watch(&world);
    fs::write(world.path("b.yaml"), "# another\n").unwrap();
    assert!(wakes(&mut watch, SOON));
    // Between the wake and the look; the kernel has told, and nobody has read it yet.
    let mut file = fs::OpenOptions::new().write(true).truncate(true).open(world.path("a.yaml")).unwrap();
    look(&mut world, &mut watch);
    assert_eq!(world.services.len(), 1, "its Service stays");
    file.write_all(web("NodePort", &[]).as_bytes()).unwrap();
    drop(file);
    assert!(wakes(&mut watch, SOON), "what was heard while looking wakes too");
    look(&mut world, &mut watch);
    assert_eq!(world.service("default/web").ports[0].node_port, Some(30080));
}

/// What becomes of a file that is asked about once before it is read and once after.
fn looked_at_while(world: &mut World, mut after: impl FnMut(&Path) -> bool) {
    let mut asked = 0;
    world.look_unless(|path| {
        asked += 1;
        asked > 1 && after(path)
    });
    assert_eq!(asked, 2, "before it is read, and after");
}

#[test]
fn a_file_of_which_it_is_heard_only_after_it_was_read_that_it_was_truncated_is_not_taken_for_empty() {
    let mut world = World::of(&web("ClusterIP", &[]));
    // The kernel makes a file short first and tells of it then: the scan may come in between, and finds nothing to differ
    // from it after.
    fs::write(world.path("a.yaml"), "").unwrap();
    looked_at_while(&mut world, |_| true);
    assert_eq!(world.services.len(), 1, "its Service stays");
    world.look();
    assert_eq!(world.services.len(), 0, "nobody writes it, and it is empty");
}

#[test]
fn a_file_whose_writer_has_finished_since_it_was_looked_at_is_read_once_more() {
    let mut world = World::of(&web("ClusterIP", &[]));
    fs::write(world.path("a.yaml"), "").unwrap();
    looked_at_while(&mut world, |path| {
        fs::write(path, web("NodePort", &[])).unwrap();
        false
    });
    assert_eq!(world.services.len(), 1, "its Service stays");
    world.look();
    assert_eq!(world.service("default/web").ports[0].node_port, Some(30080));
}

/// Looks as the control process does.
fn look(world: &mut World, watch: &mut Watch) {
    world.look_unless(|path: &Path| watch.is_in_flux(path));
}
