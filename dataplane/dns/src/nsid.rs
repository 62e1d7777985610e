//! Who answers, for those that ask (RFC 5001).

use std::sync::Arc;

use sluice_model::{Generation, serving};

use crate::answer::{Asked, limit};
use crate::query::{HEADER, Query, kind};
use crate::reply::record_len;
use crate::zones::Zones;

/// The option's code.
const OPTION: u16 = 3;

/// What is told: the text of the settings, and what it is in a generation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Nsid {
    text: Option<Arc<str>>,
    told: Option<Arc<str>>,
}

impl Nsid {
    pub(crate) fn new(text: Option<&str>) -> Self {
        // What could not be told is refused where settings are checked.
        let text: Option<Arc<str>> = text.filter(|text| serving::can_be_nsid(text)).map(Arc::from);
        Self { told: text.clone(), text }
    }

    /// As it is in this generation.
    pub(crate) fn of(&self, generation: Generation) -> Self {
        let told = self.text.as_deref().map(|text| serving::nsid(text, generation).into());
        Self { text: self.text.clone(), told }
    }

    pub(crate) fn is_some(&self) -> bool {
        self.told.is_some()
    }
}

/// Adds who answers to a reply of `length` bytes that `message` begins with, where the client asks, may ask anything, and has
/// room left: nothing is left out for it. The reply's length.
pub fn tell(zones: &Zones, query: &Query, message: &mut [u8], length: usize, asked: &Asked) -> usize {
    let Some(told) = zones.nsid.told.as_deref().map(str::as_bytes) else { return length };
    let end = length + 4 + told.len();
    let asks = query.edns.is_some_and(|edns| edns.nsid);
    if !asks || !zones.may_ask(asked.client, asked.server) || end > limit(zones, query).min(message.len()) {
        return length;
    }
    let Some(data) = options(message.get(..length).unwrap_or_default(), query) else { return length };
    let [[a, b], [c, d]] = [OPTION, told.len() as u16].map(u16::to_be_bytes);
    if let Some(place) = message.get_mut(length..end).and_then(|place| place.split_first_chunk_mut()) {
        *place.0 = [a, b, c, d];
        place.1.copy_from_slice(told);
    }
    if let Some(data) = message.get_mut(data..).and_then(|rest| rest.first_chunk_mut()) {
        *data = (u16::from_be_bytes(*data) + (end - length) as u16).to_be_bytes();
    }
    end
}

/// Where a reply has the length of its OPT record's data. The record is the last one.
fn options(reply: &[u8], query: &Query) -> Option<usize> {
    let header = reply.first_chunk::<HEADER>()?;
    let records: usize =
        [6, 8, 10].iter().map(|at| usize::from(u16::from_be_bytes([header[*at], header[*at + 1]]))).sum();
    let mut at = query.end();
    for _ in 1..records {
        at += record_len(reply.get(at..)?)?;
    }
    let [0, high, low] = *reply.get(at..)?.first_chunk()? else { return None };
    (u16::from_be_bytes([high, low]) == kind::OPT).then_some(at + 9)
}
