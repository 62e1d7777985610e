/* What Rust needs of DPDK that bindgen cannot give it: the static inlines of the packet path (called once per
 * burst), values that are only macros, and structures whose layout differs between DPDK 22.11 and 24.11. */
#ifndef SLUICE_SHIM_H
#define SLUICE_SHIM_H

#include <stddef.h>
#include <stdint.h>

#include <rte_config.h>
#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_bus.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_memzone.h>
#include <rte_ring.h>
#include <rte_version.h>

/* The fields of `struct rte_mbuf` that Rust reads and writes per packet. 24.11 wrapped them in new anonymous unions,
 * so the names' paths differ between the versions while the layout does not; shim.c asserts the layout. */
struct sluice_mbuf {
	void *buf_addr;
	uint64_t buf_iova;
	uint16_t data_off;
	uint16_t refcnt;
	uint16_t nb_segs;
	uint16_t port;
	uint64_t ol_flags;
	uint32_t packet_type;
	uint32_t pkt_len;
	uint16_t data_len;
	uint16_t vlan_tci;
	uint32_t rss_hash;
	uint32_t hash_hi;
	uint16_t vlan_tci_outer;
	uint16_t buf_len;
	struct rte_mempool *pool;
	struct sluice_mbuf *next;
	uint64_t tx_offload;
	void *shinfo;
	uint16_t priv_size;
	uint16_t timesync;
	uint32_t dynfield1[9];
};

/* `struct rte_eth_link` without its bit fields, which 24.11 moved into a union. */
struct sluice_link {
	uint32_t speed_mbps;
	uint8_t up;
	uint8_t full_duplex;
	uint8_t autoneg;
};

/* Receives DPDK's log lines: level (1 worst … 8), bytes, length. */
typedef void (*sluice_log_sink)(uint32_t level, const char *line, size_t len);

uint16_t sluice_rx_burst(uint16_t port, uint16_t queue, struct sluice_mbuf **mbufs, uint16_t n);
uint16_t sluice_tx_burst(uint16_t port, uint16_t queue, struct sluice_mbuf **mbufs, uint16_t n);
/* Frees what the driver has finished sending, up to `n`; negative errno where the driver cannot. */
int sluice_tx_done_cleanup(uint16_t port, uint16_t queue, uint32_t n);

struct sluice_mbuf *sluice_mbuf_alloc(struct rte_mempool *pool);
/* All `n` or none: 0, or a negative errno. */
int sluice_mbuf_alloc_bulk(struct rte_mempool *pool, struct sluice_mbuf **mbufs, unsigned int n);
void sluice_mbuf_free(struct sluice_mbuf *mbuf);
void sluice_mbuf_free_bulk(struct sluice_mbuf **mbufs, unsigned int n);
/* One segment out of many, in place: 0, or -1 where the first segment's tailroom is too small. */
int sluice_mbuf_linearize(struct sluice_mbuf *mbuf);
/* Appends `tail` to `head`: 0, or a negative errno where there would be too many segments. */
int sluice_mbuf_chain(struct sluice_mbuf *head, struct sluice_mbuf *tail);

unsigned int sluice_ring_enqueue_burst(struct rte_ring *ring, struct sluice_mbuf **mbufs, unsigned int n);
unsigned int sluice_ring_dequeue_burst(struct rte_ring *ring, struct sluice_mbuf **mbufs, unsigned int n);

/* Thread-locals of DPDK. */
int sluice_errno(void);
void sluice_errno_set(int number);
unsigned int sluice_lcore_id(void);

/* 0, or a negative errno. */
int sluice_link(uint16_t port, struct sluice_link *link);

/* Bytes of one memory chunk that holds `n` objects of the pool back to back; also the chunk's alignment. */
ssize_t sluice_mempool_chunk_size(const struct rte_mempool *pool, uint32_t n, size_t *align);
/* Fills the pool, made with SLUICE_MEMPOOL_F_NO_IOVA_CONTIG, from one memzone; only right where IOVA = VA.
 * The number of objects added, or a negative errno. */
int sluice_mempool_populate_dense(struct rte_mempool *pool, const struct rte_memzone *zone);
/* Sets an mbuf pool's per-pool parameters and initialises its mbufs (which must be there already). */
void sluice_mempool_init_mbufs(struct rte_mempool *pool);
uint32_t sluice_mempool_size(const struct rte_mempool *pool);
uint32_t sluice_mempool_populated(const struct rte_mempool *pool);

/* Sends every log line to `sink` from now on: 0, or a negative errno. */
int sluice_log_redirect(sluice_log_sink sink);

/* Makes every real-time signal that nobody handles look taken, and undoes it. The TAP driver takes the first free one
 * when it makes a queue, to be told of each packet; finding none, it reads whenever it is polled. Not thread-safe. */
void sluice_signals_hide(void);
void sluice_signals_show(void);

/* Macros as typed constants. */
static const uint32_t SLUICE_VERSION = RTE_VERSION;
static const uint32_t SLUICE_MBUF_HEADROOM = RTE_PKTMBUF_HEADROOM;
static const uint32_t SLUICE_MEMPOOL_CACHE_MAX = RTE_MEMPOOL_CACHE_MAX_SIZE;
static const uint32_t SLUICE_MEMPOOL_F_NO_IOVA_CONTIG = RTE_MEMPOOL_F_NO_IOVA_CONTIG;
static const uint32_t SLUICE_LCORE_ID_ANY = LCORE_ID_ANY;
static const int32_t SLUICE_SOCKET_ID_ANY = SOCKET_ID_ANY;
static const uint32_t SLUICE_RING_F_SC_DEQ = RING_F_SC_DEQ;
static const uint32_t SLUICE_LOG_ERR = RTE_LOG_ERR;
static const uint32_t SLUICE_XSTAT_NAME_SIZE = RTE_ETH_XSTATS_NAME_SIZE;
static const uint32_t SLUICE_RETA_GROUP = RTE_ETH_RETA_GROUP_SIZE;
static const uint32_t SLUICE_STAT_QUEUES = RTE_ETHDEV_QUEUE_STAT_CNTRS;

static const uint64_t SLUICE_RX_IP_CKSUM_MASK = RTE_MBUF_F_RX_IP_CKSUM_MASK;
static const uint64_t SLUICE_RX_IP_CKSUM_GOOD = RTE_MBUF_F_RX_IP_CKSUM_GOOD;
static const uint64_t SLUICE_RX_IP_CKSUM_BAD = RTE_MBUF_F_RX_IP_CKSUM_BAD;
static const uint64_t SLUICE_RX_IP_CKSUM_NONE = RTE_MBUF_F_RX_IP_CKSUM_NONE;
static const uint64_t SLUICE_RX_L4_CKSUM_MASK = RTE_MBUF_F_RX_L4_CKSUM_MASK;
static const uint64_t SLUICE_RX_L4_CKSUM_GOOD = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
static const uint64_t SLUICE_RX_L4_CKSUM_BAD = RTE_MBUF_F_RX_L4_CKSUM_BAD;
static const uint64_t SLUICE_RX_L4_CKSUM_NONE = RTE_MBUF_F_RX_L4_CKSUM_NONE;
static const uint64_t SLUICE_RX_VLAN = RTE_MBUF_F_RX_VLAN;
static const uint64_t SLUICE_RX_VLAN_STRIPPED = RTE_MBUF_F_RX_VLAN_STRIPPED;
static const uint64_t SLUICE_RX_RSS_HASH = RTE_MBUF_F_RX_RSS_HASH;
static const uint64_t SLUICE_MBUF_INDIRECT = RTE_MBUF_F_INDIRECT;
static const uint64_t SLUICE_MBUF_EXTERNAL = RTE_MBUF_F_EXTERNAL;
static const uint64_t SLUICE_TX_IPV4 = RTE_MBUF_F_TX_IPV4;
static const uint64_t SLUICE_TX_IPV6 = RTE_MBUF_F_TX_IPV6;
static const uint64_t SLUICE_TX_IP_CKSUM = RTE_MBUF_F_TX_IP_CKSUM;
static const uint64_t SLUICE_TX_L4_MASK = RTE_MBUF_F_TX_L4_MASK;
static const uint64_t SLUICE_TX_TCP_CKSUM = RTE_MBUF_F_TX_TCP_CKSUM;
static const uint64_t SLUICE_TX_UDP_CKSUM = RTE_MBUF_F_TX_UDP_CKSUM;
static const uint64_t SLUICE_TX_SCTP_CKSUM = RTE_MBUF_F_TX_SCTP_CKSUM;
static const uint32_t SLUICE_TX_L2_LEN_BITS = RTE_MBUF_L2_LEN_BITS;
static const uint32_t SLUICE_TX_L3_LEN_BITS = RTE_MBUF_L3_LEN_BITS;

static const uint64_t SLUICE_RX_OFFLOAD_VLAN_STRIP = RTE_ETH_RX_OFFLOAD_VLAN_STRIP;
static const uint64_t SLUICE_RX_OFFLOAD_IPV4_CKSUM = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM;
static const uint64_t SLUICE_RX_OFFLOAD_UDP_CKSUM = RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
static const uint64_t SLUICE_RX_OFFLOAD_TCP_CKSUM = RTE_ETH_RX_OFFLOAD_TCP_CKSUM;
static const uint64_t SLUICE_RX_OFFLOAD_SCTP_CKSUM = RTE_ETH_RX_OFFLOAD_SCTP_CKSUM;
static const uint64_t SLUICE_RX_OFFLOAD_SCATTER = RTE_ETH_RX_OFFLOAD_SCATTER;
static const uint64_t SLUICE_RX_OFFLOAD_RSS_HASH = RTE_ETH_RX_OFFLOAD_RSS_HASH;
static const uint64_t SLUICE_TX_OFFLOAD_IPV4_CKSUM = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM;
static const uint64_t SLUICE_TX_OFFLOAD_UDP_CKSUM = RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
static const uint64_t SLUICE_TX_OFFLOAD_TCP_CKSUM = RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
static const uint64_t SLUICE_TX_OFFLOAD_SCTP_CKSUM = RTE_ETH_TX_OFFLOAD_SCTP_CKSUM;
static const uint64_t SLUICE_TX_OFFLOAD_MULTI_SEGS = RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
static const uint64_t SLUICE_TX_OFFLOAD_MBUF_FAST_FREE = RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;

static const uint64_t SLUICE_RSS_IPV4 = RTE_ETH_RSS_IPV4;
static const uint64_t SLUICE_RSS_FRAG_IPV4 = RTE_ETH_RSS_FRAG_IPV4;
static const uint64_t SLUICE_RSS_IPV4_TCP = RTE_ETH_RSS_NONFRAG_IPV4_TCP;
static const uint64_t SLUICE_RSS_IPV4_UDP = RTE_ETH_RSS_NONFRAG_IPV4_UDP;
static const uint64_t SLUICE_RSS_IPV4_SCTP = RTE_ETH_RSS_NONFRAG_IPV4_SCTP;
static const uint64_t SLUICE_RSS_IPV4_OTHER = RTE_ETH_RSS_NONFRAG_IPV4_OTHER;
static const uint64_t SLUICE_RSS_IPV6 = RTE_ETH_RSS_IPV6;
static const uint64_t SLUICE_RSS_FRAG_IPV6 = RTE_ETH_RSS_FRAG_IPV6;
static const uint64_t SLUICE_RSS_IPV6_TCP = RTE_ETH_RSS_NONFRAG_IPV6_TCP;
static const uint64_t SLUICE_RSS_IPV6_UDP = RTE_ETH_RSS_NONFRAG_IPV6_UDP;
static const uint64_t SLUICE_RSS_IPV6_SCTP = RTE_ETH_RSS_NONFRAG_IPV6_SCTP;
static const uint64_t SLUICE_RSS_IPV6_OTHER = RTE_ETH_RSS_NONFRAG_IPV6_OTHER;
static const uint32_t SLUICE_MQ_RX_NONE = RTE_ETH_MQ_RX_NONE;
static const uint32_t SLUICE_MQ_RX_RSS = RTE_ETH_MQ_RX_RSS;

#endif
