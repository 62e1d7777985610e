//! What of a reply is believed: the aliases from the queried name on, and the records or the SOA they end in.
//!
//! An upstream can put any record into any section. Nothing but these is ever returned or kept, so what it says about other
//! names is worth nothing to whoever forges.

use std::borrow::Cow;
use std::net::IpAddr;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::svcb::SvcParamValue;
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};
use thiserror::Error;

use crate::cache::Key;
use crate::message::{Answer, ExtendedError};
use crate::zones::under_any;

/// The longest chain of aliases.
const ALIASES: usize = 16;
/// The longest time a record may last, in seconds: a week.
const LONGEST: u32 = 604_800;

/// What is not believed from an upstream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Policy<'a> {
    /// Names it may not answer for.
    pub(crate) protected: &'a [Name],
    /// Whether addresses that are not public are refused.
    pub(crate) refuse_private: bool,
}

/// Why a reply is not believed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub(crate) enum Refused {
    /// Its records are about something else, or there is no end to its aliases.
    #[error("its records are not to the question")]
    Invalid,
    /// It has a name that only the authority may answer.
    #[error("it answers for a protected name")]
    Protected,
    /// It has an address that is not public.
    #[error("it answers with a private address")]
    Private,
}

impl Refused {
    pub(crate) fn told(self) -> ExtendedError {
        match self {
            Self::Invalid => ExtendedError::INVALID,
            Self::Protected => ExtendedError::PROTECTED,
            Self::Private => ExtendedError::PRIVATE,
        }
    }
}

/// The answer in a reply to the question `key`, whose name was sent as `sent`.
pub(crate) fn sift(
    mut reply: Message,
    key: &Key,
    sent: &Name,
    policy: &Policy<'_>,
) -> Result<Answer, Refused> {
    let code = reply.metadata.response_code;
    let error = reply
        .edns
        .as_ref()
        .and_then(|edns| edns.options().options.iter().find_map(|(_, it)| ExtendedError::of(it)));
    if !matches!(code, ResponseCode::NoError | ResponseCode::NXDomain) {
        return Ok(Answer { code, error, ..Answer::default() });
    }
    for record in reply.answers.iter_mut().chain(&mut reply.authorities) {
        restore(record, sent, &key.name);
    }
    let (answers, end, ended) = chain(&reply.answers, key)?;
    let any = !reply.answers.is_empty();
    let authority = if ended { Vec::new() } else { denial(&reply.authorities, &end, key) };
    let referral = reply.authorities.iter().any(|record| record.record_type() == RecordType::NS);
    if answers.is_empty() && authority.is_empty() && code == ResponseCode::NoError && (any || referral) {
        return Err(Refused::Invalid);
    }
    let authority = if ended && key.dnssec { proofs(&reply.authorities) } else { authority };
    allowed(&answers, &key.name, policy)?;
    let authentic = reply.metadata.authentic_data;
    // A name that has the records asked for exists, whatever the code says.
    let code = if ended { ResponseCode::NoError } else { code };
    Ok(Answer { code, authentic, answers, authority, error, ..Answer::default() })
}

/// The aliases and the records they end in; the last name; whether there are records.
fn chain(records: &[Record], key: &Key) -> Result<(Vec<Record>, Name, bool), Refused> {
    let mut kept = Vec::new();
    let mut at = key.name.clone();
    let mut seen = Vec::new();
    loop {
        let of = |record: &&Record| record.dns_class == DNSClass::IN && record.name == at;
        let wanted = |record: &&Record| match key.rtype {
            RecordType::ANY => true,
            rtype => record.record_type() == rtype,
        };
        let mut end: Vec<Record> = Vec::new();
        for record in records.iter().filter(of).filter(wanted) {
            if !end.contains(record) {
                end.push(record.clone());
            }
        }
        if !end.is_empty() {
            kept.append(&mut end);
            kept.extend(signatures(records, &at, key.rtype, key));
            return Ok((kept, at, true));
        }
        let alias = records.iter().filter(of).find_map(|record| match &record.data {
            RData::CNAME(target) => Some((record, target.0.clone())),
            _ => None,
        });
        let Some((record, target)) = alias else { return Ok((kept, at, false)) };
        if key.dnssec {
            // What the alias was made of (RFC 6672), for whoever checks signatures.
            let made_of =
                |record: &&Record| record.record_type() == RecordType::DNAME && record.name.zone_of(&at);
            for record in records.iter().filter(made_of) {
                kept.push(record.clone());
                kept.extend(signatures(records, &record.name, RecordType::DNAME, key));
            }
        }
        kept.push(record.clone());
        kept.extend(signatures(records, &at, RecordType::CNAME, key));
        seen.push(at);
        if seen.len() > ALIASES || seen.contains(&target) {
            return Err(Refused::Invalid);
        }
        at = target;
    }
}

/// The SOA of a zone that the name is in; with DNSSEC the proofs, too.
fn denial(records: &[Record], name: &Name, key: &Key) -> Vec<Record> {
    let soa = records.iter().find(|record| {
        record.record_type() == RecordType::SOA
            && record.dns_class == DNSClass::IN
            && record.name.zone_of(name)
    });
    let Some(soa) = soa else { return Vec::new() };
    let mut kept = vec![soa.clone()];
    if key.dnssec {
        kept.extend(signatures(records, &soa.name, RecordType::SOA, key));
        kept.extend(proofs(records).into_iter().filter(|record| soa.name.zone_of(&record.name)));
    }
    kept
}

/// NSEC, NSEC3 and their signatures.
fn proofs(records: &[Record]) -> Vec<Record> {
    let proof = |rtype| matches!(rtype, RecordType::NSEC | RecordType::NSEC3);
    let kept = |record: &&Record| proof(record.record_type()) || covered(record).is_some_and(proof);
    records.iter().filter(kept).cloned().collect()
}

fn signatures(records: &[Record], name: &Name, rtype: RecordType, key: &Key) -> Vec<Record> {
    if !key.dnssec || rtype == RecordType::ANY {
        return Vec::new();
    }
    records.iter().filter(|record| record.name == *name && covered(record) == Some(rtype)).cloned().collect()
}

/// The type that a signature is of.
fn covered(record: &Record) -> Option<RecordType> {
    match &record.data {
        RData::Unknown { code: RecordType::RRSIG, rdata } => {
            rdata.anything.first_chunk().map(|&code| RecordType::from(u16::from_be_bytes(code)))
        }
        _ => None,
    }
}

fn allowed(answers: &[Record], asked: &Name, policy: &Policy<'_>) -> Result<(), Refused> {
    for record in answers {
        let foreign = |name: &Name| name != asked && under_any(name, policy.protected);
        if foreign(&record.name) || matches!(&record.data, RData::CNAME(target) if foreign(&target.0)) {
            return Err(Refused::Protected);
        }
        if policy.refuse_private && addresses(&record.data).any(is_private) {
            return Err(Refused::Private);
        }
    }
    Ok(())
}

/// The addresses that a record leads to.
fn addresses(data: &RData) -> impl Iterator<Item = IpAddr> {
    let hints = match data {
        RData::HTTPS(data) => data.0.svc_params.as_slice(),
        RData::SVCB(data) => data.svc_params.as_slice(),
        _ => &[],
    };
    let hints = hints.iter().flat_map(|(_, value)| -> Vec<IpAddr> {
        match value {
            SvcParamValue::Ipv4Hint(hint) => hint.0.iter().map(|address| address.0.into()).collect(),
            SvcParamValue::Ipv6Hint(hint) => hint.0.iter().map(|address| address.0.into()).collect(),
            _ => Vec::new(),
        }
    });
    data.ip_addr().into_iter().chain(hints)
}

/// Addresses that mean a host near the client rather than one of the internet.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || a == 0
                || a == 100 && (64..128).contains(&b)
        }
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_private(v4.into()),
            None => {
                v6.is_loopback() || v6.is_unspecified() || v6.is_unique_local() || v6.is_unicast_link_local()
            }
        },
    }
}

/// Takes back what the mixed case of the question did to a record, and bounds its TTL (RFC 2181, 8).
fn restore(record: &mut Record, sent: &Name, original: &Name) {
    record.ttl = if record.ttl > i32::MAX.unsigned_abs() { 0 } else { record.ttl.min(LONGEST) };
    let plain = |name: &mut Name| {
        if let Cow::Owned(restored) = uncase(name, sent, original) {
            *name = restored;
        }
    };
    plain(&mut record.name);
    match &mut record.data {
        RData::CNAME(data) => plain(&mut data.0),
        RData::NS(data) => plain(&mut data.0),
        RData::PTR(data) => plain(&mut data.0),
        RData::MX(data) => plain(&mut data.exchange),
        RData::SRV(data) => plain(&mut data.target),
        RData::SOA(data) => {
            plain(&mut data.mname);
            plain(&mut data.rname);
        }
        _ => {}
    }
}

/// `name` with the labels it shares with `sent` at its end written as in `original`: an upstream writes the ends of names as
/// pointers into the question.
fn uncase<'a>(name: &'a Name, sent: &Name, original: &Name) -> Cow<'a, Name> {
    let shared = name.iter().rev().zip(sent.iter().rev()).take_while(|(ours, theirs)| ours == theirs).count();
    if shared == 0 {
        return Cow::Borrowed(name);
    }
    let own = name.iter().take(name.iter().len() - shared);
    let rest = original.iter().skip(original.iter().len().saturating_sub(shared));
    match Name::from_labels(own.chain(rest)) {
        Ok(mut restored) => {
            restored.set_fqdn(true);
            Cow::Owned(restored)
        }
        Err(_) => Cow::Borrowed(name),
    }
}
