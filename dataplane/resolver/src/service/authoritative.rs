//! Zones that are answered as who has them, and where their aliases lead.

use std::sync::Arc;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::{Name, RecordType};

use super::pending::{Pending, Prefix};
use super::step::{answer_of, any, requery, wire_name};
use super::{Origin, Service, State, Step, Zone};
use crate::acl;
use crate::authority::Verdict;
use crate::config::AclAction;
use crate::counters::one;
use crate::message::{Answer, ExtendedError};
use crate::zonefile::{Content, Found};
use crate::zones::under_any;

/// Zones that one question may be led through.
const MOST_ZONES: usize = 8;

/// A zone that is answered here.
pub(super) struct Own<'z> {
    pub(super) content: Option<Arc<Content>>,
    pub(super) fallthrough: &'z [Name],
}

impl Zone {
    /// The nearest zone of ours that a name is in.
    fn own(&self, name: &Name) -> Option<Own<'_>> {
        let files = self.checked.files.iter().filter(|file| file.content.origin().zone_of(name));
        let file = files.max_by_key(|file| file.content.origin().iter().len());
        let copied = self.secondary.iter().zip(&self.checked.secondary);
        let copied = copied.filter(|(own, _)| own.zone().zone_of(name));
        let copied = copied.max_by_key(|(own, _)| own.zone().iter().len());
        match (file, copied) {
            (Some(file), Some((own, _))) if own.zone().iter().len() <= file.content.origin().iter().len() => {
                Some(Own { content: Some(file.content.clone()), fallthrough: &file.fallthrough })
            }
            (_, Some((own, checked))) => {
                Some(Own { content: own.content(), fallthrough: &checked.fallthrough })
            }
            (Some(file), None) => {
                Some(Own { content: Some(file.content.clone()), fallthrough: &file.fallthrough })
            }
            (None, None) => None,
        }
    }
}

impl Service {
    /// Asks the zones that are answered here, and follows their aliases as far as they, the cluster's names and rules go; none if
    /// the name is of none of them, or leads out.
    pub(super) fn ask_zones(&self, state: &State, origin: Origin<'_>, pending: &mut Pending) -> Option<Step> {
        let mut led = false;
        for _ in 0..MOST_ZONES {
            let key = pending.key();
            let of_alias = pending.prefix.is_some();
            // A rewritten query stays in the zone it came to; an alias leads to that of its target.
            let name = if of_alias { &key.name } else { pending.request.name() };
            let Some(zone) = state.zone(name, pending.tenant.as_deref()) else {
                return self.led_out(led, true, pending);
            };
            if of_alias {
                // Who may not ask for a name does not get it by an alias, and rules come first: whoever is next looks at both.
                let action = acl::decide(&zone.checked.acl, &key.name, key.rtype, origin.client.ip());
                if action != AclAction::Allow || self.made(zone, &key, origin).is_some() {
                    return self.led_out(led, false, pending);
                }
            }
            if is_no_record(key.rtype) && key.rtype != RecordType::ANY {
                return None;
            }
            let Some(own) = zone.own(&key.name) else {
                let nobody = zone.forward(&key.name).is_none();
                return self.led_out(led, nobody, pending);
            };
            let Some(content) = own.content else {
                let failure = Answer::failure(ResponseCode::ServFail, ExtendedError::NOT_READY);
                return Some(pending.reply(&Answer { own: true, ..failure }, None));
            };
            let (answer, target) = match content.find(&key.name, key.rtype) {
                Found::Missing(answer, at)
                    if under_any(&at, own.fallthrough)
                        && (key.rtype != RecordType::ANY || answer.answers.is_empty()) =>
                {
                    if answer.answers.is_empty() {
                        return self.led_out(led, false, pending);
                    }
                    let answers = answer.answers;
                    pending.lead(Answer { authoritative: true, own: true, answers, ..Answer::default() }, at);
                    return match self.lead_to_cluster(state, origin, pending) {
                        Some(step) => Some(step),
                        None => self.led_out(true, false, pending),
                    };
                }
                Found::Missing(answer, _) if key.rtype == RecordType::ANY && answer.answers.is_empty() => {
                    (answer, None)
                }
                // All of a name is as little told as it is elsewhere; only that the name is there.
                found if key.rtype == RecordType::ANY => match found {
                    Found::Whole(answer) if !answer.authoritative => (answer, None),
                    _ => (Answer { authoritative: true, own: true, ..any(&key.name) }, None),
                },
                Found::Whole(answer) | Found::Missing(answer, _) => (answer, None),
                Found::Leads(answer, target) => (answer, Some(target)),
            };
            let Some(target) = target else {
                one(&self.process.local);
                return Some(pending.reply(&answer, None));
            };
            pending.lead(answer, target);
            led = true;
            if let Some(step) = self.lead_to_cluster(state, origin, pending) {
                return Some(step);
            }
        }
        let failure = Answer::failure(ResponseCode::ServFail, ExtendedError::CIRCLE);
        Some(pending.reply(&failure, None))
    }

    /// None, for others to go on; but where an alias of ours led to them, and recursion is not desired or not had, or there is nobody to ask,
    /// the alias is the answer (RFC 1034, section 4.3.2).
    fn led_out(&self, led: bool, nobody: bool, pending: &Pending) -> Option<Step> {
        if !led || pending.leaves() && !nobody {
            return None;
        }
        one(&self.process.local);
        Some(pending.reply(&Answer { own: true, ..Answer::default() }, None))
    }

    /// Asks the authority for the name that an alias has led to. Where the client is not answered that, the alias is the answer.
    fn lead_to_cluster(&self, state: &State, origin: Origin<'_>, pending: &mut Pending) -> Option<Step> {
        let key = pending.key();
        let zone = state.zone(&key.name, pending.tenant.as_deref())?;
        let action = acl::decide(&zone.checked.acl, &key.name, key.rtype, origin.client.ip());
        if !zone.checked.settings.foreign && self.conceals(&key.name, origin) {
            return self.led_out(true, true, pending);
        }
        if zone.checked.settings.foreign
            || action != AclAction::Allow
            || self.made(zone, &key, origin).is_some()
        {
            return None;
        }
        let query = requery(&pending.request, &key.name, key.rtype);
        let mut out = Vec::new();
        let (client, server) = (origin.client, origin.server());
        match self.authority.answer(&query, client, server, pending.transport, &mut out) {
            Verdict::NotMine => None,
            Verdict::Drop => Some(Step::Silent),
            Verdict::Answered => {
                let failure = || Answer::failure(ResponseCode::ServFail, ExtendedError::INVALID);
                let answer = Message::from_vec(&out).map_or_else(|_| failure(), answer_of);
                Some(pending.reply(&answer, None))
            }
            Verdict::Continue(next) => {
                let (target, reply) = wire_name(&next.target).zip(Message::from_vec(&out).ok())?;
                pending.lead(answer_of(reply), target);
                None
            }
        }
    }
}

/// Transfers, and types that are not of records (RFC 6895, section 3.1).
fn is_no_record(rtype: RecordType) -> bool {
    (128..=255).contains(&u16::from(rtype))
}

impl Pending {
    /// Notes aliases that lead to another name, behind those that led here.
    fn lead(&mut self, answer: Answer, target: Name) {
        match &mut self.prefix {
            None => self.prefix = Some(Prefix { answer, target, mask: false, otherwise: None }),
            Some(prefix) => {
                prefix.answer.answers.extend(answer.answers);
                prefix.target = target;
            }
        }
    }
}
