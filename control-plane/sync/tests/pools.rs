//! Addresses of LoadBalancer Services: named cases, and all of it against a slow reference.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use proptest::prelude::*;
use sluice_config::AddressPool;
use sluice_model::{Protocol, ServiceName};
use sluice_sync::object::Rules;
use sluice_sync::pools::{self, Allocation, Allocator, Conflict, Families, Family, Refusal, Sharing, Wish};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn name(text: &str) -> ServiceName {
    let (namespace, name) = text.split_once('/').unwrap();
    ServiceName::new(namespace, name)
}

fn pool(name: &str, ranges: &[(&str, &str)]) -> AddressPool {
    let mut ranges: Vec<_> = ranges.iter().map(|(first, last)| (ip(first), ip(last))).collect();
    ranges.sort_unstable();
    AddressPool { name: name.into(), ranges, namespaces: vec![], labels: BTreeMap::new(), automatic: true }
}

fn wish(created: i64) -> Wish {
    Wish {
        created,
        families: Families::V4,
        addresses: vec![],
        pool: None,
        sharing: None,
        ports: BTreeSet::from([(Protocol::Tcp, 80)]),
        labels: BTreeMap::new(),
        held: vec![],
    }
}

fn shared(created: i64, key: &str, backends: Option<&str>, port: u16) -> Wish {
    Wish {
        sharing: Some(Sharing { key: key.into(), backends: backends.map(Into::into) }),
        ports: BTreeSet::from([(Protocol::Tcp, port)]),
        ..wish(created)
    }
}

/// Two addresses.
fn two() -> Allocator {
    Allocator::new(&[pool("main", &[("192.0.2.1", "192.0.2.2")])])
}

fn has(allocator: &Allocator, service: &str) -> Vec<String> {
    let allocation = allocator.allocation(&name(service)).cloned().unwrap_or_default();
    allocation.addresses.iter().map(IpAddr::to_string).collect()
}

fn refusals(allocator: &Allocator, service: &str) -> Vec<Refusal> {
    allocator.allocation(&name(service)).cloned().unwrap_or_default().refusals
}

#[test]
fn the_lowest_free_address_is_given_and_a_freed_one_goes_to_the_oldest_who_waits() {
    let mut pools = two();
    for (service, created) in [("a/1", 1), ("a/2", 2), ("a/young", 9), ("a/old", 3)] {
        pools.update(&name(service), Some(wish(created)));
    }
    pools.settle();
    assert_eq!(
        (has(&pools, "a/1"), has(&pools, "a/2")),
        (vec!["192.0.2.1".into()], vec!["192.0.2.2".into()])
    );
    let exhausted = Refusal::PoolExhausted { pools: vec!["main".into()], family: Family::V4 };
    assert_eq!(refusals(&pools, "a/old"), [exhausted]);
    assert_eq!(pools.counts(), (2, 2));
    assert_eq!(
        refusals(&pools, "a/old")[0].to_string(),
        "no IPv4 address is free in address pool main; the Service waits for one"
    );
    // Gone, or of another type: both are told so.
    pools.update(&name("a/1"), None);
    let changes = pools.settle();
    let old = Allocation { addresses: vec![ip("192.0.2.1")], refusals: vec![] };
    assert_eq!(changes, [(name("a/1"), None), (name("a/old"), Some(old))]);
    assert_eq!(has(&pools, "a/young"), [""; 0]);
    assert_eq!(pools.settle(), [], "nothing has changed");
}

#[test]
fn what_a_status_has_is_kept_over_a_restart_whatever_the_order_of_updates() {
    let held = |created, address: &str| Wish { held: vec![ip(address)], ..wish(created) };
    let services = [
        ("a/new", wish(1)),
        ("a/has", held(5, "192.0.2.1")),
        ("a/younger-claim", held(7, "192.0.2.1")),
        ("a/elsewhere", held(2, "198.51.100.1")),
    ];
    for rotation in 0..services.len() {
        let mut pools = two();
        let mut order = services.clone();
        order.rotate_left(rotation);
        for (service, wish) in order {
            pools.update(&name(service), Some(wish));
        }
        pools.settle();
        assert_eq!(has(&pools, "a/has"), ["192.0.2.1"]);
        assert_eq!(has(&pools, "a/new"), ["192.0.2.2"]);
        assert_eq!(refusals(&pools, "a/younger-claim").len(), 1);
        assert_eq!(refusals(&pools, "a/elsewhere").len(), 1);
    }
}

#[test]
fn a_status_that_lags_behind_changes_nothing() {
    let mut pools = two();
    pools.update(&name("a/1"), Some(wish(1)));
    pools.settle();
    for held in [vec![], vec![ip("192.0.2.2")]] {
        pools.update(&name("a/1"), Some(Wish { held, ..wish(1) }));
        assert_eq!(pools.settle(), []);
    }
    // Nor does one that somebody has written by hand take an address from whoever has it.
    pools.update(&name("a/0"), Some(Wish { held: vec![ip("192.0.2.1")], ..wish(0) }));
    pools.settle();
    assert_eq!(
        (has(&pools, "a/0"), has(&pools, "a/1")),
        (vec!["192.0.2.2".into()], vec!["192.0.2.1".into()])
    );
}

#[test]
fn wanted_addresses_are_given_waited_for_and_can_be_swapped() {
    let mut pools = two();
    let wants = |created, address: &str| Some(Wish { addresses: vec![ip(address)], ..wish(created) });
    pools.update(&name("a/1"), wants(1, "192.0.2.1"));
    pools.update(&name("a/2"), wants(2, "192.0.2.2"));
    pools.update(&name("a/3"), wants(3, "192.0.2.1"));
    pools.update(&name("a/4"), wants(4, "198.51.100.9"));
    pools.settle();
    assert_eq!(
        refusals(&pools, "a/3"),
        [Refusal::AddressTaken { address: ip("192.0.2.1"), by: name("a/1") }]
    );
    assert_eq!(refusals(&pools, "a/4"), [Refusal::NotInPool { address: ip("198.51.100.9"), pool: None }]);
    assert_eq!(refusals(&pools, "a/4")[0].to_string(), "198.51.100.9 is not in any address pool");
    pools.update(&name("a/1"), wants(1, "192.0.2.2"));
    pools.settle();
    // The one who waited has it; both who want the other address know of each other.
    assert_eq!(has(&pools, "a/3"), ["192.0.2.1"]);
    pools.update(&name("a/2"), wants(2, "192.0.2.1"));
    pools.update(&name("a/3"), None);
    pools.settle();
    assert_eq!(
        (has(&pools, "a/1"), has(&pools, "a/2")),
        (vec!["192.0.2.2".into()], vec!["192.0.2.1".into()])
    );
    let family = Wish { families: Families::V6, addresses: vec![ip("192.0.2.1")], ..wish(8) };
    pools.update(&name("a/6"), Some(family));
    pools.settle();
    assert_eq!(refusals(&pools, "a/6")[0], Refusal::WrongFamily { address: ip("192.0.2.1") });
}

#[test]
fn an_address_is_shared_by_key_where_ports_and_backends_allow() {
    let one = || Allocator::new(&[pool("main", &[("192.0.2.1", "192.0.2.1")])]);
    let mut pools = one();
    pools.update(&name("a/web"), Some(shared(1, "k", None, 80)));
    pools.update(&name("b/tls"), Some(shared(2, "k", None, 443)));
    pools.update(&name("b/again"), Some(shared(3, "k", None, 443)));
    pools.update(&name("b/other"), Some(shared(4, "other", None, 444)));
    pools.update(&name("b/plain"), Some(wish(5)));
    pools.settle();
    assert_eq!(
        (has(&pools, "a/web"), has(&pools, "b/tls")),
        (vec!["192.0.2.1".into()], vec!["192.0.2.1".into()])
    );
    for service in ["b/again", "b/other", "b/plain"] {
        assert_eq!(has(&pools, service), [""; 0], "{service}");
    }
    // A port that changes makes room for one who waits.
    pools.update(&name("b/tls"), Some(shared(2, "k", None, 8443)));
    pools.settle();
    assert_eq!(has(&pools, "b/again"), ["192.0.2.1"]);
    // Of two that collide it is the one that has changed which goes.
    pools.update(&name("a/web"), Some(shared(1, "k", None, 8443)));
    pools.settle();
    assert_eq!((has(&pools, "a/web"), has(&pools, "b/tls")), (vec![], vec!["192.0.2.1".into()]));

    // Two Local ones with different selectors, and Local beside Cluster.
    for (theirs, shares) in [(Some("app=a"), true), (Some("app=b"), false), (None, false)] {
        let mut pools = one();
        pools.update(&name("a/1"), Some(shared(1, "k", Some("app=a"), 80)));
        let wanted = Wish { addresses: vec![ip("192.0.2.1")], ..shared(2, "k", theirs, 81) };
        pools.update(&name("a/2"), Some(wanted));
        pools.settle();
        assert_eq!(has(&pools, "a/2").len(), usize::from(shares), "{theirs:?}");
        let conflict = Conflict::Backends;
        let refusal = Refusal::SharingConflict { address: ip("192.0.2.1"), with: name("a/1"), conflict };
        assert_eq!(refusals(&pools, "a/2"), if shares { vec![] } else { vec![refusal] });
    }
}

#[test]
fn pools_choose_by_namespace_and_label_and_are_asked_for_by_name() {
    let general = pool("general", &[("192.0.2.1", "192.0.2.9")]);
    let team =
        AddressPool { namespaces: vec!["team".into()], ..pool("team", &[("192.0.2.11", "192.0.2.11")]) };
    let labels = BTreeMap::from([("tier".into(), "gold".into())]);
    let gold = AddressPool { labels, automatic: false, ..pool("gold", &[("192.0.2.21", "192.0.2.29")]) };
    let mut pools = Allocator::new(&[general, team, gold]);
    let from = |pool: &str| Wish { pool: Some(pool.into()), ..wish(5) };
    let labelled = Wish { labels: BTreeMap::from([("tier".into(), "gold".into())]), ..from("gold") };
    for (service, wish) in [
        ("team/1", wish(1)),
        ("team/2", wish(2)),
        ("a/1", wish(3)),
        ("a/team", from("team")),
        ("a/none", from("none")),
        ("a/gold", from("gold")),
        ("a/labelled", labelled.clone()),
        ("a/unasked", Wish { pool: None, ..labelled }),
        ("a/six", Wish { families: Families::V6, ..from("general") }),
        ("a/other", Wish { addresses: vec![ip("192.0.2.1")], ..from("team") }),
    ] {
        pools.update(&name(service), Some(wish));
    }
    pools.settle();
    // The pool for the namespace goes first, the general one when it is empty; an unasked label does not count.
    assert_eq!(
        (has(&pools, "team/1"), has(&pools, "team/2")),
        (vec!["192.0.2.11".into()], vec!["192.0.2.1".into()])
    );
    assert_eq!(
        (has(&pools, "a/1"), has(&pools, "a/unasked")),
        (vec!["192.0.2.2".into()], vec!["192.0.2.3".into()])
    );
    assert_eq!(has(&pools, "a/labelled"), ["192.0.2.21"]);
    let said = |service: &str| refusals(&pools, service)[0].to_string();
    assert_eq!(said("a/team"), "address pool team is not for namespace a");
    assert_eq!(said("a/none"), "there is no address pool none");
    assert_eq!(said("a/gold"), "address pool gold is for Services with the label tier=gold");
    assert_eq!(said("a/six"), "address pool general has no IPv6 addresses");
    assert_eq!(said("a/other"), "192.0.2.1 is not in address pool team");
}

#[test]
fn pools_that_change_move_only_who_must_move() {
    let mut pools = two();
    pools.update(&name("a/1"), Some(wish(1)));
    pools.update(&name("a/2"), Some(wish(2)));
    pools.update(&name("a/3"), Some(wish(3)));
    pools.settle();
    pools.set_pools(&[pool("new", &[("192.0.2.2", "192.0.2.2"), ("203.0.113.1", "203.0.113.9")])]);
    pools.settle();
    assert_eq!(
        (has(&pools, "a/1"), has(&pools, "a/2")),
        (vec!["203.0.113.1".into()], vec!["192.0.2.2".into()])
    );
    assert_eq!(has(&pools, "a/3"), ["203.0.113.2"]);
    pools.set_pools(&[]);
    pools.settle();
    assert_eq!(refusals(&pools, "a/1"), [Refusal::NoPool { family: Family::V4 }]);
    assert_eq!(pools.counts(), (0, 0));
}

#[test]
fn both_families_are_given_and_one_will_do_where_it_may() {
    let v4 = pool("four", &[("192.0.2.1", "192.0.2.9")]);
    let six = pool("six", &[("2001:db8::", "2001:db8::ffff:ffff:ffff:ffff")]);
    let of = |families| Some(Wish { families, ..wish(1) });
    let mut pools = Allocator::new(std::slice::from_ref(&v4));
    pools.update(&name("a/both"), of(Families::Both));
    pools.update(&name("a/either"), of(Families::Either));
    pools.settle();
    assert_eq!(refusals(&pools, "a/both"), [Refusal::NoPool { family: Family::V6 }]);
    assert_eq!((has(&pools, "a/either").len(), refusals(&pools, "a/either").len()), (1, 0));
    pools.set_pools(&[v4, six]);
    pools.settle();
    assert_eq!(has(&pools, "a/both"), ["192.0.2.1", "2001:db8::"]);
    assert_eq!(has(&pools, "a/either"), ["192.0.2.2", "2001:db8::1"]);
}

#[test]
fn huge_pools_cost_nothing_and_a_hundred_thousand_services_little() {
    let whole = |first: &str, last: &str| (ip(first), ip(last));
    let mut huge = pool("huge", &[]);
    huge.ranges =
        vec![whole("10.0.0.0", "10.255.255.255"), whole("::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")];
    let mut pools = Allocator::new(&[huge]);
    let start = std::time::Instant::now();
    for i in 0..100_000 {
        let wish = Wish { families: Families::Both, ..wish(i) };
        pools.update(&ServiceName::new("a", &format!("{i:06}")), Some(wish));
    }
    assert_eq!(pools.settle().len(), 100_000);
    assert_eq!(has(&pools, "a/099999"), ["10.1.134.159", "::1:86a0"]);
    for i in (0..100_000).step_by(2) {
        pools.update(&ServiceName::new("a", &format!("{i:06}")), None);
    }
    assert_eq!(pools.settle().len(), 50_000);
    pools.update(&name("b/x"), Some(wish(1)));
    pools.settle();
    assert_eq!(has(&pools, "b/x"), ["10.0.0.0"]);
    // Quadratic work would take minutes.
    assert!(start.elapsed() < std::time::Duration::from_secs(20), "{:?}", start.elapsed());
}

fn parsed(object: &str) -> (Option<Wish>, Vec<String>) {
    let rules = Rules {
        load_balancer_class: "sluice.dev/gateway".into(),
        external_ips: true,
        names: None,
        ingress: false,
        secret_namespaces: Vec::new(),
    };
    let parsed = pools::wish(&serde_saphyr::from_str(object).unwrap(), &rules);
    (parsed.object, parsed.problems.into_iter().map(|p| format!("{}: {}", p.field, p.message)).collect())
}

#[test]
fn a_wish_is_read_from_the_object() {
    let (wish, problems) = parsed(
        r#"
metadata:
  namespace: shop
  name: web
  creationTimestamp: "1970-01-01T00:01:40Z"
  labels: { tier: gold }
  annotations:
    sluice.dev/load-balancer-ips: "192.0.2.1, 2001:db8::1,192.0.2.1,web"
    sluice.dev/address-pool: main
    sluice.dev/allow-shared-ip: k
spec:
  type: LoadBalancer
  loadBalancerClass: sluice.dev/gateway
  loadBalancerIP: 192.0.2.99
  ipFamilies: [IPv4, IPv6]
  ipFamilyPolicy: RequireDualStack
  externalTrafficPolicy: Local
  selector: { b: "2", a: "1" }
  ports: [{ port: 80 }, { port: 53, protocol: UDP }, { port: 70000 }]
status:
  loadBalancer:
    ingress: [{ ip: 192.0.2.1, ipMode: VIP }, { ip: 192.0.2.7, ipMode: Proxy }, { hostname: a }, { ip: "2001:db8::1" }]
"#,
    );
    let expected = Wish {
        created: 100,
        families: Families::Both,
        addresses: vec![ip("192.0.2.1"), ip("2001:db8::1")],
        pool: Some("main".into()),
        sharing: Some(Sharing { key: "k".into(), backends: Some("a=1,b=2".into()) }),
        ports: BTreeSet::from([(Protocol::Tcp, 80), (Protocol::Udp, 53)]),
        labels: BTreeMap::from([("tier".into(), "gold".into())]),
        held: vec![ip("192.0.2.1"), ip("2001:db8::1")],
    };
    assert_eq!(wish, Some(expected));
    assert_eq!(
        problems,
        [r#"metadata.annotations["sluice.dev/load-balancer-ips"]: `web` is no IP address; left out"#]
    );
}

#[test]
fn families_come_from_the_spec_and_other_services_are_none_of_ours() {
    for (spec, families) in [
        ("ipFamilies: [IPv4]", Families::V4),
        ("ipFamilies: [IPv6]", Families::V6),
        ("ipFamilies: [IPv4, IPv6], ipFamilyPolicy: PreferDualStack", Families::Either),
        ("clusterIPs: [10.96.0.1]", Families::V4),
        ("clusterIP: fd00::1", Families::V6),
        ("ports: []", Families::Either),
    ] {
        let (wish, _) = parsed(&format!("spec: {{ type: LoadBalancer, {spec} }}"));
        assert_eq!(wish.unwrap().families, families, "{spec}");
    }
    for spec in
        ["type: ClusterIP", "type: NodePort", "type: LoadBalancer, loadBalancerClass: a.example/other"]
    {
        assert_eq!(parsed(&format!("spec: {{ {spec} }}")).0, None, "{spec}");
    }
    let (wish, _) = parsed("spec: { type: LoadBalancer, loadBalancerIP: 192.0.2.99 }");
    assert_eq!(wish.unwrap().addresses, [ip("192.0.2.99")]);
    let label = "metadata: { labels: { service.kubernetes.io/service-proxy-name: x } }";
    assert_eq!(parsed(&format!("{label}\nspec: {{ type: LoadBalancer }}")).0, None);
    let many = (1..=17).map(|n| format!("192.0.2.{n}")).collect::<Vec<_>>().join(",");
    let many = format!("metadata: {{ annotations: {{ sluice.dev/load-balancer-ips: \"{many}\" }} }}");
    let (wish, problems) = parsed(&format!("{many}\nspec: {{ type: LoadBalancer }}"));
    assert_eq!((wish.unwrap().addresses.len(), problems.len()), (16, 1));
}

// The reference: everything is looked at again and again until nothing changes.

#[derive(Default)]
struct Reference {
    pools: Vec<AddressPool>,
    services: BTreeMap<ServiceName, (Wish, Vec<IpAddr>)>,
    dirty: BTreeSet<ServiceName>,
}

impl Reference {
    fn update(&mut self, name: &ServiceName, wish: Option<Wish>) {
        let Some(wish) = wish else {
            self.services.remove(name);
            return;
        };
        match self.services.get_mut(name) {
            Some((former, _)) => {
                let other = Wish { held: wish.held.clone(), ..former.clone() } != wish;
                *former = wish;
                if other {
                    self.dirty.insert(name.clone());
                }
            }
            None => {
                self.services.insert(name.clone(), (wish, vec![]));
                self.dirty.insert(name.clone());
            }
        }
    }

    fn set_pools(&mut self, pools: &[AddressPool]) {
        self.pools = pools.to_vec();
        self.dirty = self.services.keys().cloned().collect();
    }

    fn in_order(&self) -> Vec<ServiceName> {
        let mut all: Vec<_> =
            self.services.iter().map(|(name, (wish, _))| (wish.created, name.clone())).collect();
        all.sort();
        all.into_iter().map(|(_, name)| name).collect()
    }

    fn settle(&mut self) {
        let order: Vec<_> = self.in_order().into_iter().filter(|name| self.dirty.contains(name)).collect();
        let had: Vec<_> =
            order.iter().map(|name| std::mem::take(&mut self.services.get_mut(name).unwrap().1)).collect();
        for (name, had) in order.iter().zip(had) {
            self.keep(name, &had);
        }
        for name in &order {
            let held = self.services[name].0.held.clone();
            self.keep(name, &held);
        }
        self.dirty.clear();
        while self.in_order().iter().any(|name| self.serve(name)) {}
    }

    fn pool_of(&self, address: IpAddr) -> Option<&AddressPool> {
        self.pools.iter().find(|p| p.ranges.iter().any(|(first, last)| (*first..=*last).contains(&address)))
    }

    fn permitted(&self, name: &ServiceName, pool: &AddressPool) -> bool {
        let wish = &self.services[name].0;
        wish.pool.as_ref().is_none_or(|wanted| *wanted == pool.name)
            && (pool.namespaces.is_empty() || pool.namespaces.contains(&name.namespace))
            && pool.labels.iter().all(|(key, value)| wish.labels.get(key) == Some(value))
    }

    fn is_free_for(&self, name: &ServiceName, address: IpAddr) -> bool {
        let wish = &self.services[name].0;
        self.services.iter().filter(|(other, (_, has))| *other != name && has.contains(&address)).all(
            |(_, (other, _))| {
                wish.sharing.is_some()
                    && wish.sharing == other.sharing
                    && wish.ports.is_disjoint(&other.ports)
            },
        )
    }

    fn keep(&mut self, name: &ServiceName, addresses: &[IpAddr]) {
        for &address in addresses {
            let (wish, has) = &self.services[name];
            let same = |a: &&IpAddr| a.is_ipv6() == address.is_ipv6();
            let wanted: Vec<_> = wish.addresses.iter().filter(same).collect();
            let suits = if wanted.is_empty() {
                has.iter().find(same).is_none()
            } else {
                wanted.contains(&&address) && !has.contains(&address)
            };
            if suits
                && wish.families.has(address.is_ipv6())
                && self.pool_of(address).is_some_and(|pool| self.permitted(name, pool))
                && self.is_free_for(name, address)
            {
                self.services.get_mut(name).unwrap().1.push(address);
            }
        }
    }

    /// Whether it has got anything.
    fn serve(&mut self, name: &ServiceName) -> bool {
        let before = self.services[name].1.len();
        for v6 in [false, true] {
            let wish = self.services[name].0.clone();
            if !wish.families.has(v6) {
                continue;
            }
            let wanted: Vec<_> = wish.addresses.iter().copied().filter(|a| a.is_ipv6() == v6).collect();
            for &address in &wanted {
                let has = self.services[name].1.contains(&address);
                let permitted = self.pool_of(address).is_some_and(|pool| self.permitted(name, pool));
                if !has && permitted && self.is_free_for(name, address) {
                    self.services.get_mut(name).unwrap().1.push(address);
                }
            }
            if wanted.is_empty() && !self.services[name].1.iter().any(|a| a.is_ipv6() == v6) {
                let found = self.any(name, v6);
                self.services.get_mut(name).unwrap().1.extend(found);
            }
        }
        self.services[name].1.len() > before
    }

    /// One that others share already, or the lowest free one, of the pools that choose first.
    fn any(&self, name: &ServiceName, v6: bool) -> Option<IpAddr> {
        let wish = &self.services[name].0;
        let (choosing, general): (Vec<_>, Vec<_>) = self
            .pools
            .iter()
            .filter(|pool| self.permitted(name, pool) && (pool.automatic || wish.pool.is_some()))
            .partition(|pool| !pool.namespaces.is_empty() || !pool.labels.is_empty());
        let pools: Vec<_> = choosing.into_iter().chain(general).collect();
        let all = |pool: &AddressPool| -> Vec<IpAddr> {
            let ranges = pool.ranges.iter().filter(|(first, _)| first.is_ipv6() == v6);
            ranges.flat_map(|&(first, last)| each(first, last)).collect()
        };
        let taken = |address: &IpAddr| self.services.values().any(|(_, has)| has.contains(address));
        let mut shared: Vec<_> = pools.iter().flat_map(|pool| all(pool)).filter(taken).collect();
        shared.sort();
        let shared = shared.into_iter().find(|&address| self.is_free_for(name, address));
        shared.or_else(|| pools.iter().flat_map(|pool| all(pool)).find(|address| !taken(address)))
    }
}

fn each(first: IpAddr, last: IpAddr) -> Vec<IpAddr> {
    match (first, last) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits()..=b.to_bits()).map(|n| IpAddr::V4(n.into())).collect(),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits()..=b.to_bits()).map(|n| IpAddr::V6(n.into())).collect(),
        _ => vec![],
    }
}

#[derive(Clone, Debug)]
enum Step {
    Update(u8, Option<Wish>),
    /// What the status of the Service says now is what it has, as the writer has written it.
    Written(u8),
    Pools(u8),
    Settle,
    /// A new allocator, told of everything.
    Restart,
}

fn service(number: u8) -> ServiceName {
    ServiceName::new(if number.is_multiple_of(2) { "even" } else { "odd" }, &format!("{number}"))
}

fn pool_sets(number: u8) -> Vec<AddressPool> {
    let general = pool(
        "general",
        &[("192.0.2.1", "192.0.2.2"), ("192.0.2.5", "192.0.2.6"), ("2001:db8::1", "2001:db8::2")],
    );
    let even = AddressPool { namespaces: vec!["even".into()], ..pool("even", &[("192.0.2.3", "192.0.2.3")]) };
    let labels = BTreeMap::from([("tier".into(), "gold".into())]);
    let gold =
        AddressPool { labels, ..pool("gold", &[("192.0.2.8", "192.0.2.8"), ("2001:db8::8", "2001:db8::8")]) };
    let asked = AddressPool { automatic: false, ..pool("asked", &[("192.0.2.10", "192.0.2.10")]) };
    let small = pool("small", &[("192.0.2.2", "192.0.2.3")]);
    match number {
        0 => vec![general, even, gold, asked],
        1 => vec![even, general],
        2 => vec![small, gold],
        _ => vec![],
    }
}

fn some_address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        3 => (0u8..12).prop_map(|n| IpAddr::from([192, 0, 2, n])),
        1 => (0u16..9).prop_map(|n| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, n])),
    ]
}

fn some_wish() -> impl Strategy<Value = Wish> {
    let families = prop_oneof![
        4 => Just(Families::V4),
        1 => Just(Families::V6),
        1 => Just(Families::Both),
        2 => Just(Families::Either)
    ];
    let addresses = prop_oneof![3 => Just(vec![]), 1 => prop::collection::btree_set(some_address(), 1..3).prop_map(Vec::from_iter)];
    let pools = prop::sample::select(vec!["general", "even", "gold", "asked", "none"]);
    let pool = prop::option::weighted(0.2, pools.prop_map(Into::into));
    let backends =
        prop::option::weighted(0.3, prop::sample::select(vec!["app=a", "app=b"]).prop_map(Into::into));
    let key = prop::sample::select(vec!["k", "l"]).prop_map(Into::into);
    let sharing = (key, backends).prop_map(|(key, backends)| Sharing { key, backends });
    let ports = prop::collection::btree_set((Just(Protocol::Tcp), 80u16..83), 1..3);
    let held = prop::collection::vec(some_address(), 0..2);
    let sharing = prop::option::weighted(0.5, sharing);
    (0i64..4, families, addresses, pool, sharing, ports, any::<bool>(), held).prop_map(
        |(created, families, addresses, pool, sharing, ports, gold, held)| Wish {
            created,
            families,
            addresses,
            pool,
            sharing,
            ports,
            labels: if gold { BTreeMap::from([("tier".into(), "gold".into())]) } else { BTreeMap::new() },
            held,
        },
    )
}

fn some_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0u8..14, some_wish()).prop_map(|(n, wish)| Step::Update(n, Some(wish))),
        4 => (0u8..14).prop_map(|n| Step::Update(n, None)),
        4 => (0u8..14).prop_map(Step::Written),
        1 => (0u8..4).prop_map(Step::Pools),
        6 => Just(Step::Settle),
        1 => Just(Step::Restart),
    ]
}

/// `anew`: Services that were deleted, and perhaps made again; these are told of again.
fn check(
    pools: &mut Allocator,
    reference: &mut Reference,
    seen: &mut BTreeMap<ServiceName, Allocation>,
    anew: &mut BTreeSet<ServiceName>,
) {
    for (name, now) in pools.settle() {
        match now {
            Some(now) => {
                let same = seen.insert(name.clone(), now.clone()) == Some(now);
                assert!(!same || anew.contains(&name), "told twice: {name}");
            }
            None => assert!(seen.remove(&name).is_some(), "{name} was not there"),
        }
    }
    anew.clear();
    reference.settle();
    let has: BTreeMap<_, _> = seen.iter().map(|(name, now)| (name.clone(), now.addresses.clone())).collect();
    let sorted = |has: &Vec<IpAddr>| {
        let mut has = has.clone();
        has.sort();
        has
    };
    let expected: BTreeMap<_, _> =
        reference.services.iter().map(|(name, (_, has))| (name.clone(), sorted(has))).collect();
    assert_eq!(has, expected);
    for (name, now) in seen {
        let wish = &reference.services[name].0;
        let lacks = now.addresses.is_empty();
        assert!(!lacks || !now.refusals.is_empty(), "{name} has nothing, and nobody says why");
        let enough = wish.families.has(false) as usize + wish.families.has(true) as usize;
        let lacks_one = wish.families != Families::Either && now.addresses.len() < enough;
        assert!(!lacks_one || !now.refusals.is_empty(), "{name} lacks an address, and nobody says why");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]
    #[test]
    fn same_as_the_reference(steps in prop::collection::vec(some_step(), 1..80)) {
        let mut pools = Allocator::new(&pool_sets(0));
        let mut reference = Reference { pools: pool_sets(0), ..Reference::default() };
        let mut seen = BTreeMap::new();
        let mut anew = BTreeSet::new();
        for step in steps.into_iter().chain([Step::Settle]) {
            match step {
                Step::Update(number, wish) => {
                    if wish.is_none() {
                        anew.insert(service(number));
                    }
                    pools.update(&service(number), wish.clone());
                    reference.update(&service(number), wish);
                }
                Step::Written(number) => {
                    if let Some((wish, has)) = reference.services.get(&service(number)) {
                        let wish = Wish { held: has.clone(), ..wish.clone() };
                        pools.update(&service(number), Some(wish.clone()));
                        reference.update(&service(number), Some(wish));
                    }
                }
                Step::Pools(number) => {
                    pools.set_pools(&pool_sets(number));
                    reference.set_pools(&pool_sets(number));
                }
                Step::Settle => check(&mut pools, &mut reference, &mut seen, &mut anew),
                Step::Restart => {
                    check(&mut pools, &mut reference, &mut seen, &mut anew);
                    pools = Allocator::new(&reference.pools);
                    seen.clear();
                    for (name, (wish, has)) in &mut reference.services {
                        has.clear();
                        pools.update(name, Some(wish.clone()));
                    }
                    let all = reference.pools.clone();
                    reference.set_pools(&all);
                }
            }
        }
    }
}
