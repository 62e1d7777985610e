//! Extended DNS errors (RFC 8914): why a reply is what it is, for who reads it.

use std::borrow::Cow;

use hickory_proto::rr::rdata::opt::EdnsOption;

/// The option's code.
const OPTION: u16 = 15;
/// The longest text that is sent.
const TEXT: usize = 128;

/// An extended error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Error {
    pub(crate) code: u16,
    pub(crate) text: Cow<'static, str>,
}

impl Error {
    const fn new(code: u16, text: &'static str) -> Self {
        Self { code, text: Cow::Borrowed(text) }
    }

    pub(crate) const LOOP: Self = Self::new(0, "forwarding loop: an upstream asks this server");
    pub(crate) const CIRCLE: Self = Self::new(0, "aliases lead in a circle");
    pub(crate) const NO_IPV6: Self = Self::new(0, "the client has no IPv6");
    pub(crate) const OVERLOAD: Self = Self::new(0, "too many queries wait for upstreams");
    pub(crate) const STALE: Self = Self::new(3, "upstreams do not answer");
    pub(crate) const STALE_NXDOMAIN: Self = Self::new(19, "upstreams do not answer");
    pub(crate) const CACHED: Self = Self::new(13, "upstreams failed a moment ago");
    pub(crate) const NOT_READY: Self = Self::new(14, "the zone has not been copied yet");
    pub(crate) const PROTECTED: Self = Self::new(15, "the upstream answers for names that are not its own");
    pub(crate) const PRIVATE: Self = Self::new(15, "the upstream answers with a private address");
    pub(crate) const BLOCKED: Self = Self::new(15, "a rule forbids it");
    pub(crate) const FILTERED: Self = Self::new(17, "a rule for this client leaves nothing");
    pub(crate) const PROHIBITED: Self = Self::new(18, "the client may not ask here");
    pub(crate) const NOBODY: Self = Self::new(20, "nobody here answers for the name");
    pub(crate) const NO_RECURSION: Self = Self::new(20, "recursion was not asked for");
    pub(crate) const NOT_FOR_CLIENT: Self = Self::new(20, "others are not asked for this client here");
    pub(crate) const UNSUPPORTED: Self = Self::new(21, "not answered here");
    pub(crate) const UNREACHABLE: Self = Self::new(22, "no upstream answered");
    pub(crate) const DEADLINE: Self = Self::new(22, "no upstream answered in time");
    pub(crate) const NETWORK: Self = Self::new(23, "upstreams cannot be reached");
    pub(crate) const INVALID: Self = Self::new(24, "the upstream's answer is not to the question");

    /// As an option.
    pub(crate) fn option(&self) -> EdnsOption {
        let mut end = self.text.len().min(TEXT);
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let text = self.text.as_bytes().iter().take(end);
        EdnsOption::Unknown(OPTION, self.code.to_be_bytes().iter().chain(text).copied().collect())
    }

    /// From an option, if it is one.
    pub(crate) fn of(option: &EdnsOption) -> Option<Self> {
        let EdnsOption::Unknown(OPTION, data) = option else { return None };
        let (code, text) = data.split_first_chunk::<2>()?;
        let text: String =
            String::from_utf8_lossy(text).chars().filter(|c| !c.is_control()).take(TEXT).collect();
        Some(Self { code: u16::from_be_bytes(*code), text: text.into() })
    }
}
