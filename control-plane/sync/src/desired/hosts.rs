//! Hosts for DNS: each with the addresses of all objects that name it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use sluice_model::check::MAX_HOST_ADDRESSES;
use sluice_model::{Change, ExternalAddress, NamedHost, ServiceName};

use super::told::Told;
use crate::object::{HostClaim, Hosted, Kind};

/// An object that names hosts.
type Owner = (Kind, ServiceName);

/// Who names a host: the kind's rank, when the object was made, the object. The least has it.
type Claimant = (u8, i64, Owner);

/// All hosts, and who names them.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    objects: BTreeMap<Owner, Hosted>,
    claims: HashMap<Box<str>, BTreeSet<Claimant>>,
    /// Hosts to be joined anew.
    dirty: BTreeSet<Box<str>>,
    told: Told<Box<str>, Arc<NamedHost>>,
}

impl Hosts {
    /// What an object says of hosts as of now; none: nothing.
    pub fn set(&mut self, kind: Kind, name: &ServiceName, hosted: Option<Hosted>) {
        let hosted = hosted.filter(|hosted| !hosted.hosts.is_empty());
        let owner = (kind, name.clone());
        if self.objects.get(&owner) == hosted.as_ref() {
            return;
        }
        let before = match hosted {
            Some(hosted) => {
                for HostClaim { host, rank } in &hosted.hosts {
                    let claimant = (*rank, hosted.created, owner.clone());
                    self.claims.entry(host.clone()).or_default().insert(claimant);
                    self.dirty.insert(host.clone());
                }
                self.objects.insert(owner.clone(), hosted)
            }
            None => self.objects.remove(&owner),
        };
        let Some(before) = before else { return };
        let after = self.objects.get(&owner).filter(|after| after.created == before.created);
        let after = after.map(|hosted| hosted.hosts.as_slice()).unwrap_or_default();
        let kept: BTreeSet<(&str, u8)> = after.iter().map(|claim| (&*claim.host, claim.rank)).collect();
        for HostClaim { host, rank } in &before.hosts {
            self.dirty.insert(host.clone());
            if kept.contains(&(&**host, *rank)) {
                continue;
            }
            if let Some(claims) = self.claims.get_mut(host) {
                claims.remove(&(*rank, before.created, owner.clone()));
                if claims.is_empty() {
                    self.claims.remove(host);
                }
            }
        }
    }

    /// A namespace may be told of now, or no more: its hosts are joined anew.
    pub fn touch(&mut self, namespace: &str) {
        // Looked for among all: labels of namespaces hardly ever change.
        let of_namespace = self.objects.iter().filter(|((_, name), _)| &*name.namespace == namespace);
        self.dirty.extend(of_namespace.flat_map(|(_, hosted)| &hosted.hosts).map(|claim| claim.host.clone()));
    }

    /// What a former process had told. The changes that say so again.
    pub fn restore(&mut self, hosted: Vec<NamedHost>) -> Vec<Change> {
        let mut changes = Vec::with_capacity(hosted.len());
        for host in hosted {
            changes.push(Change::Hosted(host.clone()));
            self.told.told.insert(host.name.clone(), Arc::new(host));
        }
        changes
    }

    pub fn sweep(&mut self) {
        self.told.sweep();
    }

    /// All of it will be told once more.
    pub fn forget(&mut self) {
        self.objects.clear();
        self.claims.clear();
        self.dirty.clear();
        self.told.forget();
    }

    pub fn is_dirty(&self) -> bool {
        !(self.dirty.is_empty() && self.told.dirty.is_empty())
    }

    /// What has changed since the last call; `may` says of which namespaces DNS may tell.
    pub fn take(&mut self, unswept: bool, may: impl Fn(&str) -> bool, changes: &mut Vec<Change>) {
        for host in std::mem::take(&mut self.dirty) {
            let joined = self.join(&host, &may);
            self.told.set(host, joined.map(Arc::new));
        }
        self.told.take(
            unswept,
            |_| true,
            |name, _, host| {
                changes
                    .push(host.map_or(Change::HostedGone(name), |it| Change::Hosted(NamedHost::clone(it))));
            },
        );
    }

    /// A host with the addresses of the first who names it and has any, and of others of the same kind and namespace: nobody adds
    /// to what another namespace has.
    fn join(&self, host: &str, may: impl Fn(&str) -> bool) -> Option<NamedHost> {
        let mut addresses: Vec<ExternalAddress> = Vec::new();
        let mut first = None;
        for (rank, _, owner) in self.claims.get(host).into_iter().flatten() {
            let namespace = &owner.1.namespace;
            let Some(hosted) = self.objects.get(owner).filter(|_| may(namespace)) else { continue };
            if hosted.addresses.is_empty() || *first.get_or_insert((rank, namespace)) != (rank, namespace) {
                continue;
            }
            for address in &hosted.addresses {
                if addresses.len() < MAX_HOST_ADDRESSES && !addresses.contains(address) {
                    addresses.push(address.clone());
                }
            }
        }
        (!addresses.is_empty()).then(|| NamedHost { name: host.into(), addresses })
    }

    /// Everything that was told.
    pub fn shared(&self) -> impl Iterator<Item = &Arc<NamedHost>> {
        self.told.told.values()
    }

    /// How many Ingresses name hosts.
    pub fn ingresses(&self) -> usize {
        self.objects.keys().filter(|(kind, _)| *kind == Kind::Ingress).count()
    }
}
