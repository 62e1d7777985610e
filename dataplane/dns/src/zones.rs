//! Immutable tables of one generation, as whoever answers sees them.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use sluice_model::{DnsSettings, Generation, PodNames};

use crate::access::Access;
use crate::answer::Asked;
use crate::catalog::zone_of;
use crate::clients::Clients;
use crate::compat::Compat;
use crate::compile::external::External;
use crate::compile::{Rules, fixed};
use crate::elsewhere::Elsewhere;
use crate::limit::Limit;
use crate::log::Log;
use crate::name::{self, Name, Seed};
use crate::node::Node;
use crate::nsid::Nsid;
use crate::pods;
use crate::reply::{Reply, Section};
use crate::soa::{Relative, Soa};
use crate::table::{Candidate, Table};
use crate::visibility::Policy;

/// All names of one generation. Cloning shares everything.
#[derive(Clone, Debug)]
pub struct Zones {
    pub(crate) table: Table,
    /// Names that there would be, if a Service had a ready endpoint.
    pub(crate) unready: Table,
    /// Whose pods have which address, where that matters; by [`crate::pods::key`].
    pub(crate) pods: Table,
    /// Who does not see all names; none: everybody does.
    pub(crate) policy: Option<Arc<Policy>>,
    pub(crate) seed: Seed,
    pub(crate) serial: u32,
    pub(crate) soa: Soa,
    /// Grows with each change of the settings.
    pub(crate) era: u64,
    /// Seconds since 1970 when the monotonic clock was 0.
    pub(crate) start: u32,
    pub(crate) generation: Generation,
    /// Which queries are logged, where any are.
    pub(crate) log: Option<Arc<Log>>,
    pub(crate) nsid: Nsid,
    /// There is a log or an NSID, and so more to do for a reply.
    pub(crate) attends: bool,
    pub(crate) fixed: Arc<Fixed>,
}

/// What only settings change.
#[derive(Debug, Default)]
pub(crate) struct Fixed {
    pub listen: Vec<SocketAddr>,
    pub port: u16,
    pub access: Access,
    /// All zones, of Services and of reverse names.
    pub all: Vec<Name>,
    /// SOA records of the domains of external addresses.
    pub external: Vec<Relative>,
    /// Those of them whose names are hosts'.
    pub hosts: Vec<Name>,
    /// Zones whose unknown names others may know.
    pub fallthrough: Vec<Name>,
    /// Servers that a resolver copies zones from.
    pub primaries: Vec<IpAddr>,
    /// Queries that are a resolver's before all.
    pub elsewhere: Elsewhere,
    /// Addresses of ours that the resolver serves over TLS and HTTPS.
    pub secure: Vec<SocketAddr>,
    /// The resolver completes pods' search lists.
    pub autopath: bool,
    /// Pods have names that need not be in the table.
    pub pods: bool,
    /// So have headless Services, by topology zones.
    pub zonal: bool,
    pub ttl: u32,
    /// Of SOA records.
    pub negative_ttl: u32,
    pub max_udp: u16,
    pub forward: bool,
    /// The resolver has answers of its own for whoever has no recursion.
    pub tables: bool,
    /// The resolver's answers may be kept.
    pub keep: bool,
    pub cookie_key: Option<[u8; 16]>,
    pub limit: Option<Limit>,
    /// CoreDNS's answers are given.
    pub compat: Option<Compat>,
    /// Not all namespaces have names.
    pub selected: bool,
    /// Domains of others whose names are not answered alike to all.
    pub tenant_zones: Vec<Name>,
    /// It matters which pod asks.
    pub knows_clients: bool,
    /// Who has no IPv6; none: that does not matter.
    pub without_ipv6: Option<WithoutIpv6>,
    /// What is told may be no more: clients with EDNS are told so.
    pub stale: bool,
    /// No query takes the short way.
    pub general: bool,
}

/// Clients that have no IPv6.
#[derive(Debug)]
pub(crate) struct WithoutIpv6 {
    networks: Clients,
    /// Pods that have IPv4 addresses alone.
    pods: bool,
}

impl WithoutIpv6 {
    fn new(settings: &DnsSettings) -> Option<Self> {
        let pods = settings.suppress_aaaa_of_pods;
        let any = pods || !settings.suppress_aaaa.is_empty();
        any.then(|| Self { networks: Clients::only(&settings.suppress_aaaa), pods })
    }
}

impl Default for Zones {
    fn default() -> Self {
        Self::new(Seed([0, 1]))
    }
}

impl Zones {
    pub(crate) fn new(seed: Seed) -> Self {
        Self {
            table: Table::default(),
            unready: Table::default(),
            pods: Table::default(),
            policy: None,
            seed,
            serial: 0,
            soa: Soa::default(),
            era: 0,
            start: 0,
            generation: Generation::default(),
            log: None,
            nsid: Nsid::default(),
            attends: false,
            fixed: Arc::default(),
        }
    }

    pub(crate) fn configure(&mut self, rules: &Rules) {
        let settings = &rules.settings;
        let elsewhere = Elsewhere::new(settings);
        self.policy = Policy::new(rules).map(Arc::new);
        self.fixed = Arc::new(Fixed {
            general: !elsewhere.is_empty() || settings.stale || self.log.is_some() || self.policy.is_some(),
            listen: settings.listen.clone(),
            port: settings.listen.first().map_or(0, SocketAddr::port),
            access: Access::new(settings),
            all: {
                let external = rules.external_zones.iter().map(|external| &external.zone);
                rules.forward_zones().chain(&rules.reverse_zones).chain(external).cloned().collect()
            },
            external: rules.external_zones.iter().filter_map(External::soa).collect(),
            hosts: {
                let hosts = rules.external_zones.iter().filter(|external| external.hosts);
                hosts.map(|external| external.zone.clone()).collect()
            },
            primaries: settings.primaries.clone(),
            fallthrough: settings
                .fallthrough
                .iter()
                .filter_map(|zone| Name::parse(zone).ok())
                .map(Name::lowered)
                .collect(),
            elsewhere,
            secure: settings.secure.clone(),
            autopath: settings.autopath,
            pods: settings.pods == PodNames::Insecure,
            zonal: settings.zonal && settings.endpoints,
            ttl: settings.ttl,
            negative_ttl: settings.negative_ttl.unwrap_or(settings.ttl),
            max_udp: settings.max_udp,
            forward: settings.forward,
            tables: settings.tables,
            // With rules and tables an alias of theirs may lead where not everybody is told the same.
            keep: settings.forward
                && settings.keep
                && !(settings.tables
                    && (!settings.visibility.is_empty() || WithoutIpv6::new(settings).is_some())),
            cookie_key: settings.cookie_key,
            limit: settings.rate_limit.as_ref().map(Limit::new),
            compat: rules.compat().then(|| fixed::compat(rules)),
            selected: settings.selected,
            tenant_zones: {
                let parsed = settings.tenant_zones.iter().filter_map(|zone| Name::parse(zone).ok());
                parsed.map(Name::lowered).collect()
            },
            knows_clients: settings.knows_clients(),
            without_ipv6: WithoutIpv6::new(settings),
            stale: settings.stale,
        });
    }

    /// The same, told to be of this generation.
    pub fn of(self, generation: Generation) -> Self {
        let nsid = self.nsid.of(generation);
        Self { generation, nsid, ..self }
    }

    /// The generation that they are told to be of.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// Which queries are logged, where any are.
    #[inline]
    pub fn log(&self) -> Option<&Arc<Log>> {
        self.log.as_ref()
    }

    /// Whether more may be done about a reply than to send it: it is logged, or tells who answers.
    #[inline(always)]
    pub fn attends(&self) -> bool {
        self.attends
    }

    /// Where queries are answered.
    #[inline]
    pub fn listen(&self) -> &[SocketAddr] {
        &self.fixed.listen
    }

    /// Whether this client may ask at the address `server`.
    pub fn may_ask(&self, client: IpAddr, server: IpAddr) -> bool {
        self.fixed.access.may_ask(client, server)
    }

    /// Whether this client, of IPv4, may ask at that address for every name: who may for some is answered in the general way.
    #[inline(always)]
    pub fn may_ask_v4(&self, client: u32, server: u32) -> bool {
        self.fixed.access.may_ask_v4(client, server)
    }

    /// As [`Zones::may_ask_v4`], of IPv6.
    #[inline(always)]
    pub fn may_ask_v6(&self, client: u128, server: u128) -> bool {
        self.fixed.access.may_ask_v6(client, server)
    }

    /// Whether a resolver may ask others for this client, which asks at the address `server`.
    pub fn recurses(&self, client: IpAddr, server: IpAddr) -> bool {
        self.fixed.access.recurses(client, server)
    }

    /// Whether this client, which asks at the address `server`, is answered names of the cluster's zones. To others those are no
    /// zones of ours; see [`Zones::conceals`].
    #[inline]
    pub fn has_cluster(&self, client: IpAddr, server: IpAddr) -> bool {
        self.fixed.access.has_cluster(client, server)
    }

    /// Whether a name, in wire form and whatever case, is in a zone of the cluster that this client is not answered at the address
    /// `server`: whether there is such a name is not told.
    #[inline]
    pub fn conceals(&self, name: &[u8], client: IpAddr, server: IpAddr) -> bool {
        !self.has_cluster(client, server) && self.is_clusters(name)
    }

    /// Whether a name is in one of the cluster's zones, those of reverse names included.
    pub(crate) fn is_clusters(&self, name: &[u8]) -> bool {
        self.zone(name).is_some_and(|zone| self.external(zone).is_none())
    }

    /// Whether this client has no IPv6, so that nobody is asked for IPv6 addresses of names of others.
    #[inline]
    pub fn without_ipv6(&self, client: IpAddr) -> bool {
        let Some(without) = &self.fixed.without_ipv6 else { return false };
        let client = client.to_canonical();
        without.networks.contain(client)
            || without.pods && self.pod_at(client).is_some_and(pods::is_ipv4_only)
    }

    /// The pods that have this address, where who asks matters.
    pub(crate) fn pod_at(&self, client: IpAddr) -> Option<&Node> {
        let mut bytes = [0; pods::MOST];
        let key = pods::key(client, &mut bytes);
        self.pods.get(self.hash(key), key)
    }

    /// Whether a query may be left to a resolver.
    pub(crate) fn leaves(&self, asked: &Asked) -> bool {
        asked.resolver || self.fixed.tables || self.recurses(asked.client, asked.server)
    }

    /// Seconds since 1970 when the monotonic clock shows `milliseconds`.
    #[inline]
    pub fn time(&self, milliseconds: u64) -> u32 {
        self.start.wrapping_add((milliseconds / 1000) as u32)
    }

    /// The port of UDP on which queries are answered, where it is but one; 0 where there is none.
    #[inline(always)]
    pub fn port(&self) -> u16 {
        self.fixed.port
    }

    /// Whether queries are answered at this address and port.
    #[inline]
    pub fn listens(&self, address: IpAddr, port: u16) -> bool {
        port == self.fixed.port && self.fixed.listen.iter().any(|listen| listen.ip() == address)
    }

    /// Whether CoreDNS's answers are given where those of the RFCs are others.
    #[inline]
    pub fn compat(&self) -> bool {
        self.fixed.compat.is_some()
    }

    /// The longest reply over UDP.
    #[inline]
    pub fn max_udp(&self) -> usize {
        usize::from(self.fixed.max_udp)
    }

    /// Whether the resolver's answers may be kept.
    #[inline]
    pub fn keeps(&self) -> bool {
        self.fixed.keep
    }

    /// Whether the resolver's answers about a name may be kept for whoever asks next.
    pub(crate) fn keeps_of(&self, name: &[u8]) -> bool {
        self.zone(name).is_none() && zone_of(&self.fixed.tenant_zones, name).is_none()
    }

    /// How many queries a client is answered; none: any number.
    #[inline(always)]
    pub fn limit(&self) -> Option<&Limit> {
        self.fixed.limit.as_ref()
    }

    /// A number that no other settings had.
    pub(crate) fn era(&self) -> u64 {
        self.era
    }

    /// Where `namespace.svc.zone` begins in a name that is longer, if that namespace has names: the first step of a pod's search
    /// list leads there (resolv.conf(5)).
    pub fn searched(&self, name: &[u8]) -> Option<usize> {
        let zone = self.zone(name).filter(|zone| self.external(zone).is_none())?;
        let end = name.len() - zone.len();
        let (mut namespace, mut svc, mut at) = (0, 0, 0);
        while at < end {
            (namespace, svc) = (svc, at);
            at += usize::from(*name.get(at)?) + 1;
        }
        let label = name.get(svc + 1..end)?;
        let found = namespace > 0 && label.eq_ignore_ascii_case(b"svc");
        (found && self.find(name.get(namespace..)?).is_some()).then_some(namespace)
    }

    /// Whether the resolver completes search lists.
    pub(crate) fn completes(&self, name: &[u8]) -> bool {
        self.fixed.autopath && self.searched(name).is_some()
    }

    /// Whether TCP to this address and port is DNS over TLS or HTTPS.
    pub fn secure(&self, address: IpAddr, port: u16) -> bool {
        self.fixed.secure.iter().any(|at| at.ip() == address && at.port() == port)
    }

    /// The hash under which a name, in whatever case, is looked up.
    #[inline(always)]
    pub fn hash(&self, name: &[u8]) -> u64 {
        name::hash(name, self.seed)
    }

    /// Begins to load what a lookup of this hash reads first.
    #[inline(always)]
    pub fn prefetch(&self, hash: u64) {
        self.table.prefetch(hash);
    }

    /// Where a name with this hash most likely is; begins to load what a lookup of it reads second.
    #[inline(always)]
    pub fn candidate(&self, hash: u64) -> Candidate {
        self.table.candidate(hash)
    }

    /// The node of a name in wire form, in whatever case.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<&Node> {
        self.table.get(self.hash(name), name)
    }

    /// The node of `*.b.c` for `a.b.c`, in a domain of hosts: the star is one label, as it is in an Ingress.
    pub(crate) fn wildcard(&self, name: &[u8]) -> Option<&Node> {
        let zone = zone_of(&self.fixed.hosts, name)?.wire();
        let parent = name.get(usize::from(*name.first()?) + 1..).filter(|rest| rest.len() >= zone.len())?;
        let mut wildcard = [0; name::MAX_NAME + 2];
        wildcard[..2].copy_from_slice(b"\x01*");
        wildcard.get_mut(2..parent.len() + 2)?.copy_from_slice(parent);
        self.find(wildcard.get(..parent.len() + 2)?)
    }

    /// Whether a name is below that of a namespace that has no names here, while the configuration says which have. Whether
    /// there is such a namespace does not count: nobody is told.
    pub(crate) fn is_unselected(&self, name: &[u8]) -> bool {
        let Some(zone) = self.zone(name).filter(|_| self.fixed.selected) else { return false };
        let end = name.len() - zone.len();
        let (mut namespace, mut parent, mut at) = (0, 0, 0);
        while at < end {
            (namespace, parent) = (parent, at);
            let Some(length) = name.get(at) else { return false };
            at += usize::from(*length) + 1;
        }
        let below = name.get(parent + 1..end).is_some_and(|label| label.eq_ignore_ascii_case(b"svc"));
        below && parent > 0 && name.get(namespace..).is_some_and(|namespace| self.find(namespace).is_none())
    }

    /// Whether a name is not there for want of a ready endpoint.
    pub(crate) fn is_unready(&self, name: &[u8]) -> bool {
        !self.unready.is_empty() && self.unready.get(self.hash(name), name).is_some()
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// All names, in no order.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.table.iter()
    }

    /// Each zone as text without the last dot, and how many names it has, the zone's own included.
    pub fn counts(&self) -> Vec<(String, usize)> {
        let mut counts: HashMap<&[u8], usize> = HashMap::new();
        for node in self.table.iter() {
            let name = node.name();
            let zone = name.len().checked_sub(node.zone_len()).and_then(|at| name.get(at..));
            *counts.entry(zone.unwrap_or_default()).or_default() += 1;
        }
        let count = |zone: &Name| {
            let text = name::text(zone.wire());
            (text.trim_end_matches('.').to_owned(), counts.get(zone.wire()).copied().unwrap_or(0))
        };
        self.fixed.all.iter().map(count).collect()
    }

    /// The serial of all SOA records.
    pub fn serial(&self) -> u32 {
        self.serial
    }

    /// The zone that a name is in, as bytes in wire form.
    pub fn zone(&self, name: &[u8]) -> Option<&[u8]> {
        zone_of(&self.fixed.all, name).map(Name::wire)
    }

    /// The SOA record of a zone, if it is a domain of external addresses.
    #[inline]
    pub(crate) fn external(&self, zone: &[u8]) -> Option<&Relative> {
        self.fixed.external.iter().find(|soa| name::equal(soa.zone.wire(), zone))
    }

    /// Appends the SOA record of a zone whose name stands at `at` in the message.
    #[inline]
    pub(crate) fn put_soa(&self, reply: &mut Reply<'_>, section: Section, at: usize, zone: &[u8]) {
        match self.external(zone) {
            None => reply.soa(section, at, &self.soa),
            Some(soa) => reply.relative_soa(section, at, soa, self.serial),
        }
    }

    /// The SOA record of a zone whose name stands at `at` in the message.
    pub(crate) fn soa_record(&self, zone: &[u8], at: usize) -> Vec<u8> {
        let Some(soa) = self.external(zone) else { return self.soa.record(at).to_vec() };
        let mut record = soa.bytes().to_vec();
        soa.complete(&mut record, at, self.serial);
        record
    }

    /// Whether a name that is not known here is asked of others, whatever the type.
    pub(crate) fn is_for_others(&self, name: &[u8]) -> bool {
        self.falls_through(name) || self.fixed.elsewhere.takes_all(name)
    }

    /// Whether a name that is not known here may be known elsewhere.
    pub(crate) fn falls_through(&self, name: &[u8]) -> bool {
        self.fixed.forward && zone_of(&self.fixed.fallthrough, name).is_some()
    }
}
