//! What is shipped to run the gateway with: units of systemd, manifests for a cluster.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod common;

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use common::*;
use sluice_testbed::cluster::{self, Options};
use sluice_testbed::gateway::binary;
use sluice_testbed::{Gateway, Testbed};

const CONFIGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs");
/// The user and group that the image has for control.
const USER: u32 = 64100;

fn units() -> PathBuf {
    Path::new(CONFIGS).join("systemd")
}

/// Runs to its end and gives what it printed.
fn must(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{command:?}: {}\n{text}", output.status);
    text
}

/// The values of a unit's setting, one a line.
fn setting(unit: &str, key: &str) -> Vec<String> {
    let text = std::fs::read_to_string(units().join(unit)).unwrap();
    text.lines().filter_map(|line| line.strip_prefix(&format!("{key}="))).map(str::to_owned).collect()
}

#[test]
fn systemd_understands_every_line_of_the_units_and_finds_them_closed() {
    let folder = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    for name in
        ["sluice.target", "sluice-dataplane.service", "sluice-control.service", "sluice-proxy.service"]
    {
        // The program is installed nowhere here.
        let text = std::fs::read_to_string(units().join(name)).unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text.replace("/usr/bin/sluice ", "/bin/true ")).unwrap();
        paths.push(path);
    }
    let verify = || {
        let mut command = Command::new("systemd-analyze");
        command.args(["verify", "--man=no", "--recursive-errors=no"]);
        command
    };
    let said = must(verify().args(&paths));
    assert_eq!(said.trim(), "", "systemd-analyze verify has something to say");
    // Exposure in tenths, of 100.
    for (path, most) in [(&paths[1], "30"), (&paths[2], "15"), (&paths[3], "20")] {
        let threshold = format!("--threshold={most}");
        must(Command::new("systemd-analyze").args(["security", "--offline=yes", &threshold]).arg(path));
    }
    // A line that it does not understand is said.
    std::fs::write(&paths[0], "[Unit]\nDescription=x\nProtectSytem=strict\n").unwrap();
    let output = verify().arg(&paths[0]).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("ProtectSytem"), "{output:?}");
}

#[test]
fn the_roles_work_with_the_privileges_that_the_units_leave_them() {
    let bed = Testbed::new().expect("these tests make network namespaces, which takes root and iproute2");
    let manifests = bed.folder().join("manifests");
    std::fs::create_dir_all(&manifests).unwrap();
    web_ab().write(&manifests).unwrap();
    // As `sluice.tmpfiles` makes it.
    let run = bed.folder().join("run");
    std::fs::create_dir(&run).unwrap();
    chown(&run, Some(0), Some(USER)).unwrap();
    std::fs::set_permissions(&run, std::fs::Permissions::from_mode(0o1770)).unwrap();

    let kept: Vec<String> = setting("sluice-dataplane.service", "CapabilityBoundingSet")[0]
        .split(' ')
        .map(|name| format!(",+{}", name.trim_start_matches("CAP_").to_lowercase()))
        .collect();
    let bounding = format!("--bounding-set=-all{}", kept.concat());
    assert_eq!(setting("sluice-control.service", "CapabilityBoundingSet"), [""]);
    let user = USER.to_string();
    let mut control = None;
    let mut lab = Lab::started(bed, Ports::Tap, "manifests: manifests/", "", |bed, config| {
        let text = std::fs::read_to_string(config).unwrap();
        std::fs::write(config, format!("group: {USER}\n{text}")).unwrap();
        // Without any privilege.
        let by = ["setpriv", "--reuid", &user, "--regid", &user, "--clear-groups", "--bounding-set=-all"];
        let by = [&by[..], &["--inh-caps=-all", "--no-new-privs"]].concat();
        control = Some(Gateway::start_by(bed, &by, "control", config).unwrap());
        let by = ["setpriv", "--groups", &user, &bounding, "--no-new-privs"];
        Gateway::start_by(bed, &by, "dataplane", config).unwrap()
    });
    let mut control = control.unwrap();
    lab.wait_until_ready();
    assert!(control.is_running(), "{}", control.log());
    lab.must_get(VIP);
    lab.must_get(VIP6);
    let status = |pid: u32, key: &str| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{key}:"))).unwrap();
        line.trim().to_owned()
    };
    assert_eq!(status(control.pid(), "CapEff"), "0000000000000000");
    let kept = u64::from_str_radix(&status(lab.gateway.pid(), "CapEff"), 16).unwrap();
    assert_eq!(kept.count_ones(), 3, "{kept:x}");
    // Each socket is its role's own.
    for name in ["feed.sock", "control.sock", "dataplane.sock"] {
        let mode = std::fs::metadata(run.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o660, "{name}");
    }
}

#[test]
fn the_manifests_are_what_an_api_server_takes() {
    let cluster = Options::default().controllers(&[]).start().unwrap();
    let folder = cluster::manifests();
    let apply = |what: &[&str]| {
        let arguments = [&["apply", "--dry-run=server", "--validate=strict"], what].concat();
        cluster.kubectl(&arguments)
    };
    let said = apply(&["-k", &folder.to_string_lossy()]).unwrap();
    let objects = [
        "namespace/sluice-system",
        "serviceaccount/sluice",
        "clusterrole.rbac.authorization.k8s.io/sluice",
        "configmap/sluice",
        "daemonset.apps/sluice",
    ];
    for object in objects {
        assert!(said.contains(object), "{object}: {said}");
    }
    let optional =
        ["tls-secrets.yaml", "tls-secrets-namespace.yaml", "dns-config-map.yaml", "ingress-class.yaml"];
    for optional in optional {
        apply(&["-f", &folder.join(optional).to_string_lossy()]).unwrap();
    }
    // A field that there is not is refused, so that the above means something.
    let text = std::fs::read_to_string(folder.join("daemonset.yaml")).unwrap();
    let wrong = cluster.folder().join("wrong.yaml");
    std::fs::write(&wrong, text.replace("hostNetwork:", "hostNetwrk:")).unwrap();
    let refused = apply(&["-f", &wrong.to_string_lossy()]).unwrap_err();
    assert!(refused.to_string().contains("hostNetwrk"), "{refused}");
    // So is what only the server knows.
    std::fs::write(&wrong, text.replace("path: /readyz", "path: /readyz, port: 0")).unwrap();
    assert!(apply(&["-f", &wrong.to_string_lossy()]).is_err());
}

#[test]
fn the_gateways_configuration_in_the_config_map_is_one() {
    let cluster = Options::default().controllers(&[]).start().unwrap();
    let file = cluster::manifests().join("config-map.yaml").to_string_lossy().into_owned();
    let path = r"jsonpath={.data.edge-1\.yaml}";
    let text = cluster.kubectl(&["create", "--dry-run=client", "-f", &file, "-o", path]).unwrap();
    let config = cluster.folder().join("edge-1.yaml");
    std::fs::write(&config, &text).unwrap();
    must(Command::new(binary()).arg("check").arg(&config));
    // What the pods take for granted.
    for line in
        ["node: edge-1", "runtime_dir: /run/sluice", "group: 64100", "127.0.0.1:9471", "127.0.0.1:9472"]
    {
        assert!(text.contains(line), "{line}: {text}");
    }
}
