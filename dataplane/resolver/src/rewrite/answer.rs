//! The names of an answer.

use hickory_proto::rr::{Name, RData, Record};

use super::matches::replace;
use super::parse;
use crate::config::{CheckedAnswer, CheckedMatch};

type Applied = [(CheckedMatch, Vec<CheckedAnswer>)];

/// What an owner becomes: the last rule that was applied is undone first.
pub(super) fn owner(name: &Name, applied: &Applied) -> Name {
    changed(name, applied, |change, matches, text| match change {
        CheckedAnswer::Auto => matches.back(text),
        CheckedAnswer::Name(from, to) => replace(text, from, to),
        CheckedAnswer::Value(..) => None,
    })
}

/// Changes the names in a record's data.
pub(super) fn values(record: &mut Record, applied: &Applied, asked: &Name, original: &Name) {
    let change = |name: &mut Name| {
        let automatic =
            applied.iter().any(|(_, changes)| changes.iter().any(|it| matches!(it, CheckedAnswer::Auto)));
        if automatic && name == asked {
            *name = original.clone();
            return;
        }
        *name = changed(name, applied, |change, matches, text| match change {
            CheckedAnswer::Auto => matches.back(text),
            CheckedAnswer::Name(..) => None,
            CheckedAnswer::Value(from, to) => replace(text, from, to),
        });
    };
    match &mut record.data {
        RData::CNAME(data) => change(&mut data.0),
        RData::NS(data) => change(&mut data.0),
        RData::PTR(data) => change(&mut data.0),
        RData::MX(data) => change(&mut data.exchange),
        RData::SRV(data) => change(&mut data.target),
        RData::SOA(data) => {
            change(&mut data.mname);
            change(&mut data.rname);
        }
        _ => {}
    }
}

fn changed(
    name: &Name,
    applied: &Applied,
    change: impl Fn(&CheckedAnswer, &CheckedMatch, &str) -> Option<String>,
) -> Name {
    let mut to = name.clone();
    for (matches, changes) in applied.iter().rev() {
        for it in changes {
            let text = to.to_lowercase().to_ascii();
            if let Some(next) = change(it, matches, &text).and_then(|next| parse(&next)) {
                to = next;
            }
        }
    }
    to
}
