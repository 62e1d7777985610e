//! Who has which frontend, where several Services claim the same one.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use sluice_model::{FrontendKind, Protocol, ServiceName};

use super::FrontendKey;
use super::service::Hit;

/// A claim on a frontend. Claims sort by who wins: the older Service, then the name that sorts first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Claim {
    created: i64,
    name: ServiceName,
    kind: FrontendKind,
    slot: u32,
}

/// Two Services that claim one frontend.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Conflict {
    /// The frontend.
    pub address: SocketAddr,
    /// Its transport.
    pub protocol: Protocol,
    /// Who has it.
    pub winner: ServiceName,
    /// Who does not.
    pub loser: ServiceName,
}

/// All claims.
#[derive(Debug, Default)]
pub(super) struct Claims {
    by_frontend: HashMap<FrontendKey, Vec<Claim>>,
    /// Frontends with more than one claim.
    contested: HashSet<FrontendKey>,
}

impl Claims {
    /// Adds a claim; who has the frontend now.
    pub(super) fn add(
        &mut self,
        key: FrontendKey,
        created: i64,
        name: &ServiceName,
        kind: FrontendKind,
        slot: u32,
    ) -> Hit {
        let claims = self.by_frontend.entry(key).or_default();
        let claim = Claim { created, name: name.clone(), kind, slot };
        let at = claims.partition_point(|other| *other < claim);
        claims.insert(at, claim);
        if claims.len() > 1 {
            self.contested.insert(key);
        }
        let Claim { slot, kind, .. } = claims[0];
        Hit { slot, kind }
    }

    /// Takes away all claims of a Service on a frontend; who has it now.
    pub(super) fn remove(&mut self, key: FrontendKey, name: &ServiceName) -> Option<Hit> {
        let claims = self.by_frontend.get_mut(&key)?;
        claims.retain(|claim| claim.name != *name);
        if claims.len() < 2 {
            self.contested.remove(&key);
        }
        let Some(first) = claims.first() else {
            self.by_frontend.remove(&key);
            return None;
        };
        Some(Hit { slot: first.slot, kind: first.kind })
    }

    /// All conflicts, in order; costs what there are of them.
    pub(super) fn conflicts(&self) -> Vec<Conflict> {
        let mut all: Vec<Conflict> = self
            .contested
            .iter()
            .filter_map(|key| Some((key, self.by_frontend.get(key)?)))
            .flat_map(|(key, claims)| {
                let winner = claims.first().map(|claim| &claim.name);
                claims.iter().filter_map(move |claim| {
                    let winner = winner.filter(|winner| **winner != claim.name)?;
                    Some(Conflict {
                        address: key.socket_address(),
                        protocol: Protocol::from_number(key.protocol)?,
                        winner: winner.clone(),
                        loser: claim.name.clone(),
                    })
                })
            })
            .collect();
        all.sort();
        all.dedup();
        all
    }
}
