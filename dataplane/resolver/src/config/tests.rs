use super::*;

fn wrong(change: impl FnOnce(&mut Settings)) -> String {
    let mut settings = Settings {
        listeners: vec![Listener {
            address: "127.0.0.1:53".parse().unwrap(),
            protocol: Protocol::Udp,
            clients: vec!["127.0.0.0/8".parse().unwrap()],
            recursion: None,
        }],
        zones: vec![Zone {
            name: ".".into(),
            cache: Some(Cache::default()),
            hosts: Some(Hosts::default()),
            template: vec![Template { rtype: "A".into(), ..Template::default() }],
            rewrite: vec![Rewrite::Type { from: "A".into(), to: "TYPE65".into(), go_on: false }],
            forward: vec![Forward {
                upstreams: vec![Upstream::plain("192.0.2.1:53".parse().unwrap())],
                ..Forward::default()
            }],
            ..Zone::default()
        }],
        ..Settings::default()
    };
    Config::new(settings.clone()).unwrap();
    change(&mut settings);
    Config::new(settings).unwrap_err().to_string()
}

#[test]
fn errors_name_the_key() {
    type Change = fn(&mut Settings);
    let cases: [(&str, Change); 27] = [
        ("listeners[0].address: ", |it| it.listeners[0].address = "0.0.0.0:53".parse().unwrap()),
        ("listeners[0].clients: ", |it| it.listeners[0].clients.clear()),
        ("listeners[1].address: ", |it| it.listeners.push(it.listeners[0].clone())),
        ("listeners[0].protocol: ", |it| {
            it.listeners[0].protocol = Protocol::Tls(Identity { certificates: vec![], key: vec![] });
        }),
        ("protected[0]: ", |it| it.protected = vec!["a..b".into()]),
        ("limits.udp_payload: ", |it| it.limits.udp_payload = 511),
        ("limits.pending: ", |it| it.limits.pending = 0),
        ("limits.pipeline: ", |it| it.limits.pipeline = 0),
        ("limits.query: ", |it| it.limits.query = Duration::ZERO),
        ("limits.source_ports: ", |it| it.limits.source_ports = 50000..=50001),
        ("zones[0].name: ", |it| it.zones[0].name = String::new()),
        ("zones[1].name: ", |it| it.zones.push(it.zones[0].clone())),
        ("zones[0].cache.success.min_ttl: ", |it| it.zones[0].cache.as_mut().unwrap().success.min_ttl = 9999),
        ("zones[0].cache.denial.max_ttl: ", |it| {
            it.zones[0].cache.as_mut().unwrap().denial.max_ttl = 700_000
        }),
        ("zones[0].cache.servfail: ", |it| {
            it.zones[0].cache.as_mut().unwrap().servfail = Duration::from_secs(301)
        }),
        ("zones[0].cache.prefetch.percentage: ", |it| {
            let prefetch = Prefetch { amount: 1, window: Duration::from_secs(1), percentage: 0 };
            it.zones[0].cache.as_mut().unwrap().prefetch = Some(prefetch);
        }),
        ("zones[0].cache.disable_denial[0]: ", |it| {
            it.zones[0].cache.as_mut().unwrap().disable_denial = vec![String::new()];
        }),
        ("zones[0].hosts.inline[0]: ", |it| {
            it.zones[0].hosts.as_mut().unwrap().inline = vec!["1.2.3 x".into()]
        }),
        ("zones[0].template[0].rtype: ", |it| it.zones[0].template[0].rtype = "AB".into()),
        ("zones[0].template[0].matches[0]: ", |it| it.zones[0].template[0].matches = vec!["(".into()]),
        ("zones[0].template[0].answer[0]: ", |it| {
            it.zones[0].template[0].answer = vec!["{{ .Name }} A x".into()]
        }),
        ("zones[0].rewrite[0].to: ", |it| {
            it.zones[0].rewrite = vec![Rewrite::Type { from: "A".into(), to: "?".into(), go_on: false }];
        }),
        ("zones[0].forward[0].upstreams: ", |it| it.zones[0].forward[0].upstreams.clear()),
        ("zones[0].forward[0].upstreams[1].address: ", |it| {
            let again = it.zones[0].forward[0].upstreams[0].clone();
            it.zones[0].forward[0].upstreams.push(again);
        }),
        ("zones[0].forward[0].upstreams[0].tls: ", |it| {
            let tls = UpstreamTls { name: Some("not a name".into()), roots: None };
            it.zones[0].forward[0].upstreams[0].tls = Some(tls);
        }),
        ("zones[0].forward[0].health.interval: ", |it| {
            it.zones[0].forward[0].health.interval = Duration::ZERO
        }),
        ("zones[0].forward[1].from: ", |it| {
            let again = it.zones[0].forward[0].clone();
            it.zones[0].forward.push(again);
        }),
    ];
    for (key, change) in cases {
        let why = wrong(change);
        assert!(why.starts_with(key), "{key} {why}");
    }
}

#[test]
fn a_key_is_not_shown() {
    let identity = Identity { certificates: b"abc".to_vec(), key: b"secret".to_vec() };
    assert!(!format!("{identity:?}").contains("115, 101"));
}
