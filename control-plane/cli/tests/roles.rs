//! Roles by themselves, as units of systemd and containers start them: in any order.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test fails by them"
)]

mod common;

use std::time::Duration;

use common::*;
use rustix::process::Signal;

const LONG: Duration = Duration::from_secs(20);

#[test]
fn whichever_role_comes_first_makes_the_folder_of_the_sockets() {
    for role in ["control", "dataplane", "proxy"] {
        let site = Site::new();
        site.write(&(Site::text() + "ingress: { addresses: [192.0.2.10] }\n"));
        assert!(!site.run_dir().exists());
        let mut gateway = Gateway::start_as(role, &site, &[]);
        let socket = site.run_dir().join(format!("{role}.sock"));
        eventually(role, LONG, || (!is_free(&socket)).then_some(()));
        signal(gateway.child.id(), Signal::TERM);
        assert_eq!(gateway.wait(LONG), Some(0), "{}", gateway.log());
    }
}
