//! Requests as a reader sees them who takes nothing but what RFC 9112 has one meaning for.

/// A request.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    pub method: String,
    pub target: String,
    pub version: String,
    /// Names in lower case, values without blanks around them.
    pub fields: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
    pub trailers: Vec<(String, Vec<u8>)>,
    /// There are tabs around a field's value.
    pub tabs: bool,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} {} {} ", self.method, self.target, self.version)?;
        for (name, value) in self.fields.iter().filter(|(name, _)| !name.starts_with("x-")) {
            write!(out, "{name}: {}, ", value.escape_ascii())?;
        }
        write!(out, "body {}", self.body.escape_ascii())
    }
}

/// What comes first in some bytes.
pub enum Read {
    /// A request, and how long it is.
    Whole(Box<Message>, usize),
    /// The beginning of one.
    Part,
    /// Anything else.
    Nonsense(&'static str),
}

/// All requests in some bytes, up to the first that is none, and what that is.
pub fn all(mut bytes: &[u8]) -> (Vec<Message>, Option<&'static str>) {
    let mut messages = Vec::new();
    while !bytes.is_empty() {
        match first(bytes) {
            Read::Whole(message, length) => {
                messages.push(*message);
                bytes = &bytes[length..];
            }
            Read::Part => return (messages, Some("a part")),
            Read::Nonsense(why) => return (messages, Some(why)),
        }
    }
    (messages, None)
}

/// The first request.
pub fn first(bytes: &[u8]) -> Read {
    // RFC 9112 section 2.2: an empty line before a request is none of it.
    let blank = if bytes.starts_with(b"\r\n") { 2 } else { 0 };
    let bytes = &bytes[blank..];
    let Some(end) = find(bytes, b"\r\n\r\n") else { return Read::Part };
    let mut lines = lines(&bytes[..end]);
    let Some(first) = lines.next().and_then(|line| std::str::from_utf8(line).ok()) else {
        return Read::Nonsense("a request line of other bytes");
    };
    let words: Vec<&str> = first.split(' ').collect();
    let [method, target, version] = words[..] else { return Read::Nonsense("a request line") };
    if !is_token(method.as_bytes()) || target.is_empty() || !["HTTP/1.0", "HTTP/1.1"].contains(&version) {
        return Read::Nonsense("a request line");
    }
    let Some(fields) = fields(lines) else { return Read::Nonsense("a field") };
    let mut message = Message {
        method: method.into(),
        target: target.into(),
        version: version.into(),
        fields,
        body: Vec::new(),
        trailers: Vec::new(),
        tabs: find(&bytes[..end], b":\t").is_some()
            || find(&bytes[..end], b": \t").is_some()
            || find(&bytes[..end + 2], b"\t\r\n").is_some(),
    };
    let rest = &bytes[end + 4..];
    let length = match (
        message.values("content-length")[..].as_ref(),
        message.values("transfer-encoding")[..].as_ref(),
    ) {
        ([], []) => 0,
        ([one], []) => match std::str::from_utf8(one).ok().and_then(decimal) {
            Some(length) if rest.len() < length => return Read::Part,
            Some(length) => {
                message.body = rest[..length].to_vec();
                length
            }
            None => return Read::Nonsense("a length"),
        },
        ([], [coding]) if coding.eq_ignore_ascii_case(b"chunked") && version == "HTTP/1.1" => {
            match chunks(rest, &mut message) {
                Ok(length) => length,
                Err(read) => return read,
            }
        }
        _ => return Read::Nonsense("two framings"),
    };
    Read::Whole(Box::new(message), blank + end + 4 + length)
}

impl Message {
    /// Values of a field.
    pub fn values(&self, name: &str) -> Vec<&[u8]> {
        self.fields.iter().filter(|(given, _)| given == name).map(|(_, value)| &value[..]).collect()
    }
}

fn chunks(bytes: &[u8], message: &mut Message) -> Result<usize, Read> {
    let mut at = 0;
    loop {
        let rest = &bytes[at..];
        let end = find(rest, b"\r\n").ok_or(Read::Part)?;
        let line = &rest[..end];
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let extension = &line[digits..];
        if digits == 0 || !(extension.is_empty() || extension[0] == b';') || extension.iter().any(is_control)
        {
            return Err(Read::Nonsense("a chunk's line"));
        }
        let size =
            std::str::from_utf8(&line[..digits]).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
        let size = size.filter(|size| *size < 1 << 40).ok_or(Read::Nonsense("a chunk's size"))?;
        at += end + 2;
        if size == 0 {
            break;
        }
        if bytes.len() < at + size + 2 {
            return Err(Read::Part);
        }
        message.body.extend(&bytes[at..at + size]);
        if &bytes[at + size..at + size + 2] != b"\r\n" {
            return Err(Read::Nonsense("a chunk's end"));
        }
        at += size + 2;
    }
    if bytes[at..].starts_with(b"\r\n") {
        return Ok(at + 2);
    }
    let end = find(&bytes[at..], b"\r\n\r\n").ok_or(Read::Part)?;
    message.trailers = fields(lines(&bytes[at..at + end])).ok_or(Read::Nonsense("a trailer"))?;
    Ok(at + end + 4)
}

/// Fields, if each line is one.
fn fields<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Option<Vec<(String, Vec<u8>)>> {
    lines
        .map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let (name, value) = (&line[..colon], &line[colon + 1..]);
            if !is_token(name) || value.iter().any(is_control) {
                return None;
            }
            let blank = |byte: &u8| *byte == b' ' || *byte == b'\t';
            let start = value.iter().position(|byte| !blank(byte)).unwrap_or(value.len());
            let end = value.iter().rposition(|byte| !blank(byte)).map_or(start, |at| at + 1);
            Some((String::from_utf8_lossy(name).to_ascii_lowercase(), value[start..end].to_vec()))
        })
        .collect()
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(bytes);
    std::iter::from_fn(move || {
        let bytes = rest?;
        match find(bytes, b"\r\n") {
            Some(at) => {
                rest = Some(&bytes[at + 2..]);
                Some(&bytes[..at])
            }
            None => rest.take(),
        }
    })
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn is_control(byte: &u8) -> bool {
    (*byte < 0x20 && *byte != b'\t') || *byte == 0x7f
}

fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty()
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

fn decimal(text: &str) -> Option<usize> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}
