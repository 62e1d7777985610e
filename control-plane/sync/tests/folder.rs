//! The manifest folder: what is read, how changes and mistakes are taken.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::os::unix::fs::symlink;

use common::*;
use sluice_sync::Level;

fn names(world: &World) -> Vec<&str> {
    world.services.keys().map(String::as_str).collect()
}

fn called(name: &str) -> String {
    let last = name.bytes().fold(0_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte));
    web("ClusterIP", &[])
        .replace("name: web,", &format!("name: {name},"))
        .replace("0.20", &format!("1.{last}"))
}

#[test]
fn yaml_with_several_documents_json_and_lists() {
    let mut world = World::new();
    world.write("a.yaml", format!("# nothing\n---\n{}---\n{}...\n", called("a"), called("b")));
    let json = |name: &str| {
        format!(
            r#"{{"apiVersion":"v1","kind":"Service","metadata":{{"name":"{name}"}},"spec":{{"clusterIP":"10.96.3.{}","ports":[{{"port":80}}]}}}}"#,
            name.len()
        )
    };
    world.write("b.json", json("c"));
    world.write(
        "c.json",
        format!(r#"{{"apiVersion":"v1","kind":"List","items":[{},{}]}}"#, json("dd"), json("eee")),
    );
    let typed = format!(
        "apiVersion: v1\nkind: ServiceList\nitems:\n- {}\n",
        json("ffff").replace(r#""apiVersion":"v1","kind":"Service","#, "")
    );
    world.write("d.yml", typed);
    assert_eq!(world.problems(), [""; 0]);
    assert_eq!(
        names(&world),
        ["default/a", "default/b", "default/c", "default/dd", "default/eee", "default/ffff"]
    );
}

#[test]
fn other_kinds_are_noted_and_skipped() {
    let pod = "apiVersion: apps/v1\nkind: Deployment\nmetadata: { name: web, namespace: shop }\nspec: {}\n";
    let world = World::of(&all(&[pod.to_owned(), called("a")]));
    assert_eq!(names(&world), ["default/a"]);
    let problems = world.folder.problems();
    assert_eq!(problems.len(), 1);
    assert_eq!((problems[0].level, problems[0].line), (Level::Note, 1));
    assert!(problems[0].to_string().contains("Deployment shop/web"), "{}", problems[0]);
}

#[test]
fn a_broken_document_costs_no_other_and_its_object_keeps_its_last_good_version() {
    let mut world = World::of(&all(&[called("a"), called("b"), called("c")]));
    let broken = called("b").replace("spec:", "spec: [");
    world.write("a.yaml", all(&[called("a"), broken, called("c").replace("port: 80", "port: 81")]));
    assert_eq!(names(&world), ["default/a", "default/b", "default/c"]);
    assert_eq!(world.services["default/c"].ports[0].port, 81, "what can be read takes effect");
    let errors = world.errors();
    assert_eq!(errors.len(), 1, "{errors:?}");
    let line: u64 = errors[0].split([':', ' ']).nth(1).unwrap().parse().unwrap();
    assert!((8..=16).contains(&line), "{errors:?}");
    world.write("a.yaml", all(&[called("a"), called("c")]));
    assert_eq!(
        names(&world),
        ["default/a", "default/c"],
        "in a file without mistakes what is missing is gone"
    );
    assert_eq!(world.errors(), [""; 0]);
}

#[test]
fn a_wrong_field_keeps_the_objects_last_good_version_and_is_told_with_line_and_field() {
    let mut world = World::of(&called("a"));
    world.write("a.yaml", called("a").replace("port: 80,", "port: eighty,"));
    assert_eq!(world.errors(), ["a.yaml:7 Service default/a spec.ports[0].port"]);
    assert_eq!(world.services["default/a"].ports[0].port, 80);
}

#[test]
fn an_unknown_field_is_a_warning() {
    let world = World::of(&web("ClusterIP", &["exernalTrafficPolicy: Local"]));
    assert_eq!(names(&world), ["default/web"]);
    let problems = world.folder.problems();
    assert_eq!((problems[0].level, problems[0].line), (Level::Warning, 8), "{problems:?}");
    assert!(problems[0].to_string().contains("exernalTrafficPolicy"));
}

#[test]
fn of_an_object_in_two_files_the_first_file_counts_and_the_other_takes_over() {
    let mut world = World::of(&called("a"));
    world.write("b.yaml", called("a").replace("port: 80,", "port: 81,"));
    assert_eq!(world.services["default/a"].ports[0].port, 80);
    assert_eq!(world.errors(), ["b.yaml:1 Service default/a "]);
    assert!(world.problems()[0].contains("a.yaml:1"), "{:?}", world.problems());
    world.remove("a.yaml");
    assert_eq!(world.services["default/a"].ports[0].port, 81);
    assert_eq!(world.errors(), [""; 0]);
}

#[test]
fn an_object_twice_in_one_file_is_told() {
    let world = World::of(&all(&[called("a"), called("a")]));
    assert_eq!(world.errors(), ["a.yaml:9 Service default/a "]);
}

#[test]
fn files_come_change_are_renamed_over_and_go() {
    let mut world = World::of(&called("a"));
    std::fs::write(world.path("a.yaml"), called("b")).unwrap();
    world.look();
    assert_eq!(names(&world), ["default/b"]);
    world.write("a.yaml", called("c"));
    assert_eq!(names(&world), ["default/c"]);
    std::fs::rename(world.path("a.yaml"), world.path("z.yaml")).unwrap();
    world.look();
    assert_eq!((names(&world), world.told.len()), (vec!["default/c"], 0), "a renamed file changes nothing");
    world.remove("z.yaml");
    assert!(world.services.is_empty());
}

#[test]
fn what_is_hidden_or_no_manifest_is_passed_over() {
    let mut world = World::new();
    for file in
        [".a.yaml.swp", ".hidden.yaml", "a.yaml~", "a.yaml.bak", "#a.yaml#", "README.md", ".yaml", "a.txt"]
    {
        world.write(file, called("a"));
    }
    assert!(world.services.is_empty() && world.problems().is_empty(), "{:?}", world.problems());
}

#[test]
fn subfolders_and_config_map_mounts_are_read_and_loops_end() {
    let mut world = World::new();
    world.write("team/x/a.yaml", called("a"));
    symlink(world.dir.path(), world.path("team/loop")).unwrap();
    symlink("/nonexistent", world.path("dangling.yaml")).unwrap();
    world.look();
    assert_eq!((names(&world), world.problems().len()), (vec!["default/a"], 0));
    // As kubelet mounts a ConfigMap: files link into a folder that one rename swaps.
    for (version, name) in [("..1", "b"), ("..2", "c")] {
        std::fs::create_dir(world.path(version)).unwrap();
        std::fs::write(world.path(version).join("web.yaml"), called(name)).unwrap();
    }
    symlink("..1", world.path("..data")).unwrap();
    symlink("..data/web.yaml", world.path("web.yaml")).unwrap();
    world.look();
    assert_eq!(names(&world), ["default/a", "default/b"]);
    symlink("..2", world.path("..tmp")).unwrap();
    std::fs::rename(world.path("..tmp"), world.path("..data")).unwrap();
    world.look();
    assert_eq!(names(&world), ["default/a", "default/c"]);
}

#[test]
fn a_folder_that_goes_takes_no_service_with_it_and_is_told() {
    let mut world = World::of(&called("a"));
    let elsewhere = tempfile::tempdir().unwrap();
    let away = elsewhere.path().join("away");
    std::fs::rename(world.dir.path(), &away).unwrap();
    world.look();
    assert_eq!(names(&world), ["default/a"]);
    assert!(
        world.folder.is_missing() && world.problems()[0].contains("cannot be read"),
        "{:?}",
        world.problems()
    );
    std::fs::rename(&away, world.dir.path()).unwrap();
    world.look();
    assert_eq!((world.told.len(), world.problems().len()), (0, 0));
}

#[test]
fn what_is_no_text_or_no_file_or_too_large_is_told_and_waited_for_by_nobody() {
    let mut world = World::of(&called("a"));
    world.write("b.yaml", [0xFF, 0xFE, 0x00, 0x80]);
    std::fs::File::create(world.path("c.yaml")).unwrap().set_len(200 << 20).unwrap();
    let fifo = std::process::Command::new("mkfifo").arg(world.path("d.yaml")).status().unwrap();
    assert!(fifo.success());
    world.look();
    assert_eq!(names(&world), ["default/a"]);
    let problems = world.problems();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].starts_with("b.yaml") && problems[1].starts_with("c.yaml"), "{problems:?}");
}

#[test]
fn bombs_deep_nesting_and_nonsense_are_errors_of_their_file_alone() {
    let mut world = World::of(&called("a"));
    let mut bomb = String::from("a: &a [x, x, x, x, x, x, x, x, x, x]\n");
    for pair in ["ab", "bc", "cd", "de", "ef", "fg", "gh", "hi"] {
        let (from, to) = pair.split_at(1);
        bomb += &format!("{to}: &{to} [{}]\n", vec![format!("*{from}"); 10].join(", "));
    }
    let nonsense = [
        bomb,
        "[".repeat(100_000),
        "{".repeat(100_000),
        "- ".repeat(50_000) + "x",
        "a: b: c: d".to_owned(),
        "just text".to_owned(),
        "kind: Service".to_owned(),
        "apiVersion: v1\nkind: Service\nmetadata: { name: ../../etc }\n".to_owned(),
        "apiVersion: v1\nkind: Service\nmetadata: 7\nspec: []\n".to_owned(),
        "apiVersion: v1\nkind: List\nitems: { a: b }\n".to_owned(),
        "\u{0}\u{1}\u{2}".to_owned(),
    ];
    for (n, text) in nonsense.iter().enumerate() {
        for ending in ["yaml", "json"] {
            let file = format!("x{n}.{ending}");
            world.write(&file, text);
            let told = world.folder.problems();
            assert!(told.iter().any(|p| p.file == file && p.level == Level::Error), "{file}: {told:?}");
            assert_eq!(names(&world), ["default/a"]);
        }
    }
}

#[test]
fn of_very_many_mistakes_in_a_file_the_first_are_told() {
    let text = (0..1000)
        .map(|n| format!("apiVersion: v1\nkind: Service\nmetadata: {{ name: n{n} }}\nspec: {{ type: X }}\n"));
    let world = World::of(&all(&text.collect::<Vec<_>>()));
    let problems = world.problems();
    assert!((200..=201).contains(&problems.len()), "{}", problems.len());
    assert!(problems.iter().any(|p| p.contains("more is wrong")));
}

#[test]
fn carriage_returns_and_a_byte_order_mark_do_no_harm() {
    let text = format!("\u{feff}{}", all(&[called("a"), called("b").replace("port: 80,", "port: 0,")]));
    let world = World::of(&text.replace('\n', "\r\n"));
    assert_eq!(names(&world), ["default/a"]);
    assert_eq!(world.errors(), ["a.yaml:15 Service default/b spec.ports[0].port"]);
}

#[test]
fn anchors_within_a_document_are_followed_and_do_not_reach_into_the_next() {
    let anchored = "apiVersion: v1\nkind: Service\nmetadata: { name: &n a, labels: { app: *n } }\nspec: { clusterIP: 10.96.0.1, ports: [{ name: *n, port: 80 }] }\n";
    let mut world = World::of(anchored);
    assert_eq!(&*world.service("default/a").ports[0].name, "a");
    world.write(
        "b.yaml",
        all(&[anchored.replace("name: &n a", "name: &n b"), called("c").replace("name: c", "name: *n")]),
    );
    assert_eq!(names(&world), ["default/a", "default/b"]);
    assert_eq!(world.errors().len(), 1, "{:?}", world.problems());
}

#[test]
fn a_key_twice_in_a_mapping_is_an_error_in_yaml_and_in_json_the_last_counts() {
    let mut world = World::of(&(called("a") + "spec: { ports: [] }\n"));
    assert_eq!(world.errors(), ["a.yaml:8  "]);
    assert!(world.services.is_empty());
    // As every JSON parser of Kubernetes has it.
    world.write(
        "b.json",
        r#"{"apiVersion":"v1","kind":"Service","metadata":{"name":"b"},"spec":{"ports":[{"port":80,"port":81}]}}"#,
    );
    assert_eq!(world.services["default/b"].ports[0].port, 81);
}

#[test]
fn an_empty_list_may_be_written_as_null() {
    // What a Go program writes for a list that it has never added to.
    let mut world = World::of("apiVersion: v1\nkind: ServiceList\nitems: null\n");
    assert_eq!(world.problems(), [""; 0]);
    world.write("a.json", r#"{"apiVersion":"v1","kind":"List","items":[]}"#);
    assert_eq!(world.problems(), [""; 0]);
}

#[test]
fn lines_of_list_items_are_told() {
    let item = |name: &str, port: u32| {
        format!(
            "- apiVersion: v1\n  kind: Service\n  metadata:\n    name: {name}\n  spec:\n    ports:\n    - port: {port}\n"
        )
    };
    let text = format!("apiVersion: v1\nkind: List\nitems:\n{}{}", item("a", 80), item("b", 0));
    let world = World::of(&format!("# a comment\n---\n{text}"));
    assert_eq!(names(&world), ["default/a"]);
    assert_eq!(world.errors(), ["a.yaml:19 Service default/b spec.ports[0].port"]);
}

#[test]
fn a_namespace_or_name_of_the_wrong_type_takes_nothing_away() {
    let shop = called("a").replace("namespace: default", "namespace: shop");
    for wrong in [shop.replace("namespace: shop", "namespace: 7"), shop.replace("name: a,", "name: [a],")] {
        let mut world = World::of(&shop);
        world.write("a.yaml", wrong);
        assert_eq!(
            names(&world),
            ["default/a".replace("default", "shop").as_str()],
            "{:?}",
            world.problems()
        );
        assert_eq!(world.errors().len(), 1, "{:?}", world.problems());
    }
}

#[test]
fn an_object_that_is_wrong_in_the_first_of_two_files_is_served_from_the_other() {
    let mut world = World::of(&called("a").replace("port: 80,", "port: 0,"));
    world.write("b.yaml", called("a").replace("port: 80,", "port: 81,"));
    assert_eq!(world.services["default/a"].ports[0].port, 81);
    world.write("a.yaml", called("a"));
    assert_eq!(world.services["default/a"].ports[0].port, 80, "mended, the first file counts again");
}

#[test]
fn an_object_that_moves_to_another_file_is_not_told_as_changed() {
    let mut world = World::of(&all(&[called("a"), called("b")]));
    std::fs::write(world.path("a.yaml"), called("a")).unwrap();
    std::fs::write(world.path("b.yaml"), called("b")).unwrap();
    world.look();
    assert_eq!((names(&world), &world.told[..]), (vec!["default/a", "default/b"], &[][..]));
}

#[test]
fn an_emptied_file_takes_its_objects_with_it() {
    for text in ["", "# nothing\n", "---\n"] {
        let mut world = World::of(&called("a"));
        world.write("a.yaml", text);
        assert!(world.services.is_empty() && world.problems().is_empty(), "{text:?}");
    }
}

#[test]
fn what_can_no_longer_be_looked_at_keeps_its_objects_and_is_told() {
    let mut world = World::of(&called("a"));
    world.write("team/b.yaml", called("b"));
    // A symlink to itself can be looked at by nobody, whatever their rights.
    for (file, text) in [("a.yaml", called("a")), ("team", String::new())] {
        let path = world.path(file);
        std::fs::rename(&path, world.path("away")).unwrap();
        symlink(&path, &path).unwrap();
        world.look();
        assert_eq!((names(&world), world.told.len()), (vec!["default/a", "default/b"], 0), "{file}");
        let errors = world.errors();
        assert_eq!(errors.iter().filter(|e| e.starts_with(&format!("{file}:"))).count(), 1, "{errors:?}");
        std::fs::remove_file(&path).unwrap();
        std::fs::rename(world.path("away"), &path).unwrap();
        world.look();
        assert_eq!((world.errors().len(), world.told.len()), (0, 0), "{text}");
    }
    std::fs::remove_dir_all(world.path("team")).unwrap();
    world.look();
    assert_eq!(names(&world), ["default/a"], "a subfolder that goes takes its objects with it");
}

#[test]
fn a_file_that_becomes_unreadable_keeps_its_objects_and_is_told() {
    let mut world = World::of(&called("a"));
    world.write("a.yaml", [0xFF, 0xFE, 0x00, 0x80]);
    assert_eq!((names(&world), world.errors()), (vec!["default/a"], vec!["a.yaml:0  ".to_owned()]));
    std::fs::File::create(world.path("a.yaml")).unwrap().set_len(200 << 20).unwrap();
    world.look();
    assert_eq!((names(&world), world.errors()), (vec!["default/a"], vec!["a.yaml:0  ".to_owned()]));
    world.write("a.yaml", called("b"));
    assert_eq!((names(&world), world.errors().len()), (vec!["default/b"], 0));
}

#[test]
fn a_name_that_is_no_text_is_told_and_not_read() {
    use std::os::unix::ffi::OsStrExt;
    let mut world = World::of(&called("a"));
    std::fs::write(world.dir.path().join(std::ffi::OsStr::from_bytes(b"\xFF.yaml")), called("b")).unwrap();
    std::fs::write(world.dir.path().join(std::ffi::OsStr::from_bytes(b"\xFF.txt")), called("c")).unwrap();
    world.look();
    assert_eq!(names(&world), ["default/a"]);
    assert_eq!(world.errors().len(), 1, "{:?}", world.problems());
}

#[test]
fn more_files_than_are_read_take_nothing_away() {
    let mut world = World::new();
    for n in 0..19_999 {
        std::fs::write(world.path(&format!("m{n:05}.yaml")), "").unwrap();
    }
    world.write("z.yaml", called("z"));
    assert_eq!((names(&world), world.problems().len()), (vec!["default/z"], 0));
    for file in ["a.yaml", "b.yaml", "c/c.yaml"] {
        world.write(file, called(&file[..1]));
    }
    assert!(names(&world).contains(&"default/z"), "{:?}", world.problems());
    let told = world.errors();
    assert_eq!(told.len(), 1, "{told:?}");
    world.remove("z.yaml");
    assert!(!names(&world).contains(&"default/z"), "what is not there is gone all the same");
}
