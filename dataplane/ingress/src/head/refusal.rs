//! Why a request is refused before anything is made of it.

use http::StatusCode;

/// What is wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// A line feed without a carriage return before it, or a carriage return without a line feed behind it (RFC 9112 section 2.2).
    #[error("a line does not end with CR LF")]
    Line,
    /// A NUL or another control byte (RFC 9110 section 5.5).
    #[error("a control byte")]
    Control,
    /// The first line is not method, target and version, with one space between them (RFC 9112 section 3).
    #[error("the request line is malformed")]
    RequestLine,
    /// The method is no token, or one that is not for a gateway: `CONNECT`.
    #[error("the method is none that is served")]
    Method,
    /// HTTP, but neither 1.0 nor 1.1.
    #[error("the version of HTTP is not served")]
    Version,
    /// The target has none of the forms of RFC 9112 section 3.2, or bytes that no URI has.
    #[error("the request target is malformed")]
    Target,
    /// A field's line without a name, or with one that is no token; a space before the colon too (RFC 9112 section 5.1).
    #[error("a field name is malformed")]
    FieldName,
    /// A field's value that goes on in the next line (RFC 9112 section 5.2).
    #[error("a folded field line")]
    Folded,
    /// No `Host` with HTTP/1.1, or several, or one that is no host (RFC 9112 section 3.2).
    #[error("Host is missing, doubled or malformed")]
    Host,
    /// A target with a host of its own, and another in `Host`.
    #[error("the request target and Host name different hosts")]
    Authority,
    /// `Content-Length` twice, as a list, with a sign, or not a number (RFC 9112 section 6.3).
    #[error("Content-Length is doubled or malformed")]
    ContentLength,
    /// `Transfer-Encoding` other than exactly `chunked`, or twice.
    #[error("Transfer-Encoding is not just chunked")]
    TransferEncoding,
    /// `Transfer-Encoding` beside `Content-Length`, or with HTTP/1.0 (RFC 9112 section 6.1).
    #[error("Transfer-Encoding where there cannot be one")]
    Framing,
    /// The head is longer than is allowed.
    #[error("the request's head is too long")]
    HeadTooLong,
    /// More fields than are allowed.
    #[error("the request has too many fields")]
    TooManyFields,
    /// The head did not come in time.
    #[error("the request's head did not come in time")]
    Slow,
}

impl Refusal {
    /// The answer's status.
    pub fn status(self) -> StatusCode {
        match self {
            Self::HeadTooLong | Self::TooManyFields => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// The label of metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::Control => "control",
            Self::RequestLine => "request-line",
            Self::Method => "method",
            Self::Version => "version",
            Self::Target => "target",
            Self::FieldName => "field-name",
            Self::Folded => "folded",
            Self::Host => "host",
            Self::Authority => "authority",
            Self::ContentLength => "content-length",
            Self::TransferEncoding => "transfer-encoding",
            Self::Framing => "framing",
            Self::HeadTooLong => "head-too-long",
            Self::TooManyFields => "too-many-fields",
            Self::Slow => "slow",
        }
    }
}
