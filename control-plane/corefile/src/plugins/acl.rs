//! `acl`: who may ask what.

use ipnet::IpNet;

use super::{Read, Repeat, Write};
use crate::grammar::{Directive, Line};
use crate::lexer::Token;
use crate::names::RecordType;
use crate::reader::Reader;
use crate::written::Stanza;
use crate::zone::Zone;

/// Rules for zones. The first policy that fits decides; what none fits is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acl {
    /// The zones.
    pub zones: Vec<Zone>,
    /// The policies in their order.
    pub policies: Vec<AclPolicy>,
}

/// What becomes of some queries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclPolicy {
    /// What.
    pub action: AclAction,
    /// Queries for these types; for all where empty.
    pub types: Vec<RecordType>,
    /// Queries from these networks; from everywhere where empty.
    pub networks: Vec<IpNet>,
}

/// What becomes of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AclAction {
    /// It goes on.
    Allow,
    /// It is answered with REFUSED.
    Block,
    /// It is answered with nothing: NOERROR without records.
    Filter,
    /// It is not answered.
    Drop,
}

const ACTIONS: [(&str, AclAction); 4] = [
    ("allow", AclAction::Allow),
    ("block", AclAction::Block),
    ("drop", AclAction::Drop),
    ("filter", AclAction::Filter),
];

impl Read for Acl {
    const REPEAT: Repeat = Repeat::Many;

    fn read(directive: &Directive, reader: &mut Reader<'_>) -> Self {
        let zones = reader.origins(&directive.args);
        Self { zones, policies: directive.lines().iter().filter_map(|line| policy(line, reader)).collect() }
    }
}

fn policy(line: &Line, reader: &mut Reader<'_>) -> Option<AclPolicy> {
    let Some((_, action)) = ACTIONS.iter().find(|(name, _)| line.name.text.eq_ignore_ascii_case(name)) else {
        reader.none_of(&line.name, "action", &ACTIONS.map(|(name, _)| name));
        return None;
    };
    let mut policy = AclPolicy { action: *action, types: Vec::new(), networks: Vec::new() };
    // `*` makes all that stands beside it superfluous.
    let (mut all_types, mut all_networks) = (false, false);
    let mut words = line.args.as_slice();
    while let [section, rest @ ..] = words {
        let is_section =
            |word: &Token| ["type", "net"].iter().any(|name| word.text.eq_ignore_ascii_case(name));
        if !is_section(section) {
            reader.none_of(section, "section", &["type", "net"]);
            return None;
        }
        let end = rest.iter().position(is_section).unwrap_or(rest.len());
        let (values, after) = rest.split_at_checked(end)?;
        words = after;
        if values.is_empty() {
            reader.error(section, format!("`{}` names nothing", section.text));
        }
        let types = section.text.eq_ignore_ascii_case("type");
        for value in values {
            match value.text.as_str() {
                "*" if types => all_types = true,
                "*" => all_networks = true,
                text if types => match RecordType::named(text) {
                    Some(found) => policy.types.push(found),
                    None => reader.error(value, format!("`{text}` is no record type (in capitals)")),
                },
                text => match network(text) {
                    Some(network) => policy.networks.push(network),
                    None => reader.error(value, format!("`{text}` is no address and no network")),
                },
            }
        }
    }
    if all_types {
        policy.types.clear();
    }
    if all_networks {
        policy.networks.clear();
    }
    Some(policy)
}

fn network(text: &str) -> Option<IpNet> {
    match text.contains('/') {
        true => text.parse::<IpNet>().ok().map(|network| network.trunc()),
        false => text.parse::<std::net::IpAddr>().ok().map(IpNet::from),
    }
}

impl Write for Acl {
    fn write(&self, stanza: &mut Stanza, server: &[Zone]) {
        stanza.origins(&self.zones, server);
        for AclPolicy { action, types, networks } in &self.policies {
            let Some((name, _)) = ACTIONS.iter().find(|(_, known)| known == action) else { continue };
            let mut words = Vec::new();
            if !types.is_empty() {
                words.push("type".to_owned());
                words.extend(types.iter().map(RecordType::to_string));
            }
            if !networks.is_empty() {
                words.push("net".to_owned());
                words.extend(networks.iter().map(IpNet::to_string));
            }
            stanza.option(name, words);
        }
    }
}
