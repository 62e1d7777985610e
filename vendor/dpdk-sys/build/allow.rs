//! The names that are bound: everything `sluice-dpdk` calls and nothing else.

/// Functions with an address of their own; static inlines come through `csrc/shim.h`.
pub const FUNCTIONS: &[&str] = &[
    "sluice_.*",
    // EAL
    "rte_eal_init",
    "rte_eal_cleanup",
    "rte_eal_has_hugepages",
    "rte_eal_iova_mode",
    "rte_eal_get_runtime_dir",
    "rte_strerror",
    "rte_version",
    "rte_log_set_global_level",
    "rte_thread_register",
    "rte_thread_unregister",
    "rte_get_tsc_hz",
    // devices
    "rte_dev_probe",
    "rte_dev_remove",
    "rte_dev_name",
    "rte_dev_bus",
    "rte_bus_name",
    // memory
    "rte_memzone_reserve_aligned",
    "rte_memzone_free",
    "rte_mempool_create_empty",
    "rte_mempool_set_ops_byname",
    "rte_mempool_populate_default",
    "rte_mempool_free",
    "rte_mempool_avail_count",
    "rte_pktmbuf_pool_init",
    "rte_ring_create",
    "rte_ring_free",
    "rte_ring_get_memsize",
    // ports
    "rte_eth_dev_get_port_by_name",
    "rte_eth_dev_get_name_by_port",
    "rte_eth_dev_socket_id",
    "rte_eth_dev_info_get",
    "rte_eth_dev_configure",
    "rte_eth_dev_adjust_nb_rx_tx_desc",
    "rte_eth_rx_queue_setup",
    "rte_eth_tx_queue_setup",
    "rte_eth_dev_start",
    "rte_eth_dev_stop",
    "rte_eth_dev_close",
    "rte_eth_dev_get_mtu",
    "rte_eth_dev_set_mtu",
    "rte_eth_dev_set_link_up",
    "rte_eth_dev_set_link_down",
    "rte_eth_macaddr_get",
    "rte_eth_dev_default_mac_addr_set",
    "rte_eth_promiscuous_enable",
    "rte_eth_promiscuous_disable",
    "rte_eth_promiscuous_get",
    "rte_eth_allmulticast_enable",
    "rte_eth_allmulticast_disable",
    "rte_eth_allmulticast_get",
    "rte_eth_stats_get",
    "rte_eth_stats_reset",
    "rte_eth_xstats_get",
    "rte_eth_xstats_get_names",
    "rte_eth_xstats_reset",
    "rte_eth_dev_rss_hash_conf_get",
    "rte_eth_dev_rss_hash_update",
    "rte_eth_dev_rss_reta_query",
    "rte_eth_dev_rss_reta_update",
];

/// Types that no listed function names by itself.
pub const TYPES: &[&str] = &["rte_pktmbuf_pool_private", "rte_iova_mode"];

/// The shim's typed constants.
pub const CONSTANTS: &[&str] = &["SLUICE_.*"];

/// Types only ever handled by pointer: their insides are not bound, since nothing in Rust may touch them.
pub const OPAQUE: &[&str] = &["rte_mempool", "rte_ring", "rte_mbuf", "rte_device", "rte_bus", "rte_memzone"];
