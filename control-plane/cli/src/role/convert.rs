//! The packet path's part of the configuration, in the packet path's own words.

use sluice_config::{self as file, Config};
use sluice_runtime::config::{self as runtime, DataplaneConfig, PortConfig, RouteConfig};

/// What the packet path is told at its start.
pub(crate) fn dataplane_config(config: &Config) -> DataplaneConfig {
    let file::Dataplane { lcores, memory_mib, huge_pages, flows, idle, ports, routes, eal_arguments } =
        &config.dataplane;
    DataplaneConfig {
        lcores: lcores.clone(),
        memory_mib: *memory_mib,
        huge_pages: match huge_pages {
            file::HugePages::Auto => runtime::HugePages::Auto,
            file::HugePages::Required => runtime::HugePages::Required,
            file::HugePages::Never => runtime::HugePages::Never,
        },
        flows: *flows,
        idle: match idle {
            file::Idle::Poll => runtime::Idle::Poll,
            file::Idle::Sleep => runtime::Idle::Sleep,
        },
        ports: ports.iter().map(port).collect(),
        routes: routes.iter().map(|r| route(r, ports)).collect(),
        runtime_dir: config.runtime_dir.clone(),
        state_dir: Some(config.state_dir.clone()),
        feed: config.feed_socket(),
        admin_group: config.group,
        metrics: config.metrics.dataplane,
        query_log: config.resolver.as_ref().and_then(|resolver| resolver.serving.log.as_ref()?.file.clone()),
        eal_arguments: eal_arguments.clone(),
        ..DataplaneConfig::default()
    }
}

fn port(port: &file::Port) -> PortConfig {
    PortConfig {
        name: port.name.clone(),
        device: port.device.clone(),
        queues: match port.queues {
            file::Queues::Auto => runtime::Queues::Auto,
            file::Queues::Count(count) => runtime::Queues::Count(count),
        },
        addresses: port.addresses.clone(),
        mtu: port.mtu,
    }
}

fn route(route: &file::Route, ports: &[file::Port]) -> RouteConfig {
    RouteConfig { to: route.to, via: route.via, port: ports.get(route.port).map(|port| port.name.clone()) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_example_configurations_arrive_complete_and_pass_the_packet_paths_own_check() {
        for name in ["demo.yaml", "sluice.yaml"] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs").join(name);
            let config = Config::load(&path).unwrap();
            let made = dataplane_config(&config);
            made.check().unwrap();
            assert_eq!(made.lcores, config.dataplane.lcores);
            assert_eq!(made.ports.len(), 2);
            assert_eq!(made.ports[0].addresses, config.dataplane.ports[0].addresses);
            assert_eq!(made.admin_socket(), config.admin_socket("dataplane"));
            assert_eq!(made.feed, config.feed_socket());
            assert_eq!(made.routes[0].port.as_deref(), Some("cluster"));
            assert_eq!(made.routes[0].via, config.dataplane.routes[0].via);
        }
    }

    #[test]
    fn every_choice_has_its_counterpart() {
        let text = "node: a\nstate_dir: /s\nruntime_dir: /r\ngroup: 7\ndataplane:\n  lcores: [2, 3]\n  memory: 1GiB\n  \
                    huge_pages: required\n  idle: sleep\n  flows: 4096\n  eal_arguments: []\n  \
                    ports: [{ name: p, device: net_null0, queues: 3, mtu: 9000 }]\nsource: { manifests: m }\n\
                    dns: { addresses: [10.96.0.10], log: { file: queries.log } }\nservices: { cluster_cidrs: [10.0.0.0/8] }\n";
        let made = dataplane_config(&Config::parse(text, Path::new("/x/y.yaml")).unwrap());
        assert_eq!(made.memory_mib, 1024);
        assert_eq!(made.huge_pages, runtime::HugePages::Required);
        assert_eq!(made.idle, runtime::Idle::Sleep);
        assert_eq!((made.flows, made.admin_group), (4096, Some(7)));
        assert_eq!(made.ports[0].queues, runtime::Queues::Count(3));
        assert_eq!(made.ports[0].mtu, 9000);
        assert_eq!(made.flows_dir(), Path::new("/s/flows"));
        assert_eq!(made.query_log.as_deref(), Some(Path::new("/x/queries.log")));
    }
}
