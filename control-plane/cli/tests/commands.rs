//! Commands that need no gateway, by the binary: output and exit codes.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test fails by them"
)]

mod common;

use common::*;

#[test]
fn bad_usage_is_64_and_help_is_0() {
    for arguments in [&["show"][..], &["start"], &["run"], &["explain", "x"], &["version", "-o", "xml"]] {
        let output = sluice(arguments);
        assert_eq!(code(&output), 64, "{arguments:?}");
        assert_eq!(out(&output), "", "{arguments:?}");
        assert!(err(&output).contains("--help"), "{arguments:?}: {}", err(&output));
    }
    for arguments in [&["--help"][..], &["help", "show"], &["show", "flows", "--help"], &["--version"]] {
        let output = sluice(arguments);
        assert_eq!((code(&output), err(&output).as_str()), (0, ""), "{arguments:?}");
    }
    let families = sluice(&["explain", "192.0.2.1", "2001:db8::1", "tcp", "80"]);
    assert_eq!(code(&families), 64);
}

#[test]
fn without_a_gateway_it_says_which_socket_and_how_to_start() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().to_str().unwrap();
    for arguments in [
        &["show", "services"][..],
        &["explain", "192.0.2.1", "192.0.2.2", "tcp", "80"],
        &["trace"],
        &["show", "status"],
    ] {
        let output = sluice(&[arguments, &["--runtime-dir", dir]].concat());
        assert_eq!(code(&output), 69, "{arguments:?}");
        let text = err(&output);
        assert!(text.contains(&format!("{dir}/dataplane.sock")) && text.contains("sluice run -c"), "{text}");
    }
}

#[test]
fn a_wrong_configuration_is_64_with_file_line_and_key_for_every_role() {
    let site = Site::new();
    site.write(&Site::text().replace("lcores: [0]", "lcores: [0]\n  lcoers: [1]"));
    for role in ["run", "dataplane", "control"] {
        let output = site.ask(&[role]);
        assert_eq!(code(&output), 64, "{role}: {}", err(&output));
        let text = err(&output);
        assert!(
            text.contains("sluice.yaml:5:") && text.contains("lcoers") && text.contains("lcores"),
            "{role}: {text}"
        );
    }
    assert!(!site.run_dir().exists(), "nothing was opened");
    site.write(&Site::text().replace("memory: 64MiB", "memory: 32MiB\n  eal_arguments: [--nonsense]"));
    let output = site.ask(&["run"]);
    assert_eq!(code(&output), 64, "{}", err(&output));
    assert!(err(&output).contains("eal_arguments"), "{}", err(&output));
}

#[test]
fn a_configuration_that_cannot_be_read_is_66() {
    for command in [&["run", "-c"][..], &["check"], &["show", "services", "-c"], &["doctor", "-c"]] {
        let output = sluice(&[command, &["/nowhere/sluice.yaml"]].concat());
        assert_eq!(code(&output), 66, "{command:?}: {}", err(&output));
        assert!(err(&output).contains("/nowhere/sluice.yaml"));
    }
}

#[test]
fn check_is_0_for_what_is_right() {
    let site = Site::new();
    let config = site.config();
    let output = sluice(&["check", config.to_str().unwrap()]);
    assert_eq!(code(&output), 0, "{}{}", out(&output), err(&output));
    assert!(out(&output).contains("ok, 1 Service\n"), "{}", out(&output));
}

#[test]
fn check_lists_everything_that_is_wrong_with_the_configuration() {
    let site = Site::new();
    site.write(
        &Site::text().replace("memory: 64MiB", "memory: lots").replace("192.0.2.1/24", "192.0.2.300/24"),
    );
    let config = site.config();
    let output = sluice(&["check", config.to_str().unwrap(), "-o", "json"]);
    assert_eq!(code(&output), 64);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["ok"], false);
    let problems = report["problems"].as_array().unwrap();
    let keys: Vec<_> =
        problems.iter().map(|p| (p["key"].as_str().unwrap(), p["line"].as_u64().unwrap())).collect();
    assert_eq!(keys, [("dataplane.memory", 5), ("dataplane.ports[0].addresses[0]", 10)]);
    let text = out(&sluice(&["check", config.to_str().unwrap()]));
    assert!(text.contains("sluice.yaml:5:") && text.contains("2 errors"), "{text}");
}

#[test]
fn check_is_65_for_manifests_and_names_file_line_object_and_field() {
    let site = Site::new();
    let bad = WEB.replace("port: 80,", "port: 80000,");
    std::fs::write(site.folder.path().join("manifests/bad.yaml"), bad.replace("name: web", "name: bad"))
        .unwrap();
    let config = site.config();
    let output = sluice(&["check", config.to_str().unwrap(), "-o", "json"]);
    assert_eq!(code(&output), 65, "{}{}", out(&output), err(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let problem = &report["problems"][0];
    assert!(problem["file"].as_str().unwrap().ends_with("manifests/bad.yaml"), "{problem}");
    assert!(problem["line"].as_u64().is_some(), "{problem}");
    assert_eq!(report["services"], 1, "the good one is left");
}

#[test]
fn the_environment_names_the_configuration_too() {
    let output = std::process::Command::new(SLUICE)
        .arg("check")
        .env("SLUICE_CONFIG", "/nowhere/x.yaml")
        .output()
        .unwrap();
    assert_eq!(code(&output), 66);
    assert!(err(&output).contains("/nowhere/x.yaml"));
}

#[test]
fn doctor_looks_at_this_machine_in_every_format() {
    let table = sluice(&["doctor"]);
    assert!([0, 69].contains(&code(&table)), "{}", err(&table));
    assert!(out(&table).starts_with("STATUS"), "{}", out(&table));
    let json = sluice(&["doctor", "-o", "json"]);
    let findings: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    let findings = findings.as_array().unwrap();
    let missing = findings.iter().any(|finding| finding["status"] == "missing");
    assert_eq!(code(&json), if missing { 69 } else { 0 });
    for check in
        ["DPDK", "huge pages", "memory", "/dev/net/tun", "IOMMU", "open files", "capabilities", "rp_filter"]
    {
        assert!(findings.iter().any(|finding| finding["check"] == check), "{check}");
    }
    for finding in findings {
        assert_eq!(finding["mend"].is_null(), finding["status"] == "ok", "{finding}");
    }
    let yaml = out(&sluice(&["doctor", "-o", "yaml"]));
    assert!(yaml.contains("check: huge pages"), "{yaml}");
}

#[test]
fn doctor_misses_what_the_configuration_needs() {
    let site = Site::new();
    site.write(&Site::text().replace("lcores: [0]", "lcores: [127]"));
    let output = site.ask(&["doctor"]);
    assert_eq!(code(&output), 69, "{}", err(&output));
    assert!(out(&output).contains("CPU 127 is not online"), "{}", out(&output));
}

#[test]
fn version_names_everything_that_has_one() {
    let folder = tempfile::tempdir().unwrap();
    let output = sluice(&["version", "-o", "json", "--runtime-dir", folder.path().to_str().unwrap()]);
    assert_eq!(code(&output), 0);
    let version: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(version["sluice"], env!("CARGO_PKG_VERSION"));
    assert!(version["dpdk"].as_str().unwrap().starts_with("DPDK "));
    assert!(version["feed_protocol"].as_u64().unwrap() >= 1);
    assert!(version["running"].is_null());
}

#[test]
fn completions_and_manual_pages_are_made() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("deep/folder");
    let path = dir.to_str().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let printed = sluice(&["completions", shell]);
        assert_eq!(code(&printed), 0);
        assert!(out(&printed).contains("neighbours"), "{shell}");
        assert_eq!(code(&sluice(&["completions", shell, path])), 0);
    }
    assert_eq!(code(&sluice(&["man", path])), 0);
    let names: Vec<String> =
        std::fs::read_dir(&dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    for name in [
        "sluice.bash",
        "_sluice",
        "sluice.fish",
        "sluice.1",
        "sluice-show.1",
        "sluice-show-flows.1",
        "sluice-trace.1",
    ] {
        assert!(names.iter().any(|n| n == name), "{name}: {names:?}");
    }
    let page = std::fs::read_to_string(dir.join("sluice-explain.1")).unwrap();
    assert!(page.contains("Examples") && page.contains("sport"), "{page}");
    assert!(out(&sluice(&["man"])).contains(".TH sluice 1"));
    assert_eq!(code(&sluice(&["man", "/proc/nowhere"])), 73);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    use std::process::{Command, Stdio};
    let mut child =
        Command::new(SLUICE).arg("man").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((code(&output), err(&output).as_str()), (0, ""));
}

#[test]
fn a_corefile_is_checked_and_printed_in_one_spelling() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("Corefile");
    let path = file.to_str().unwrap();
    std::fs::write(folder.path().join("more.conf"), "log\n").unwrap();
    std::fs::write(&file, ". {\n  proxy . /etc/resolv.conf\n  cache 30\n  errors\n  import *.conf\n}\n")
        .unwrap();
    let output = sluice(&["dns", "import", path]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert_eq!(
        out(&output),
        ".:53 {\n    errors\n    log\n    cache 30\n    forward . /etc/resolv.conf\n}\n",
        "in the order in which queries pass them"
    );
    assert_eq!(
        err(&output),
        format!("{path}:2: warning: `proxy` is gone from CoreDNS; it is read as `forward`\n")
    );
    // What is printed is right, and is printed as it is.
    let printed = folder.path().join("printed");
    std::fs::write(&printed, out(&output)).unwrap();
    let again = sluice(&["dns", "import", printed.to_str().unwrap()]);
    assert_eq!((code(&again), out(&again), err(&again)), (0, out(&output), String::new()));
}

#[test]
fn a_wrong_corefile_is_64_with_file_and_line_of_all_that_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("Corefile");
    let path = file.to_str().unwrap();
    std::fs::write(&file, ". {\n  fowrard . 1.1.1.1\n  cache 0\n  etcd a\n}\n").unwrap();
    let output = sluice(&["dns", "import", path]);
    assert_eq!((code(&output), out(&output).as_str()), (64, ""));
    let told = err(&output);
    for (line, expected) in
        [(2, "did you mean `forward`?"), (3, "`0` is no number"), (4, "`etcd` is not supported")]
    {
        let line = format!("{path}:{line}: ");
        assert!(
            told.lines().any(|told| told.starts_with(&line) && told.contains(expected)),
            "{expected}: {told}"
        );
    }
    let json = sluice(&["dns", "import", path, "-o", "json"]);
    assert_eq!((code(&json), err(&json).as_str()), (64, ""));
    let report: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&report["ok"], &report["corefile"]), (&false.into(), &serde_json::Value::Null));
    assert_eq!(report["problems"].as_array().unwrap().len(), 3);
    let none = folder.path().join("none");
    assert_eq!(code(&sluice(&["dns", "import", none.to_str().unwrap()])), 66);
}

#[test]
fn config_maps_and_placeholders_are_imported() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let map = write(
        "map.yaml",
        "kind: ConfigMap\nmetadata:\n  name: coredns\ndata:\n  Corefile: |\n    . {\n      import custom/*.override\n    }\n",
    );
    let custom = write("custom.yaml", "kind: ConfigMap\ndata:\n  a.override: log\n");
    let output = sluice(&["dns", "import", &map, "--custom", &custom]);
    assert_eq!((code(&output), out(&output).as_str()), (0, ".:53 {\n    log\n}\n"), "{}", err(&output));
    let kube_dns = write(
        "kube-dns.json",
        r#"{"kind": "ConfigMap", "metadata": {"name": "kube-dns"}, "data": {"stubDomains": "{\"a.b\": [\"192.0.2.1\"]}"}}"#,
    );
    let output = sluice(&["dns", "import", &kube_dns]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert!(
        out(&output).contains("a.b:53 {\n    errors\n    cache 30\n    loop\n    forward . 192.0.2.1\n}\n")
    );
    let local = write("Corefile", ". {\n bind __PILLAR__LOCAL__DNS__\n}\n");
    assert_eq!(code(&sluice(&["dns", "import", &local])), 64);
    let output = sluice(&["dns", "import", &local, "--pillar", "LOCAL__DNS=169.254.20.10"]);
    assert_eq!((code(&output), out(&output).as_str()), (0, ".:53 {\n    bind 169.254.20.10\n}\n"));
    assert_eq!(code(&sluice(&["dns", "import", &local, "--custom", &custom])), 64);
}

#[test]
fn domains_of_hosts_are_imported_as_yaml() {
    let site = Site::new();
    let corefile = site.config().with_file_name("Corefile");
    let text = ". {\n kubernetes cluster.local {\n  zonal\n }\n k8s_gateway example.org {\n  resources Service Ingress\n  apex ns1\n  \
                secondary ns2\n  ingressClasses nginx\n  serviceLabelSelectors dns=yes\n }\n cache 30\n forward . 192.0.2.1\n}\n";
    std::fs::write(&corefile, text).unwrap();
    let output = sluice(&["dns", "import", corefile.to_str().unwrap(), "-o", "yaml"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    for line in [
        "- zone: example.org",
        "zonal: true",
        "ttl: 60",
        "apex: ns1",
        "secondary: ns2",
        "hosts:",
        "- nginx",
        "- dns=yes",
    ] {
        assert!(out(&output).lines().any(|l| l.trim() == line), "{line}\n{}", out(&output));
    }
    site.write(&format!("{}{}", Site::text(), out(&output)));
    let checked = sluice(&["check", site.config().to_str().unwrap()]);
    assert_eq!(code(&checked), 0, "{}\n{}{}", out(&output), out(&checked), err(&checked));
}

#[test]
fn what_is_imported_as_yaml_passes_check() {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/../corefile/tests/corefiles");
    for name in ["kubeadm", "minikube", "aks", "openshift"] {
        let output = sluice(&["dns", "import", &format!("{fixtures}/{name}.Corefile"), "-o", "yaml"]);
        assert_eq!(code(&output), 0, "{name}: {}", err(&output));
        let site = Site::new();
        site.write(&format!("{}{}", Site::text(), out(&output)));
        let checked = sluice(&["check", site.config().to_str().unwrap()]);
        assert_eq!(code(&checked), 0, "{name}:\n{}\n{}{}", out(&output), out(&checked), err(&checked));
    }
}
