//! What a client may ask.

use sluice_model::http::ClientLimits;

use super::policy::ranges;
use super::values::Values;

/// The most of anything.
const MOST: u32 = 1_000_000;

/// `limit-*`; none where nothing is limited.
pub(super) fn read(values: &mut Values<'_, '_>) -> Option<Box<ClientLimits>> {
    let mut number = |name: &str| values.number(name, 0..=MOST).unwrap_or(0);
    let (per_second, per_minute) = (number("limit-rps"), number("limit-rpm"));
    let connections = number("limit-connections");
    let defaults = ClientLimits::default();
    let burst = values.number("limit-burst-multiplier", 1..=1000).unwrap_or(defaults.burst);
    let exempt = ranges(values, &["limit-allowlist", "limit-whitelist"]);
    let limits = ClientLimits { per_second, per_minute, burst, connections, exempt };
    (per_second > 0 || per_minute > 0 || connections > 0).then(|| Box::new(limits))
}
