//! Names within the zones that a resolver answers before all: rules and tables that come before the cluster's names.

use std::collections::HashMap;

use sluice_model::Elsewhere as Setting;

use crate::name::{MAX_NAME, Name};

/// Domains by name, in lower case. Where there are none, which is nearly always, a query costs nothing for them.
#[derive(Debug, Default)]
pub(crate) struct Elsewhere {
    domains: HashMap<Box<[u8]>, Kinds>,
}

/// Which queries for a domain's names.
#[derive(Debug, Default)]
struct Kinds {
    all: bool,
    some: Vec<u16>,
}

impl Elsewhere {
    /// Domains that are no names are left out: whoever made the settings has checked them.
    pub(crate) fn new(settings: &[Setting]) -> Self {
        let mut domains: HashMap<Box<[u8]>, Kinds> = HashMap::new();
        for Setting { zone, kind } in settings {
            let Ok(name) = Name::parse(zone).map(Name::lowered) else { continue };
            let kinds = domains.entry(name.wire().into()).or_default();
            match kind {
                Some(kind) => kinds.some.push(*kind),
                None => kinds.all = true,
            }
        }
        Self { domains }
    }

    /// Whether there is nothing.
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.domains.is_empty()
    }

    /// Whether a query for a name, in wire form and whatever case, is a resolver's.
    #[inline(never)]
    pub(crate) fn takes(&self, name: &[u8], kind: u16) -> bool {
        let mut lower = [0; MAX_NAME];
        let Some(lower) = lower.get_mut(..name.len()) else { return false };
        lower.copy_from_slice(name);
        // Lengths are below any letter.
        lower.make_ascii_lowercase();
        let mut rest: &[u8] = lower;
        while let Some((&length, tail)) = rest.split_first() {
            if self.domains.get(rest).is_some_and(|kinds| kinds.all || kinds.some.contains(&kind)) {
                return true;
            }
            let Some(next) = tail.get(usize::from(length)..).filter(|_| length != 0) else { return false };
            rest = next;
        }
        false
    }
}
