/* See shim.h. Every function here is a thin call of a DPDK static inline, or hides a layout that changed. */
#define _GNU_SOURCE
#include "shim.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>

#define SAME_FIELD(ours, theirs)                                                                                 \
	_Static_assert(offsetof(struct sluice_mbuf, ours) == offsetof(struct rte_mbuf, theirs) &&                 \
			       sizeof(((struct sluice_mbuf *)0)->ours) == sizeof(((struct rte_mbuf *)0)->theirs),  \
		       "rte_mbuf." #theirs " is not where Sluice expects it: this DPDK build has another mbuf layout")

SAME_FIELD(buf_addr, buf_addr);
SAME_FIELD(buf_iova, buf_iova);
SAME_FIELD(data_off, data_off);
SAME_FIELD(refcnt, refcnt);
SAME_FIELD(nb_segs, nb_segs);
SAME_FIELD(port, port);
SAME_FIELD(ol_flags, ol_flags);
SAME_FIELD(packet_type, packet_type);
SAME_FIELD(pkt_len, pkt_len);
SAME_FIELD(data_len, data_len);
SAME_FIELD(vlan_tci, vlan_tci);
SAME_FIELD(rss_hash, hash.rss);
SAME_FIELD(vlan_tci_outer, vlan_tci_outer);
SAME_FIELD(buf_len, buf_len);
SAME_FIELD(pool, pool);
SAME_FIELD(next, next);
SAME_FIELD(tx_offload, tx_offload);
SAME_FIELD(shinfo, shinfo);
SAME_FIELD(priv_size, priv_size);
SAME_FIELD(timesync, timesync);
SAME_FIELD(dynfield1, dynfield1);
_Static_assert(sizeof(struct sluice_mbuf) == sizeof(struct rte_mbuf), "rte_mbuf has another size");

uint16_t sluice_rx_burst(uint16_t port, uint16_t queue, struct sluice_mbuf **mbufs, uint16_t n)
{
	return rte_eth_rx_burst(port, queue, (struct rte_mbuf **)mbufs, n);
}

uint16_t sluice_tx_burst(uint16_t port, uint16_t queue, struct sluice_mbuf **mbufs, uint16_t n)
{
	return rte_eth_tx_burst(port, queue, (struct rte_mbuf **)mbufs, n);
}

int sluice_tx_done_cleanup(uint16_t port, uint16_t queue, uint32_t n)
{
	return rte_eth_tx_done_cleanup(port, queue, n);
}

struct sluice_mbuf *sluice_mbuf_alloc(struct rte_mempool *pool)
{
	return (struct sluice_mbuf *)rte_pktmbuf_alloc(pool);
}

int sluice_mbuf_alloc_bulk(struct rte_mempool *pool, struct sluice_mbuf **mbufs, unsigned int n)
{
	return rte_pktmbuf_alloc_bulk(pool, (struct rte_mbuf **)mbufs, n);
}

void sluice_mbuf_free(struct sluice_mbuf *mbuf)
{
	rte_pktmbuf_free((struct rte_mbuf *)mbuf);
}

void sluice_mbuf_free_bulk(struct sluice_mbuf **mbufs, unsigned int n)
{
	rte_pktmbuf_free_bulk((struct rte_mbuf **)mbufs, n);
}

int sluice_mbuf_linearize(struct sluice_mbuf *mbuf)
{
	return rte_pktmbuf_linearize((struct rte_mbuf *)mbuf);
}

int sluice_mbuf_chain(struct sluice_mbuf *head, struct sluice_mbuf *tail)
{
	return rte_pktmbuf_chain((struct rte_mbuf *)head, (struct rte_mbuf *)tail);
}

unsigned int sluice_ring_enqueue_burst(struct rte_ring *ring, struct sluice_mbuf **mbufs, unsigned int n)
{
	return rte_ring_enqueue_burst(ring, (void *const *)mbufs, n, NULL);
}

unsigned int sluice_ring_dequeue_burst(struct rte_ring *ring, struct sluice_mbuf **mbufs, unsigned int n)
{
	return rte_ring_dequeue_burst(ring, (void **)mbufs, n, NULL);
}

int sluice_errno(void)
{
	return rte_errno;
}

void sluice_errno_set(int number)
{
	rte_errno = number;
}

unsigned int sluice_lcore_id(void)
{
	return rte_lcore_id();
}

int sluice_link(uint16_t port, struct sluice_link *link)
{
	struct rte_eth_link raw = {0};
	int rc = rte_eth_link_get_nowait(port, &raw);

	if (rc == 0) {
		link->speed_mbps = raw.link_speed;
		link->up = raw.link_status;
		link->full_duplex = raw.link_duplex;
		link->autoneg = raw.link_autoneg;
	}
	return rc;
}

ssize_t sluice_mempool_chunk_size(const struct rte_mempool *pool, uint32_t n, size_t *align)
{
	size_t min_chunk;

	return rte_mempool_op_calc_mem_size_helper(pool, n, 0, 0, &min_chunk, align);
}

static void free_zone(struct rte_mempool_memhdr *header, void *zone)
{
	(void)header;
	rte_memzone_free(zone);
}

int sluice_mempool_populate_dense(struct rte_mempool *pool, const struct rte_memzone *zone)
{
	return rte_mempool_populate_iova(pool, zone->addr, zone->iova, zone->len, free_zone, (void *)(uintptr_t)zone);
}

void sluice_mempool_init_mbufs(struct rte_mempool *pool)
{
	rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
}

uint32_t sluice_mempool_size(const struct rte_mempool *pool)
{
	return pool->size;
}

uint32_t sluice_mempool_populated(const struct rte_mempool *pool)
{
	return pool->populated_size;
}

static sluice_log_sink the_sink;

static ssize_t write_log(void *cookie, const char *line, size_t len)
{
	int level = rte_log_cur_msg_loglevel();

	(void)cookie;
	the_sink(level < 0 ? RTE_LOG_INFO : (uint32_t)level, line, len);
	return (ssize_t)len;
}

int sluice_log_redirect(sluice_log_sink sink)
{
	cookie_io_functions_t io = { .write = write_log };
	FILE *stream;

	the_sink = sink;
	stream = fopencookie(NULL, "w", io);
	if (stream == NULL)
		return -errno;
	/* DPDK flushes after every message, so a line arrives with the level it was logged at. */
	setvbuf(stream, NULL, _IOLBF, 1024);
	return rte_openlog_stream(stream);
}

static sigset_t hidden;

void sluice_signals_hide(void)
{
	struct sigaction action;
	int number;

	sigemptyset(&hidden);
	for (number = SIGRTMIN; number <= SIGRTMAX; number++) {
		if (sigaction(number, NULL, &action) != 0 || action.sa_handler != SIG_DFL)
			continue;
		if (signal(number, SIG_IGN) != SIG_ERR)
			sigaddset(&hidden, number);
	}
}

void sluice_signals_show(void)
{
	int number;

	for (number = SIGRTMIN; number <= SIGRTMAX; number++)
		if (sigismember(&hidden, number) == 1)
			signal(number, SIG_DFL);
	sigemptyset(&hidden);
}
