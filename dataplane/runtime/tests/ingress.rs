//! Linux must not hear what a packet-socket port receives.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a test fails by them")]

use sluice_runtime::punt::ingress::IngressDrop;

mod common;
use common::{Far, isolated, run};

#[test]
fn linux_is_deaf_until_the_value_goes() {
    if !isolated("linux_is_deaf_until_the_value_goes") {
        return;
    }
    let far = Far::new();
    run("ip link add near type veth peer name peer");
    run(&format!("ip link set peer netns {}", far.pid()));
    run("ip addr add 192.0.2.1/24 dev near");
    run("ip link set near up");
    far.run("ip addr add 192.0.2.2/24 dev peer");
    far.run("ip link set peer up");
    // A closed port is refused at once where anybody is listening to us at all; 124 is what `timeout` says.
    let answers = || {
        let connect = ["1", "bash", "-c", "echo > /dev/tcp/192.0.2.1/9"];
        far.command("timeout").args(connect).output().unwrap().status.code() == Some(1)
    };
    assert!(answers());
    let deaf = IngressDrop::new("sluice-0123456789abcdef", &["near"]).unwrap();
    assert!(!answers());
    // A process that takes over from a killed one replaces its table.
    std::mem::forget(deaf);
    let deaf = IngressDrop::new("sluice-0123456789abcdef", &["near"]).unwrap();
    assert!(!answers());
    drop(deaf);
    assert!(answers());

    let error = IngressDrop::new("sluice-x", &["near", "a-name-that-is-too-long"]).unwrap_err().to_string();
    assert!(error.contains("near, a-name"), "{error}");
    assert!(answers(), "all or nothing");
}
