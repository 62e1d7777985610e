//! `cache`.

use sluice_model::resolver::{self, CacheSide};

use super::{Run, texts};
use crate::corefile::Placed;
use crate::plugins::{Cache, Keep};

/// The longest that anything is kept, in seconds: a week.
const LONGEST: u32 = 604_800;
/// The most answers that are kept of one kind.
const MOST: u64 = 10_000_000;

impl Run<'_> {
    pub(super) fn cache(&mut self, cache: &Cache, placed: &Placed) -> resolver::Cache {
        let default = resolver::Cache::default();
        if let Some(stale) = &cache.serve_stale {
            let line = placed.line("serve_stale");
            if !stale.ttl.is_zero() && stale.ttl.as_secs() != 30 {
                self.warn(line, "expired answers have a TTL of 30 s here (RFC 8767)");
            }
            if !stale.recheck.is_zero() {
                self.warn(line, "how long a failed refresh is not repeated is what `servfail` says here");
            }
            if stale.verify.is_some_and(|time| !time.is_zero()) {
                self.warn(line, "upstreams have 1.8 s to verify an expired answer here (RFC 8767)");
            }
            if stale.prefer_positive {
                self.warn(
                    placed.line("serve_stale_policy"),
                    "a fresh NXDOMAIN replaces an expired answer here",
                );
            }
        }
        let (success, denial) = (&cache.success, &cache.denial);
        resolver::Cache {
            zones: texts(&cache.zones),
            success: self.side(success, default.success.bytes, placed),
            denial: self.side(denial, default.denial.bytes, placed),
            disable_success: texts(&success.except),
            disable_denial: texts(&denial.except),
            servfail: cache.servfail,
            prefetch: cache.prefetch.map(|prefetch| resolver::Prefetch {
                amount: prefetch.queries,
                window: prefetch.within,
                percentage: prefetch.percentage,
            }),
            serve_stale: cache
                .serve_stale
                .map(|stale| resolver::ServeStale { max_age: stale.up_to, verify: stale.verify.is_some() }),
            keep_ttl: cache.keepttl,
        }
    }

    fn side(&mut self, keep: &Keep, bytes: usize, placed: &Placed) -> CacheSide {
        if keep.capacity > MOST {
            self.warn(&placed.place, format!("{MOST} answers of a kind are kept at most"));
        }
        if keep.most > LONGEST {
            self.warn(&placed.place, format!("answers are kept for {LONGEST} s, a week, at most"));
        }
        if keep.least > keep.most {
            self.warn(&placed.place, "the shortest time is above the longest, which counts");
        }
        let max_ttl = keep.most.min(LONGEST);
        CacheSide {
            entries: usize::try_from(keep.capacity.min(MOST)).unwrap_or(usize::MAX),
            bytes,
            max_ttl,
            min_ttl: keep.least.min(max_ttl),
        }
    }
}
