//! Queries that a resolver answers before all: rules and tables that come before the cluster's names, and rules about clients.

use std::collections::HashMap;
use std::net::IpAddr;

use sluice_model::{DnsSettings, Elsewhere as Setting};

use crate::clients::Clients;
use crate::name::{MAX_NAME, Name};

/// The first label of names that are a host's own, with its length.
const LOCALHOST: &[u8] = b"\x09localhost";

/// Domains by name, in lower case. Where there are none, which is nearly always, a query costs nothing for them.
#[derive(Debug, Default)]
pub(crate) struct Elsewhere {
    domains: HashMap<Box<[u8]>, Vec<Part>>,
    localhost: bool,
}

/// Which queries for a domain's names.
#[derive(Debug)]
struct Part {
    kind: Option<u16>,
    /// None: everybody.
    clients: Option<Clients>,
    /// None: nobody.
    except: Option<Clients>,
}

impl Part {
    fn of(setting: &Setting) -> Self {
        let some = |networks: &[ipnet::IpNet]| (!networks.is_empty()).then(|| Clients::new(networks));
        Self { kind: setting.kind, clients: some(&setting.clients), except: some(&setting.except) }
    }

    fn takes(&self, kind: u16, client: IpAddr) -> bool {
        self.kind.is_none_or(|own| own == kind)
            && self.clients.as_ref().is_none_or(|clients| clients.contain(client))
            && !self.except.as_ref().is_some_and(|except| except.contain(client))
    }
}

impl Elsewhere {
    /// Domains that are no names are left out: whoever made the settings has checked them.
    pub(crate) fn new(settings: &DnsSettings) -> Self {
        let mut domains: HashMap<Box<[u8]>, Vec<Part>> = HashMap::new();
        for setting in &settings.elsewhere {
            let Ok(name) = Name::parse(&setting.zone).map(Name::lowered) else { continue };
            domains.entry(name.wire().into()).or_default().push(Part::of(setting));
        }
        Self { domains, localhost: settings.localhost }
    }

    /// Whether there is nothing.
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.domains.is_empty() && !self.localhost
    }

    /// Whether a query for a name, in wire form and whatever case, is a resolver's.
    #[inline(never)]
    pub(crate) fn takes(&self, name: &[u8], kind: u16, client: IpAddr) -> bool {
        self.any(name, |part| part.takes(kind, client))
    }

    /// Whether all queries for a name are, whatever their type and whoever asks.
    pub(crate) fn takes_all(&self, name: &[u8]) -> bool {
        self.any(name, |part| part.kind.is_none() && part.clients.is_none() && part.except.is_none())
    }

    fn any(&self, name: &[u8], takes: impl Fn(&Part) -> bool) -> bool {
        let mut lower = [0; MAX_NAME];
        let Some(lower) = lower.get_mut(..name.len()) else { return false };
        lower.copy_from_slice(name);
        // Lengths are below any letter.
        lower.make_ascii_lowercase();
        if self.localhost && lower.starts_with(LOCALHOST) {
            return true;
        }
        let mut rest: &[u8] = lower;
        while let Some((&length, tail)) = rest.split_first() {
            if self.domains.get(rest).is_some_and(|parts| parts.iter().any(&takes)) {
                return true;
            }
            let Some(next) = tail.get(usize::from(length)..).filter(|_| length != 0) else { return false };
            rest = next;
        }
        false
    }
}
