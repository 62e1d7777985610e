//! Asking a server for a zone (RFC 5936): its SOA record first, then all of it, over one connection.

use std::net::SocketAddr;
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::SOA;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Content, MOST_RECORDS};

/// The time until a server is connected to, and again until it has said its serial: then it is the next one's turn.
const FIRST: Duration = Duration::from_secs(5);
/// Octets of all messages of a transfer at most.
const MOST_OCTETS: usize = 16 << 20;

/// A copy that could not be had.
#[derive(Debug, Error)]
pub(crate) enum CopyError {
    #[error("{0}")]
    Connection(#[from] std::io::Error),
    #[error("it took too long")]
    Slow,
    #[error("a message could not be read: {0}")]
    Message(#[from] hickory_proto::serialize::binary::DecodeError),
    #[error("a question could not be written: {0}")]
    Encode(#[from] hickory_proto::ProtoError),
    #[error("a message is not the reply to what was asked")]
    Other,
    #[error("the server says {0}")]
    Code(ResponseCode),
    #[error("the server is not in authority over the zone")]
    Lame,
    #[error("there are more than {MOST_RECORDS} records or {MOST_OCTETS} octets")]
    TooLarge,
    #[error("{0}")]
    Content(String),
}

/// The zone as a server has it; none if the serial that is `known` is as new.
pub(super) async fn copy(
    server: SocketAddr,
    zone: &Name,
    known: Option<u32>,
) -> Result<Option<Content>, CopyError> {
    let connected = timeout(FIRST, TcpStream::connect(server)).await;
    let mut stream = connected.map_err(|_| CopyError::Slow)??;
    stream.set_nodelay(true)?;
    let id = ask(&mut stream, zone, RecordType::SOA).await?;
    let first = timeout(FIRST, read(&mut stream, id)).await;
    let (reply, _) = first.map_err(|_| CopyError::Slow)??;
    let serial = serial_of(&reply, zone)?;
    if known.is_some_and(|known| !is_newer(serial, known)) {
        return Ok(None);
    }
    let id = ask(&mut stream, zone, RecordType::AXFR).await?;
    let mut gathered = Gathered::new(zone);
    loop {
        let (reply, octets) = read(&mut stream, id).await?;
        if let Some(content) = gathered.add(reply, octets)? {
            return Ok(Some(content));
        }
    }
}

async fn ask(stream: &mut TcpStream, zone: &Name, kind: RecordType) -> Result<u16, CopyError> {
    let id = rand::random();
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    message.queries.push(Query::query(zone.clone(), kind));
    let bytes = message.to_vec()?;
    let framed = [&u16::try_from(bytes.len()).unwrap_or(0).to_be_bytes(), &bytes[..]].concat();
    stream.write_all(&framed).await?;
    Ok(id)
}

async fn read(stream: &mut TcpStream, id: u16) -> Result<(Message, usize), CopyError> {
    let length = usize::from(stream.read_u16().await?);
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await?;
    let message = Message::from_vec(&bytes)?;
    let metadata = &message.metadata;
    if metadata.id != id
        || metadata.message_type != MessageType::Response
        || metadata.op_code != OpCode::Query
    {
        return Err(CopyError::Other);
    }
    match metadata.response_code {
        ResponseCode::NoError => Ok((message, length)),
        code => Err(CopyError::Code(code)),
    }
}

/// The serial that a server which is in authority says.
fn serial_of(reply: &Message, zone: &Name) -> Result<u32, CopyError> {
    let soa = reply.answers.iter().find_map(|record| match &record.data {
        RData::SOA(soa) if record.name == *zone => Some(soa.serial),
        _ => None,
    });
    soa.filter(|_| reply.metadata.authoritative).ok_or(CopyError::Lame)
}

/// Whether a serial is after another (RFC 1982).
fn is_newer(serial: u32, than: u32) -> bool {
    serial != than && serial.wrapping_sub(than) < 1 << 31
}

/// What has come of a transfer.
pub(super) struct Gathered<'z> {
    zone: &'z Name,
    records: Vec<Record>,
    serial: Option<u32>,
    octets: usize,
}

impl<'z> Gathered<'z> {
    pub(super) fn new(zone: &'z Name) -> Self {
        Self { zone, records: Vec::new(), serial: None, octets: 0 }
    }

    /// Takes in a message of so many octets; the zone, if it is the last.
    pub(super) fn add(&mut self, message: Message, octets: usize) -> Result<Option<Content>, CopyError> {
        self.octets += octets;
        let question = message.queries.first();
        if question.is_some_and(|it| it.name != *self.zone || it.query_type != RecordType::AXFR) {
            return Err(CopyError::Other);
        }
        if message.answers.is_empty() {
            return Err(CopyError::Other);
        }
        if self.octets > MOST_OCTETS || self.records.len() + message.answers.len() > MOST_RECORDS {
            return Err(CopyError::TooLarge);
        }
        for record in message.answers {
            match (&record.data, self.serial) {
                (RData::SOA(SOA { serial, .. }), None) if record.name == *self.zone => {
                    self.serial = Some(*serial);
                    self.records.push(record);
                }
                // It begins with the SOA record, and ends with it.
                (_, None) => return Err(CopyError::Other),
                (RData::SOA(SOA { serial, .. }), Some(first)) if record.name == *self.zone => {
                    if *serial != first {
                        return Err(CopyError::Other);
                    }
                    let records = std::mem::take(&mut self.records);
                    return Content::new(self.zone, records).map(Some).map_err(CopyError::Content);
                }
                (_, Some(_)) => self.records.push(record),
            }
        }
        Ok(None)
    }
}
