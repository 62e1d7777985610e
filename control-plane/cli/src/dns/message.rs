//! Replies as what they say.

use hickory_proto::op::Message;
use hickory_proto::rr::Record;
use serde::Serialize;

/// A record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Row {
    /// `answer`, `authority` or `additional`.
    pub section: &'static str,
    /// Whose it is.
    pub owner: String,
    /// Its type.
    pub kind: String,
    /// Its data.
    pub data: String,
    /// In seconds.
    pub ttl: u32,
}

/// What a reply says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Said {
    /// Its code, by name.
    pub code: String,
    /// All records, those of an OPT aside, in their order.
    pub records: Vec<Row>,
    /// It is not whole.
    #[serde(skip)]
    pub truncated: bool,
}

/// Reads a reply; none where it is not one.
pub(super) fn read(bytes: &[u8]) -> Option<Said> {
    let message = Message::from_vec(bytes).ok()?;
    let rows = |section: &'static str, records: &[Record]| {
        let row = |record: &Record| Row {
            section,
            owner: record.name.to_string(),
            kind: record.record_type().to_string(),
            data: record.data.to_string(),
            ttl: record.ttl,
        };
        records.iter().map(row).collect::<Vec<_>>()
    };
    let mut records = rows("answer", &message.answers);
    records.extend(rows("authority", &message.authorities));
    records.extend(rows("additional", &message.additionals));
    let code = match u16::from(message.metadata.response_code) {
        0 => "NOERROR".to_owned(),
        1 => "FORMERR".to_owned(),
        2 => "SERVFAIL".to_owned(),
        3 => "NXDOMAIN".to_owned(),
        4 => "NOTIMP".to_owned(),
        5 => "REFUSED".to_owned(),
        other => format!("RCODE{other}"),
    };
    Some(Said { code, records, truncated: message.metadata.truncation })
}

impl Row {
    /// Its data; that of an SOA record without the serial, which is a time.
    pub fn lasting(&self) -> String {
        if self.kind != "SOA" {
            return self.data.clone();
        }
        let fields = self.data.split_whitespace().enumerate().filter(|(n, _)| *n != 2);
        fields.map(|(_, field)| field).collect::<Vec<_>>().join(" ")
    }
}

impl Said {
    /// Records of a section.
    pub fn section(&self, section: &str) -> impl Iterator<Item = &Row> {
        self.records.iter().filter(move |row| row.section == section)
    }

    /// NOERROR without an answer.
    pub fn is_nodata(&self) -> bool {
        self.code == "NOERROR" && self.section("answer").next().is_none()
    }
}
