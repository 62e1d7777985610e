use clap::{CommandFactory, Parser};

use super::*;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split_whitespace())
}

#[test]
fn the_definition_holds_together() {
    Cli::command().debug_assert();
}

#[test]
fn what_is_right_is_taken() {
    for line in [
        "sluice run -c a.yaml",
        "sluice run --config a.yaml --log debug --log-format json --grace 3",
        "sluice dataplane -c a.yaml --log info,sluice_runtime=debug",
        "sluice control -c a.yaml --supervisor 12",
        "sluice check a.yaml -o json",
        "sluice -o yaml check a.yaml",
        "sluice dns import Corefile",
        "sluice dns import - -o json --custom a.yaml --pillar LOCAL__DNS=169.254.20.10 --pillar DNS__DOMAIN=c",
        "sluice doctor",
        "sluice doctor -c a.yaml",
        "sluice show status",
        "sluice show services",
        "sluice show services web -n shop",
        "sluice show backends shop/web",
        "sluice show endpoints",
        "sluice show flows --address 192.0.2.1 --port 80 --proto TCP --service a/b --limit 5",
        "sluice show ports",
        "sluice show routes -o json",
        "sluice show neighbours",
        "sluice show dns zones",
        "sluice show dns clients -o json",
        "sluice show dns cache -o json",
        "sluice show dns upstreams -c a.yaml --watch 2",
        "sluice show http routes",
        "sluice show http routes shop.example -o yaml",
        "sluice show http certificates -o json",
        "sluice show http upstreams --watch 1",
        "sluice explain http https://shop.example/a?b=c",
        "sluice explain http shop.example --client 2001:db8::1 -c a.yaml -o json",
        "sluice show neighbors",
        "sluice show counters --all --per-lcore no_route",
        "sluice show lcores --watch 2 --runtime-dir /tmp/x",
        "sluice show -w 2 -c a.yaml lcores",
        "sluice show lcores -c a.yaml",
        "sluice explain 192.0.2.1 192.0.2.10 tcp 80",
        "sluice explain 2001:db8::1 2001:db8::2 SCTP 80 --sport 4000 -c a.yaml",
        "sluice trace",
        "sluice trace --src 192.0.2.0/24 --dst 2001:db8::1 --proto icmpv6 --port 80 --count 3 --seconds 9",
        "sluice version -o json",
        "sluice completions bash",
        "sluice completions fish dir",
        "sluice man",
        "sluice man dir",
    ] {
        parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    }
}

#[test]
fn what_is_wrong_is_not() {
    for line in [
        "sluice",
        "sluice start",
        "sluice dns",
        "sluice dns import",
        "sluice dns import Corefile --pillar LOCAL__DNS",
        "sluice dns import Corefile --pillar LOCAL=a",
        "sluice run -c",
        "sluice show",
        "sluice show everything",
        "sluice show dns",
        "sluice show dns everything",
        "sluice show http",
        "sluice show http routes a b",
        "sluice explain",
        "sluice explain http",
        "sluice explain http ftp://shop.example/",
        "sluice explain http http://shop.example/ --client x",
        "sluice show flows --limit 0",
        "sluice show flows --proto icmp",
        "sluice show lcores --watch 0",
        "sluice explain 192.0.2.1 192.0.2.10 tcp",
        "sluice explain 192.0.2.1 192.0.2.10 icmp 80",
        "sluice explain 192.0.2.1 192.0.2.10 tcp 0",
        "sluice explain web 192.0.2.10 tcp 80",
        "sluice trace --count 0",
        "sluice trace --seconds 0",
        "sluice trace --proto 256",
        "sluice trace --src 192.0.2.0/33",
        "sluice completions csh",
        "sluice version -o xml",
        "sluice run -c a.yaml --grace 0",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
}

#[test]
fn a_packet_and_a_request_to_explain_arrive() {
    let explain = |line: &str| match parse(line).unwrap().command {
        Command::Explain(args) => args,
        other => panic!("{other:?}"),
    };
    let args = explain("sluice explain 192.0.2.1 192.0.2.10 tcp 80 --sport 4000 -c a.yaml");
    assert!(args.what.is_none());
    let PacketArgs { source, destination, protocol, port, sport, config } = args.packet;
    assert_eq!(
        (source.unwrap().to_string(), destination.unwrap().to_string()),
        ("192.0.2.1".into(), "192.0.2.10".into())
    );
    assert_eq!((protocol.unwrap(), port, sport), (sluice_model::Protocol::Tcp, Some(80), Some(4000)));
    assert_eq!(config.config.unwrap().to_string_lossy(), "a.yaml");
    let args = explain("sluice explain http https://shop.example/a --client 192.0.2.1 -c a.yaml");
    let Some(ExplainWhat::Http(http)) = args.what else { panic!("a packet") };
    assert_eq!(
        (http.url.host.as_str(), http.client.unwrap().to_string()),
        ("shop.example", "192.0.2.1".to_owned())
    );
    assert!(http.config.config.is_some());
}

#[test]
fn values_arrive() {
    let Command::Trace(trace) = parse("sluice trace --src 192.0.2.7 --proto 58").unwrap().command else {
        panic!("another command");
    };
    assert_eq!(trace.src.unwrap().to_string(), "192.0.2.7/32");
    assert_eq!((trace.proto, trace.count, trace.seconds), (Some(58), 100, 60));
    let Command::Show(show) = parse("sluice show backends shop/web -c a.yaml").unwrap().command else {
        panic!("another command");
    };
    let Show::Backends(what) = show.what else { panic!("another table") };
    assert_eq!(what.parts(), (Some("shop".into()), Some("web".into())));
    let file: ConfigFile = show.config.into();
    assert_eq!(file.config.unwrap(), std::path::Path::new("a.yaml"));
}

/// All pages, as they are printed.
fn pages() -> Vec<(String, String)> {
    let mut command = Cli::command();
    command.build();
    let mut all = vec![("sluice".to_owned(), command.render_long_help().to_string())];
    for sub in command.get_subcommands_mut().filter(|sub| sub.get_name() != "help") {
        all.push((sub.get_name().to_owned(), sub.render_long_help().to_string()));
    }
    all
}

#[test]
fn every_help_page_teaches_by_examples() {
    for (name, page) in pages() {
        assert!(page.contains("Example"), "{name}");
        assert!(page.contains("  sluice "), "{name}");
    }
}

#[test]
fn help_says_what_people_look_for() {
    let pages = pages();
    // Lines are broken wherever the terminal ends.
    let page = |name: &str| {
        let (_, page) = pages.iter().find(|(page, _)| page == name).unwrap();
        page.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    for (name, phrases) in [
        ("sluice", &["SLUICE_CONFIG", "Exit codes (sysexits.h)", "/run/sluice", "edge gateway"][..]),
        ("run", &["SIGTERM", "--grace", "--log-format", "SLUICE_LOG"]),
        ("dataplane", &["takes its connections over"]),
        ("control", &["Needs no privileges"]),
        ("proxy", &["asks upstreams", "over TCP"]),
        ("check", &["file, line and key", "65", "Opens no port"]),
        ("doctor", &["huge pages", "Changes nothing", "69"]),
        ("show", &["counters", "flows", "neighbours", "--watch"]),
        ("explain", &["--sport", "Nothing is sent"]),
        ("trace", &["--count", "--seconds", "drop reasons"]),
        ("version", &["DPDK"]),
        ("completions", &["/etc/bash_completion.d"]),
        ("man", &["man1"]),
    ] {
        for phrase in phrases {
            assert!(page(name).contains(phrase), "{name}: {phrase}\n{}", page(name));
        }
    }
    assert!(!page("dataplane").contains("--supervisor"), "for supervisors alone");
}
