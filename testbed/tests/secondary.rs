//! A zone that the gateway copies from a real primary, CoreDNS on a node: its changes show, it may go away for as long as its SOA
//! record says and no longer, and when it is back so is the zone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::{Duration, Instant};

use common::*;
use sluice_testbed::CoreDns;
use sluice_testbed::client::eventually;
use sluice_testbed::manifests::replace;

const DNS: &str = "10.96.0.2";
const SOON: Duration = Duration::from_secs(40);
/// What the zone's SOA record says, in seconds.
const EXPIRE: u64 = 15;

/// The first of the servers refuses, the second is the primary.
const COREFILE: &str = "
.:53 {
    errors
    kubernetes cluster.local
    secondary zone.test {
        transfer from 198.51.100.1:5355 198.51.100.1:5354
    }
    cache
}
";

struct World {
    // Dropped first: the gateway does not watch its primary go.
    lab: Lab,
    primary: Option<CoreDns>,
    refresh: u32,
}

impl World {
    /// With a primary that tells `to` of changes, and a zone that is looked at so seldom.
    fn start(to: &str, refresh: u32) -> Self {
        let dns = format!("dns:\n  corefile: Corefile\n  addresses: [{DNS}]\n  clients: [0.0.0.0/0]\n");
        let lab = Lab::prepared(&dns, &[web_ab()], |bed| {
            std::fs::write(bed.folder().join("Corefile"), COREFILE).unwrap();
        });
        let mut this = Self { lab, primary: None, refresh };
        std::fs::create_dir_all(this.folder()).unwrap();
        this.write(7, "192.0.2.1", "");
        this.begin_telling(to);
        this
    }

    /// Writes the zone, with another file in the place of the former.
    fn write(&self, serial: u32, www: &str, more: &str) {
        // As many records as need several messages, and a name that only the cluster's tables lead on.
        let many: String = (0..2000).map(|n| format!("n{n} TXT \"{}\"\n", "x".repeat(100))).collect();
        let refresh = self.refresh;
        let text = format!(
            "$TTL 300\n@ SOA ns h {serial} {refresh} 5 {EXPIRE} 300\n@ NS ns\nns A 192.0.2.53\nwww A {www}\nMiXeD CNAME www\n*.wild A {www}\n\
             web CNAME web.default.svc.cluster.local.\ntree DNAME deep\na.deep A {www}\nsub NS ns.sub\nns.sub A 192.0.2.54\n\
             odd TYPE65280 \\# 2 0102\n{more}{many}"
        );
        replace(&self.folder().join("db.zone.test"), &text).unwrap();
    }

    fn folder(&self) -> std::path::PathBuf {
        self.lab.bed.folder().join("primary")
    }

    fn begin(&mut self) {
        self.begin_telling("");
    }

    /// `to` is told of changes.
    fn begin_telling(&mut self, to: &str) {
        let text = format!(
            "zone.test:5354 {{\n errors\n log\n file {}/db.zone.test {{\n reload 1s\n }}\n transfer {{\n to * {to}\n }}\n}}\n",
            self.folder().display()
        );
        self.primary = Some(CoreDns::alone(&self.lab.bed.node, &self.folder(), &text).unwrap());
    }

    fn dig(&self, arguments: &[&str]) -> String {
        // Two programs are started each time.
        std::thread::sleep(Duration::from_millis(200));
        let mut command = self.lab.bed.client.command("dig");
        command.args(["+tries=1", "+time=2", &format!("@{DNS}")]).args(arguments);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    }

    fn short(&self, arguments: &[&str]) -> String {
        self.dig(&[&["+short"], arguments].concat()).trim().to_owned()
    }

    #[track_caller]
    fn becomes(&self, arguments: &[&str], expected: &str) {
        let seen = eventually(SOON, || (self.short(arguments) == expected).then_some(()));
        assert!(
            seen.is_some(),
            "{arguments:?}: {}\n{}\n{}",
            self.dig(arguments),
            self.lab.gateway.log(),
            self.primary.as_ref().map(CoreDns::log).unwrap_or_default()
        );
    }
}

#[test]
fn a_copied_zone_follows_its_primary_outlives_it_for_a_while_and_comes_back() {
    let mut world = World::start("", 5);
    world.becomes(&["www.zone.test"], "192.0.2.1");
    let whole = world.dig(&["www.zone.test"]);
    assert!(whole.contains("flags: qr aa rd;"), "{whole}");
    for transport in ["+notcp", "+tcp"] {
        for (name, kind, expected) in [
            ("MIXED.zone.test", "A", "www.zone.test.\n192.0.2.1"),
            ("x.y.wild.zone.test", "A", "192.0.2.1"),
            ("a.tree.zone.test", "A", "deep.zone.test.\na.deep.zone.test.\n192.0.2.1"),
            ("odd.zone.test", "TYPE65280", "\\# 2 0102"),
            ("web.zone.test", "A", "web.default.svc.cluster.local.\n10.96.0.20"),
            ("nope.zone.test", "A", ""),
        ] {
            assert_eq!(world.short(&[transport, name, kind]), expected, "{transport} {name}");
        }
        let last = world.short(&[transport, "n1999.zone.test", "TXT"]);
        assert_eq!(last.len(), 102, "{last}");
        let cut = world.dig(&[transport, "www.sub.zone.test"]);
        assert!(cut.contains("flags: qr rd;") && cut.contains("192.0.2.54"), "{cut}");
    }

    // A newer serial shows, with all that goes with it, also what was asked for a moment ago.
    world.write(8, "192.0.2.2", "new A 192.0.2.3\n");
    world.becomes(&["www.zone.test"], "192.0.2.2");
    assert_eq!(world.short(&["new.zone.test"]), "192.0.2.3");
    assert_eq!(world.short(&["a.tree.zone.test"]), "deep.zone.test.\na.deep.zone.test.\n192.0.2.2");
    // An older one does not (RFC 1982): two refreshes later it is not there.
    world.write(6, "192.0.2.66", "");
    let until = Instant::now() + Duration::from_secs(13);
    while Instant::now() < until {
        assert_eq!(world.short(&["www.zone.test"]), "192.0.2.2");
        std::thread::sleep(Duration::from_millis(500));
    }
    // As far ahead as one may be, which is behind by number.
    world.write(8 + ((1 << 31) - 1), "192.0.2.4", "");
    world.becomes(&["www.zone.test"], "192.0.2.4");
    world.write(3, "192.0.2.5", "");
    world.becomes(&["www.zone.test"], "192.0.2.5");

    // The primary is away: the zone is served until it expires, and then not at all.
    world.write(4, "192.0.2.6", "");
    drop(world.primary.take());
    let gone = Instant::now();
    let mut served = Duration::ZERO;
    let expired = eventually(Duration::from_secs(EXPIRE + 40), || {
        let said = world.dig(&["www.zone.test"]);
        if said.contains("192.0.2.5") {
            served = gone.elapsed();
            return None;
        }
        said.contains("status: SERVFAIL").then_some(said)
    });
    let expired = expired.unwrap_or_else(|| panic!("never expired\n{}", world.lab.gateway.log()));
    assert!(expired.contains("EDE: 14"), "{expired}");
    // The last answer of the primary's may be a refresh old.
    assert!(served >= Duration::from_secs(EXPIRE - 7), "served for {served:?}");
    assert!(world.lab.gateway.log().contains("the zone has expired"), "{}", world.lab.gateway.log());

    // Back, with what has changed meanwhile.
    world.begin();
    world.becomes(&["www.zone.test"], "192.0.2.6");
    assert_eq!(world.short(&["+tcp", "www.zone.test"]), "192.0.2.6");
}

#[test]
fn a_copied_zone_is_looked_at_when_its_primary_says_that_it_has_changed() {
    let world = World::start(&format!("{DNS}:53"), 3600);
    world.becomes(&["www.zone.test"], "192.0.2.1");
    for n in 2..5_u8 {
        world.write(6 + u32::from(n), &format!("192.0.2.{n}"), "");
        world.becomes(&["www.zone.test"], &format!("192.0.2.{n}"));
    }
    let log = world.lab.gateway.log();
    assert!(log.contains("told that the zone has changed"), "{log}");
    // Nobody else may say so, and nobody of another zone.
    let told = |from: &sluice_testbed::Netns, zone: &str| {
        let mut command = from.command("dig");
        command.args(["+tries=1", "+time=2", "+opcode=NOTIFY", &format!("@{DNS}"), zone, "SOA"]);
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let accepted = told(&world.lab.bed.node, "zone.test");
    assert!(accepted.contains("status: NOERROR") && accepted.contains("flags: qr aa"), "{accepted}");
    assert!(told(&world.lab.bed.node, "other.test").contains("status: NOTIMP"));
    assert!(told(&world.lab.bed.client, "zone.test").contains("status: NOTIMP"));
}
