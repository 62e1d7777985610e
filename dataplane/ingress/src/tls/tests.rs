use sluice_model::http::{
    Certificate, CertificateName, HostPattern, HttpChange, HttpSettings, ServerName, TlsAction, UpstreamName,
    UpstreamPort,
};

use super::*;

fn certificate(name: &str) -> Certificate {
    let made = rcgen::generate_simple_self_signed(vec![format!("{name}.test")]).unwrap();
    Certificate {
        name: CertificateName::new("default", name),
        chain: vec![made.cert.der().to_vec()],
        key: made.signing_key.serialize_der(),
    }
}

fn terminate(host: HostPattern, certificate: Option<&str>) -> HttpChange {
    let name = certificate.map(|name| CertificateName::new("default", name));
    HttpChange::ServerName(ServerName { host, action: TlsAction::Terminate(name) })
}

/// The certificate that a name is shown, and its entry.
fn shown(store: &Store, name: Option<&str>) -> (Vec<u8>, HostPattern) {
    let Chosen::Terminate(config, entry) = store.choose(name) else { panic!("passed through") };
    let server = rustls::ServerConnection::new(config.clone());
    assert!(server.is_ok());
    let key = format!("{:?}", config.cert_resolver);
    (key.into_bytes(), entry)
}

fn exact(name: &str) -> HostPattern {
    HostPattern::Exact(name.into())
}

#[test]
fn a_name_has_its_own_certificate_before_the_wildcard_and_that_before_the_default() {
    let store = Store::new().unwrap();
    let own = shown(&store, Some("a.example.com"));
    assert_eq!(own.1, HostPattern::Any);
    for name in ["a", "w", "d"] {
        store.apply(&HttpChange::Certificate(certificate(name))).unwrap();
    }
    store.apply(&terminate(exact("a.example.com"), Some("a"))).unwrap();
    store.apply(&terminate(HostPattern::Wildcard("example.com".into()), Some("w"))).unwrap();
    let (a, entry) = shown(&store, Some("a.example.com"));
    assert_eq!(entry, exact("a.example.com"));
    let (w, entry) = shown(&store, Some("b.example.com"));
    assert_eq!(entry, HostPattern::Wildcard("example.com".into()));
    assert!(a != w && a != own.0 && w != own.0);
    // A star is one label, not two and not none.
    for name in [Some("a.b.example.com"), Some("example.com"), Some("com"), Some(""), None] {
        assert_eq!(shown(&store, name), own, "{name:?}");
    }
    let settings = HttpSettings {
        default_certificate: Some(CertificateName::new("default", "d")),
        ..HttpSettings::default()
    };
    store.apply(&HttpChange::Settings(settings.clone().into())).unwrap();
    let (d, entry) = shown(&store, Some("other.test"));
    assert_eq!(entry, HostPattern::Any);
    assert!(d != own.0 && d != a && d != w);
    // An entry whose certificate is not there shows the default one, and stays an entry.
    store.apply(&HttpChange::CertificateGone(CertificateName::new("default", "a"))).unwrap();
    assert_eq!(shown(&store, Some("a.example.com")), (d, exact("a.example.com")));
    store.apply(&HttpChange::CertificateGone(CertificateName::new("default", "d"))).unwrap();
    assert_eq!(shown(&store, None), own);
    store.apply(&HttpChange::ServerNameGone(HostPattern::Wildcard("example.com".into()))).unwrap();
    assert_eq!(shown(&store, Some("b.example.com")), own);
    assert_eq!(store.counts(), (1, 1));
}

#[test]
fn a_certificate_that_is_of_no_use_leaves_the_last_good_one() {
    let store = Store::new().unwrap();
    store.apply(&terminate(exact("a.test"), Some("a"))).unwrap();
    store.apply(&HttpChange::Certificate(certificate("a"))).unwrap();
    let before = shown(&store, Some("a.test"));
    let good = certificate("a");
    for bad in [
        Certificate { key: vec![1, 2, 3], ..good.clone() },
        // The key of another.
        Certificate { key: certificate("b").key, ..good.clone() },
        Certificate { chain: vec![vec![0x30, 0]], ..good.clone() },
    ] {
        store.apply(&HttpChange::Certificate(bad)).unwrap_err();
        assert_eq!(shown(&store, Some("a.test")), before);
    }
    store.apply(&HttpChange::Certificate(good)).unwrap();
    assert_ne!(shown(&store, Some("a.test")).0, before.0);
}

#[test]
fn passthrough_is_by_name() {
    let store = Store::new().unwrap();
    let upstream =
        UpstreamName { service: CertificateName::new("default", "tls"), port: UpstreamPort::Number(443) };
    let action = TlsAction::Passthrough { upstream: upstream.clone(), proxy_protocol: None };
    store.apply(&HttpChange::ServerName(ServerName { host: exact("p.test"), action })).unwrap();
    assert!(matches!(store.choose(Some("p.test")), Chosen::Passthrough(name, None) if name == upstream));
    assert!(matches!(store.choose(Some("q.test")), Chosen::Terminate(..)));
}

#[test]
fn settings_change_versions_and_protocols_of_all() {
    let store = Store::new().unwrap();
    store.apply(&terminate(exact("a.test"), Some("a"))).unwrap();
    store.apply(&HttpChange::Certificate(certificate("a"))).unwrap();
    let settings = HttpSettings { http2: false, tls13_only: true, ..HttpSettings::default() };
    store.apply(&HttpChange::Settings(settings.into())).unwrap();
    for name in ["a.test", "b.test"] {
        let Chosen::Terminate(config, _) = store.choose(Some(name)) else { panic!() };
        assert_eq!(config.alpn_protocols, [b"http/1.1".to_vec()]);
        assert!(config.ticketer.enabled());
    }
}

#[test]
fn rows_say_which_certificate_is_shown_for_which_name() {
    let store = Store::new().unwrap();
    let rows = |store: &Store| -> Vec<(String, Vec<String>)> {
        store.certificates().into_iter().map(|row| (row.certificate, row.server_names)).collect()
    };
    let own = "(the gateway's own)".to_owned();
    assert_eq!(rows(&store), [(own.clone(), vec!["*".to_owned()])]);
    store.apply(&terminate(exact("b.test"), Some("a"))).unwrap();
    store.apply(&terminate(exact("a.test"), Some("a"))).unwrap();
    store.apply(&terminate(exact("c.test"), Some("missing"))).unwrap();
    for name in ["a", "d"] {
        store.apply(&HttpChange::Certificate(certificate(name))).unwrap();
    }
    let [a, d] = ["default/a", "default/d"].map(str::to_owned);
    let both = vec!["a.test".to_owned(), "b.test".to_owned()];
    assert_eq!(
        rows(&store),
        [(own, vec!["*".to_owned(), "c.test".to_owned()]), (a.clone(), both.clone()), (d.clone(), vec![])]
    );
    assert!(store.certificates().iter().all(|row| row.not_after.is_some() && !row.names.is_empty()));
    let settings = HttpSettings {
        default_certificate: Some(CertificateName::new("default", "d")),
        ..HttpSettings::default()
    };
    store.apply(&HttpChange::Settings(settings.into())).unwrap();
    assert_eq!(rows(&store), [(a, both), (d, vec!["*".to_owned(), "c.test".to_owned()])]);
    let explained = store.explain("c.test");
    assert_eq!(
        (explained.server_name.as_str(), explained.certificate.as_deref()),
        ("c.test", Some("default/d"))
    );
    assert_eq!(store.explain("x.test").server_name, "*");
}
