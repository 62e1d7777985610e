//! From a question to what a zone says (RFC 1034, section 4.3.2; wildcards by RFC 4592, DNAME by RFC 6672).

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::CNAME;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

use super::content::{Content, Node};
use crate::message::{Answer, ExtendedError};

/// Aliases that are followed in a zone for one question; CoreDNS follows as many.
const MOST_ALIASES: usize = 9;

/// What a zone says.
#[derive(Debug, PartialEq)]
pub(crate) enum Found {
    /// All that there is to say.
    Whole(Answer),
    /// There is no such name, which is the one asked for, or the one that aliases lead to.
    Missing(Answer, Name),
    /// Aliases, of which the last leads out of the zone, to this name.
    Leads(Answer, Name),
}

impl Content {
    /// What the zone says to a question for one of its names.
    pub(crate) fn find(&self, name: &Name, kind: RecordType) -> Found {
        let mut answers: Vec<Record> = Vec::new();
        let mut at = name.clone();
        at.set_fqdn(true);
        for _ in 0..=MOST_ALIASES {
            if !self.origin().zone_of(&at) {
                return Found::Leads(own(answers), at);
            }
            match self.step(&at, kind) {
                Step::Records(records, additional) => {
                    answers.extend(records);
                    return Found::Whole(Answer { additional, ..own(answers) });
                }
                Step::Alias(records, target) => {
                    answers.extend(records);
                    at = target;
                }
                // The alias that a DNAME record makes is one that may be asked for.
                Step::Renamed(records, _) if kind == RecordType::CNAME => {
                    answers.extend(records);
                    return Found::Whole(own(answers));
                }
                Step::Renamed(records, target) => {
                    answers.extend(records);
                    at = target;
                }
                Step::Referral(authority, additional) => {
                    // What is cut off is others' (RFC 1034, section 4.2.1); an alias to it is not.
                    let authoritative = !answers.is_empty();
                    return Found::Whole(Answer { authoritative, authority, additional, ..own(answers) });
                }
                Step::Nothing(exists) => {
                    let code = if exists { ResponseCode::NoError } else { ResponseCode::NXDomain };
                    let answer = Answer { code, authority: vec![self.denial()], ..own(answers) };
                    return if exists { Found::Whole(answer) } else { Found::Missing(answer, at) };
                }
                Step::TooLong => {
                    let code = ResponseCode::YXDomain;
                    return Found::Whole(Answer { code, ..own(answers) });
                }
            }
        }
        // In a circle, or nearly.
        Found::Whole(Answer { own: true, ..Answer::failure(ResponseCode::ServFail, ExtendedError::CIRCLE) })
    }

    /// One step: what there is of a name of the zone.
    fn step(&self, name: &Name, kind: RecordType) -> Step {
        let own = self.origin().iter().len();
        let all = name.iter().len();
        let mut encloser = self.names.get(self.origin());
        let mut closest = own;
        for labels in own..=all {
            let above = name.trim_to(labels).to_lowercase();
            let Some(node) = self.names.get(&above) else { break };
            (encloser, closest) = (Some(node), labels);
            if labels > own
                && let Some(servers) = node.set(RecordType::NS)
                && !(labels == all && kind == RecordType::DS)
            {
                let targets = servers.iter().filter_map(|record| match &record.data {
                    RData::NS(ns) => Some(&ns.0),
                    _ => None,
                });
                return Step::Referral(servers.to_vec(), self.addresses(targets));
            }
            if labels < all
                && let Some([dname, ..]) = node.set(RecordType::DNAME)
            {
                return renamed(name, labels, dname);
            }
        }
        if let Some(node) = encloser.filter(|_| closest == all) {
            return self.records(node, name, kind);
        }
        let wildcard = name.trim_to(closest).to_lowercase().prepend_label("*").ok();
        match wildcard.and_then(|wildcard| self.names.get(&wildcard)) {
            Some(node) => self.records(node, name, kind),
            None => Step::Nothing(false),
        }
    }

    /// What a name has whose records are at a node, or come of one.
    fn records(&self, node: &Node, name: &Name, kind: RecordType) -> Step {
        let owned = |records: &[Record]| {
            let own = records.iter().cloned().map(|mut record| {
                record.name = name.clone();
                record
            });
            own.collect::<Vec<Record>>()
        };
        if let Some(records) = node.set(kind) {
            let targets = records.iter().filter_map(|record| match &record.data {
                RData::NS(ns) => Some(&ns.0),
                RData::MX(mx) => Some(&mx.exchange),
                RData::SRV(srv) => Some(&srv.target),
                // RFC 9460, sections 4.1 and 5.
                RData::SVCB(svcb) => Some(&svcb.target_name),
                RData::HTTPS(https) => Some(&https.0.target_name),
                _ => None,
            });
            return Step::Records(owned(records), self.addresses(targets));
        }
        match node.set(RecordType::CNAME) {
            Some([alias, ..]) => match &alias.data {
                RData::CNAME(CNAME(target)) => {
                    Step::Alias(owned(std::slice::from_ref(alias)), target.clone())
                }
                _ => Step::Nothing(true),
            },
            _ => Step::Nothing(true),
        }
    }
}

/// An answer of a zone's, with these records.
fn own(answers: Vec<Record>) -> Answer {
    Answer { authoritative: true, own: true, answers, ..Answer::default() }
}

/// What a step of a lookup comes to.
enum Step {
    Records(Vec<Record>, Vec<Record>),
    Alias(Vec<Record>, Name),
    /// As an alias, by a DNAME record above.
    Renamed(Vec<Record>, Name),
    Referral(Vec<Record>, Vec<Record>),
    /// No records; whether the name exists.
    Nothing(bool),
    /// A DNAME record makes a name that is too long.
    TooLong,
}

/// The name that a DNAME record above makes of this one, whose first labels are not of the record's owner.
fn renamed(name: &Name, labels: usize, dname: &Record) -> Step {
    let RData::Unknown { rdata, .. } = &dname.data else { return Step::Nothing(true) };
    let Ok(target) = Name::read(&mut BinDecoder::new(&rdata.anything)) else { return Step::Nothing(true) };
    let before = name.iter().take(name.iter().len() - labels);
    let Ok(mut made) = Name::from_labels(before.chain(target.iter())) else { return Step::TooLong };
    made.set_fqdn(true);
    let alias = Record::from_rdata(name.clone(), dname.ttl, RData::CNAME(CNAME(made.clone())));
    Step::Renamed(vec![dname.clone(), alias], made)
}
