//! Answers made by rule from the query.

mod pattern;

use std::net::IpAddr;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, Record, RecordType};
use regex::Captures;

pub(crate) use pattern::Pattern;

use crate::config::CheckedTemplate;
use crate::message::{Answer, ExtendedError};
use crate::zones::{longest, under_any};

/// What a pattern may speak of.
pub(crate) struct Query<'a> {
    pub(crate) name: &'a str,
    pub(crate) rtype: RecordType,
    pub(crate) zone: String,
    pub(crate) client: IpAddr,
    pub(crate) groups: Option<Captures<'a>>,
}

/// The answer of the first rule that has one.
pub(crate) fn answer(
    rules: &[CheckedTemplate],
    name: &Name,
    rtype: RecordType,
    client: IpAddr,
) -> Option<Answer> {
    let text = name.to_lowercase().to_ascii();
    for rule in rules {
        let Some(zone) = longest(name, &rule.zones) else { continue };
        if rule.rtype != RecordType::ANY && rule.rtype != rtype {
            continue;
        }
        let groups = rule.matches.iter().find_map(|expression| expression.captures(&text));
        if groups.is_none() && !rule.matches.is_empty() {
            if under_any(name, &rule.fallthrough) {
                continue;
            }
            return Some(Answer { code: ResponseCode::NXDomain, authoritative: true, ..Answer::default() });
        }
        let query = Query { name: &text, rtype, zone: zone.to_ascii(), client, groups };
        return Some(rule.answer(&query));
    }
    None
}

impl CheckedTemplate {
    fn answer(&self, query: &Query<'_>) -> Answer {
        let code = ResponseCode::from(0, u8::try_from(self.rcode).unwrap_or(2));
        if code == ResponseCode::ServFail {
            return Answer { code, error: self.told(), ..Answer::default() };
        }
        let section = |patterns: &[Pattern]| -> Result<Vec<Record>, pattern::RecordError> {
            patterns.iter().map(|pattern| pattern.record(query)).collect()
        };
        let sections = (section(&self.answer), section(&self.authority), section(&self.additional));
        let (Ok(answers), Ok(authority), Ok(additional)) = sections else {
            let error = ExtendedError { code: 0, text: "a template gives no record for this name".into() };
            return Answer::failure(ResponseCode::ServFail, error);
        };
        Answer {
            code,
            authoritative: true,
            answers,
            authority,
            additional,
            error: self.told(),
            ..Answer::default()
        }
    }

    fn told(&self) -> Option<ExtendedError> {
        self.error.as_ref().map(|(code, text)| ExtendedError { code: *code, text: text.clone().into() })
    }
}

#[cfg(test)]
mod tests;
