//! `rewrite edns0`: options of the query's OPT record.

use crate::lexer::Token;
use crate::reader::Reader;
use crate::written::Stanza;

/// A rule for one option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edns0 {
    /// What is done.
    pub action: Edns0Action,
    /// With which option.
    pub data: Edns0Data,
    /// Whether the reply has the option as the client sent it.
    pub revert: bool,
}

/// What is done with an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edns0Action {
    /// It is set, whatever was there.
    Set,
    /// It is set where there is none.
    Append,
    /// It is set where there is one.
    Replace,
    /// It is taken out.
    Unset,
}

/// An option with what it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edns0Data {
    /// An option by its code, with these octets.
    Local {
        /// The code.
        code: u16,
        /// The octets; none for `unset`.
        octets: Vec<u8>,
    },
    /// An option by its code, with what a variable as `{client_ip}` stands for.
    Variable {
        /// The code.
        code: u16,
        /// The variable with its braces.
        name: String,
    },
    /// The name server's identifier (RFC 5001).
    Nsid,
    /// The client's network (RFC 7871), of these lengths.
    Subnet {
        /// Bits of an IPv4 address, at most 32.
        v4: u8,
        /// Bits of an IPv6 address, at most 128.
        v6: u8,
    },
}

const ACTIONS: [(&str, Edns0Action); 4] = [
    ("append", Edns0Action::Append),
    ("replace", Edns0Action::Replace),
    ("set", Edns0Action::Set),
    ("unset", Edns0Action::Unset),
];

const VARIABLES: [&str; 7] =
    ["{qname}", "{qtype}", "{client_ip}", "{client_port}", "{protocol}", "{server_ip}", "{server_port}"];

pub(super) fn read(kind: &Token, args: &[&Token], reader: &mut Reader<'_>) -> Option<Edns0> {
    let [option, action, rest @ ..] = args else {
        reader.error(kind, "`rewrite edns0` takes an option, an action and what they need");
        return None;
    };
    let Some((_, action)) = ACTIONS.iter().find(|(name, _)| action.text.eq_ignore_ascii_case(name)) else {
        reader.none_of(action, "action", &ACTIONS.map(|(name, _)| name));
        return None;
    };
    let unset = *action == Edns0Action::Unset;
    let (rest, revert) = match rest {
        [rest @ .., last] if last.text == "revert" && !unset => (rest, true),
        rest => (rest, false),
    };
    let data = match (option.text.to_ascii_lowercase().as_str(), rest) {
        ("local", [code]) if unset => {
            Edns0Data::Local { code: number(code, u16::MAX, reader)?, octets: Vec::new() }
        }
        ("local", [code, data]) if !unset => local(number(code, u16::MAX, reader)?, data, reader)?,
        ("nsid", []) => Edns0Data::Nsid,
        ("subnet", []) if unset => Edns0Data::Subnet { v4: 0, v6: 0 },
        ("subnet", [v4, v6]) if !unset => {
            let (v4, v6) = (number(v4, 32, reader), number(v6, 128, reader));
            Edns0Data::Subnet { v4: u8::try_from(v4?).ok()?, v6: u8::try_from(v6?).ok()? }
        }
        ("local" | "nsid" | "subnet", _) => {
            reader.error(
                option,
                "`edns0 local` takes a code and data, `nsid` nothing, `subnet` two prefix lengths; `unset` no data",
            );
            return None;
        }
        _ => {
            reader.none_of(option, "option", &["local", "nsid", "subnet"]);
            return None;
        }
    };
    Some(Edns0 { action: *action, data, revert })
}

fn local(code: u16, data: &Token, reader: &mut Reader<'_>) -> Option<Edns0Data> {
    let text = data.text.as_str();
    if text.starts_with('{') && text.ends_with('}') {
        let metadata =
            text.split_once('/').is_some_and(|(before, after)| before.len() > 1 && after.len() > 1);
        if !metadata && !VARIABLES.contains(&text) {
            reader.none_of(data, "variable", &VARIABLES);
            return None;
        }
        return Some(Edns0Data::Variable { code, name: text.to_owned() });
    }
    let octets = match text.strip_prefix("0x") {
        Some(digits) => match octets(digits) {
            Some(octets) => octets,
            None => {
                reader.error(data, format!("`{text}` has no pairs of hexadecimal digits behind 0x"));
                return None;
            }
        },
        None => text.as_bytes().to_vec(),
    };
    Some(Edns0Data::Local { code, octets })
}

fn octets(digits: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> =
        digits.chars().map(|char| char.to_digit(16)?.try_into().ok()).collect::<Option<_>>()?;
    let pairs = digits.chunks_exact(2);
    let even = pairs.remainder().is_empty();
    even.then(|| pairs.filter_map(|pair| Some(pair.first()? << 4 | pair.last()?)).collect())
}

/// A number as Go reads it with base 0: decimal, 0x, 0o, 0b, or octal behind a 0.
fn number(at: &Token, most: u16, reader: &mut Reader<'_>) -> Option<u16> {
    let text = at.text.to_ascii_lowercase();
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x', ..] => (text.get(2..), 16),
        [b'0', b'o', ..] => (text.get(2..), 8),
        [b'0', b'b', ..] => (text.get(2..), 2),
        [b'0', _, ..] => (text.get(1..), 8),
        _ => (Some(text.as_str()), 10),
    };
    let digits = digits.filter(|digits| !digits.starts_with('+'));
    let number =
        digits.and_then(|digits| u16::from_str_radix(digits, radix).ok()).filter(|number| *number <= most);
    if number.is_none() {
        reader.error(at, format!("`{}` is no number from 0 to {most}", at.text));
    }
    number
}

impl Edns0 {
    pub(super) fn write(&self, stanza: &mut Stanza) {
        let action =
            ACTIONS.iter().find(|(_, action)| *action == self.action).map_or("set", |(name, _)| name);
        let unset = self.action == Edns0Action::Unset;
        stanza.arg("edns0");
        match &self.data {
            Edns0Data::Nsid => {
                stanza.args(["nsid", action]);
            }
            Edns0Data::Subnet { .. } if unset => {
                stanza.args(["subnet", action]);
            }
            Edns0Data::Subnet { v4, v6 } => {
                stanza.args(["subnet", action]).arg(v4).arg(v6);
            }
            Edns0Data::Variable { code, name } => {
                stanza.args(["local", action]).arg(hex(*code)).arg(name);
            }
            Edns0Data::Local { code, .. } if unset => {
                stanza.args(["local", action]).arg(hex(*code));
            }
            Edns0Data::Local { code, octets } => {
                let digits: String = octets.iter().map(|octet| format!("{octet:02x}")).collect();
                stanza.args(["local", action]).arg(hex(*code)).arg(format_args!("0x{digits}"));
            }
        }
        if self.revert {
            stanza.arg("revert");
        }
    }
}

fn hex(code: u16) -> String {
    format!("{code:#06x}")
}
