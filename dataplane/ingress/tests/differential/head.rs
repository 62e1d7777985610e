//! The corpus of the gateway's own tests.

/// Why a request is refused.
#[derive(Clone, Copy, Debug)]
pub enum Refusal {
    Authority,
    ContentLength,
    Control,
    FieldName,
    Folded,
    Framing,
    Host,
    Line,
    Method,
    RequestLine,
    Target,
    TransferEncoding,
    Version,
}

#[path = "../../src/head/corpus.rs"]
mod corpus;

/// All of it, with bodies behind heads that announce one, and a request behind those that are refused.
pub fn corpus() -> Vec<Vec<u8>> {
    let behind = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let refused = corpus::REFUSED.iter().map(|(head, _)| format!("{head}{behind}"));
    let alone = corpus::REFUSED.iter().map(|(head, _)| (*head).to_owned());
    let accepted = corpus::ACCEPTED.iter().map(|(head, length)| match length {
        Some(length) => format!("{head}{}", &"bodybody"[..(*length).min(8) as usize]),
        None => format!("{head}4\r\nbody\r\n0\r\n\r\n"),
    });
    let post = "POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunks = corpus::BAD_CHUNKS.iter().map(|body| format!("{post}{body}"));
    refused.chain(alone).chain(accepted).chain(chunks).map(String::into_bytes).collect()
}
