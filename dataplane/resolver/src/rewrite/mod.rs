//! Rules that change a query, and change the answer back.

mod answer;
mod matches;

use hickory_proto::rr::{Name, RecordType};

use crate::config::{CheckedAnswer, CheckedMatch, CheckedRewrite};
use crate::message::Answer;

/// What a query became.
#[derive(Debug)]
pub(crate) struct Rewritten {
    pub(crate) name: Name,
    pub(crate) rtype: RecordType,
    applied: Vec<(CheckedMatch, Vec<CheckedAnswer>)>,
    ttl: Option<(u32, u32)>,
}

/// What a query becomes, if a rule is for it.
pub(crate) fn apply(rules: &[CheckedRewrite], name: &Name, rtype: RecordType) -> Option<Rewritten> {
    if rules.is_empty() {
        return None;
    }
    let mut text = name.to_lowercase().to_ascii();
    let mut to = Rewritten { name: name.clone(), rtype, applied: Vec::new(), ttl: None };
    let mut any = false;
    for rule in rules {
        let go_on = match rule {
            CheckedRewrite::Name { matches, answer, go_on } => {
                let Some(next) = matches.forth(&text).and_then(|next| parse(&next)) else { continue };
                text = next.to_ascii();
                to.name = next;
                to.applied.push((matches.clone(), answer.clone()));
                *go_on
            }
            CheckedRewrite::Type { from, to: becomes, go_on } => {
                if to.rtype != *from {
                    continue;
                }
                to.rtype = *becomes;
                *go_on
            }
            CheckedRewrite::Ttl { matches, min, max, go_on } => {
                if matches.forth(&text).is_none() {
                    continue;
                }
                to.ttl = Some((*min, *max));
                *go_on
            }
        };
        any = true;
        if !go_on {
            break;
        }
    }
    any.then_some(to)
}

impl Rewritten {
    /// Turns the answer to the changed query into one to the query for `original`. What was asked is always what comes back:
    /// libraries refuse records of another owner.
    pub(crate) fn undo(&self, original: &Name, answer: &Answer) -> Answer {
        let mut answer = answer.clone();
        for record in answer.records_mut() {
            if let Some((min, max)) = self.ttl {
                record.ttl = record.ttl.clamp(min, max);
            }
            if self.applied.is_empty() {
                continue;
            }
            record.name = match record.name == self.name {
                true => original.clone(),
                false => answer::owner(&record.name, &self.applied),
            };
            answer::values(record, &self.applied, &self.name, original);
        }
        answer
    }
}

fn parse(text: &str) -> Option<Name> {
    let mut name = Name::from_ascii(text).ok()?;
    name.set_fqdn(true);
    Some(name)
}

#[cfg(test)]
mod tests;
