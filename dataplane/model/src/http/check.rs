//! The rules that values of HTTP obey.

use super::{Action, HttpChange, MAX_TICKET_KEYS, Route, TicketKey, Upstream, VirtualHost};
use crate::Invalid;
use crate::check::{MAX_ADDRESSES, MAX_ENDPOINTS};

/// The most routes of a host.
pub const MAX_ROUTES: usize = 65_536;
/// The longest path, pattern or value in a route, in bytes.
const MAX_TEXT: usize = 4096;
/// The most certificates of a chain.
const MAX_CHAIN: usize = 32;
/// The longest certificate or key, in bytes.
const MAX_DER: usize = 1 << 20;

impl HttpChange {
    /// Whether its object obeys all rules.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn check(&self) -> Result<(), Invalid> {
        let broken = match self {
            Self::Host(host) => host.broken_rule(),
            Self::Upstream(upstream) => upstream.broken_rule(),
            Self::Certificate(certificate) => {
                let parts = certificate.chain.iter().chain([&certificate.key]);
                (certificate.chain.is_empty() || certificate.chain.len() > MAX_CHAIN)
                    .then_some("the chain is empty or too long")
                    .or_else(|| {
                        parts.into_iter().any(|der| der.len() > MAX_DER).then_some("a part is too long")
                    })
            }
            Self::Settings(settings) => {
                let addresses = [settings.http.len(), settings.https.len()];
                let networks = [settings.trusted.len(), settings.proxy_protocol.len()];
                let long = addresses.iter().chain(&networks).any(|&length| length > MAX_ADDRESSES);
                let keys = &settings.ticket_keys;
                let odd = keys.len() > MAX_TICKET_KEYS || !keys.iter().all(TicketKey::is_sound);
                long.then_some("a list is too long").or(odd.then_some("keys of tickets are too many or odd"))
            }
            _ => None,
        };
        broken.map_or(Ok(()), |rule| Err(Invalid::Http { object: self.key().to_string(), rule }))
    }
}

impl VirtualHost {
    fn broken_rule(&self) -> Option<&'static str> {
        if self.routes.len() > MAX_ROUTES {
            return Some("too many routes");
        }
        self.routes.iter().find_map(Route::broken_rule)
    }
}

impl Route {
    fn broken_rule(&self) -> Option<&'static str> {
        let (super::PathMatch::Exact(path)
        | super::PathMatch::Prefix(path)
        | super::PathMatch::Pattern(path)) = &self.path;
        if path.len() > MAX_TEXT {
            return Some("a path is too long");
        }
        let policy = &self.policy;
        if policy.allow.len() > MAX_ADDRESSES || policy.deny.len() > MAX_ADDRESSES {
            return Some("a list of networks is too long");
        }
        if policy.limits.as_ref().is_some_and(|limits| limits.exempt.len() > MAX_ADDRESSES) {
            return Some("a list of networks is too long");
        }
        if policy.retry.tries == 0 {
            return Some("no try at all");
        }
        let timeouts = [policy.timeouts.connect_ms, policy.timeouts.read_ms, policy.timeouts.write_ms];
        if timeouts.contains(&0) {
            return Some("a deadline is 0");
        }
        let is_redirect = |status| matches!(status, 301 | 302 | 303 | 307 | 308);
        if policy.https_redirect.is_some_and(|status| !is_redirect(status)) {
            return Some("a redirect's status is none");
        }
        match &self.action {
            Action::Redirect(redirect) if !is_redirect(redirect.status) => {
                Some("a redirect's status is none")
            }
            Action::Respond(status) if !(200..600).contains(status) => Some("a status is none"),
            Action::Forward(forward) => forward
                .canary
                .as_ref()
                .is_some_and(|canary| canary.total == 0 || canary.weight > canary.total)
                .then_some("a canary's weight is above its total"),
            _ => None,
        }
    }
}

impl Upstream {
    fn broken_rule(&self) -> Option<&'static str> {
        if self.endpoints.len() > MAX_ENDPOINTS {
            return Some("too many endpoints");
        }
        if self.endpoints.iter().any(|endpoint| endpoint.address.port() == 0) {
            return Some("an endpoint has port 0");
        }
        if !self.endpoints.is_sorted_by(|a, b| a.address < b.address) {
            return Some("endpoints are not sorted or not unique");
        }
        None
    }
}
