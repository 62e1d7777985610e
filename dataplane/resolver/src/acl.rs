//! Who may ask for what.

use std::net::IpAddr;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{Name, RecordType};

use crate::config::{AclAction, CheckedAcl};
use crate::message::{Answer, ExtendedError};
use crate::zones::under_any;

/// What the rules say about a query: the first policy that is for it decides.
pub(crate) fn decide(rules: &[CheckedAcl], name: &Name, rtype: RecordType, client: IpAddr) -> AclAction {
    if rules.is_empty() {
        return AclAction::Allow;
    }
    let client = client.to_canonical();
    let policies =
        rules.iter().filter(|rule| under_any(name, &rule.zones)).flat_map(|rule| &rule.settings.policies);
    for policy in policies {
        let of_type = policy.types.is_empty() || policy.types.contains(&u16::from(rtype));
        if of_type && (policy.networks.is_empty() || policy.networks.iter().any(|net| net.contains(&client)))
        {
            return policy.action;
        }
    }
    AclAction::Allow
}

/// The answer to a query that does not go on; silence has none.
pub(crate) fn answer(action: AclAction) -> Option<Answer> {
    match action {
        AclAction::Allow | AclAction::Drop => None,
        AclAction::Block => Some(Answer::failure(ResponseCode::Refused, ExtendedError::BLOCKED)),
        AclAction::Filter => Some(Answer::failure(ResponseCode::NoError, ExtendedError::FILTERED)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Acl, AclPolicy, Config, Settings, Zone};

    fn policy(action: AclAction, types: &[u16], networks: &[&str]) -> AclPolicy {
        let networks = networks.iter().map(|net| net.parse().unwrap()).collect();
        AclPolicy { action, types: types.to_vec(), networks }
    }

    fn rules(acl: Vec<Acl>) -> Vec<CheckedAcl> {
        let zone = Zone { name: ".".into(), acl, ..Zone::default() };
        let config = Config::new(Settings { zones: vec![zone], ..Settings::default() }).unwrap();
        config.zones()[0].acl.clone()
    }

    #[test]
    fn the_first_policy_that_is_for_a_query_decides() {
        let inner = Acl {
            zones: vec!["corp.example".into()],
            policies: vec![
                policy(AclAction::Allow, &[], &["10.1.0.0/16", "fd00::/8"]),
                policy(AclAction::Filter, &[28], &["10.0.0.0/8"]),
                policy(AclAction::Block, &[], &[]),
            ],
        };
        let outer = Acl { zones: vec![], policies: vec![policy(AclAction::Drop, &[255], &["10.0.0.0/8"])] };
        let rules = rules(vec![inner, outer]);
        for (name, kind, client, action) in [
            ("www.corp.example.", RecordType::A, "10.1.2.3", AclAction::Allow),
            ("www.corp.example.", RecordType::A, "::ffff:10.1.2.3", AclAction::Allow),
            ("WWW.Corp.Example.", RecordType::A, "fd12::1", AclAction::Allow),
            ("corp.example.", RecordType::AAAA, "10.2.2.3", AclAction::Filter),
            ("corp.example.", RecordType::A, "10.2.2.3", AclAction::Block),
            // What a former rule allows, no later one takes back.
            ("corp.example.", RecordType::ANY, "10.1.2.3", AclAction::Allow),
            ("www.example.", RecordType::ANY, "10.1.2.3", AclAction::Drop),
            ("www.example.", RecordType::A, "10.1.2.3", AclAction::Allow),
        ] {
            let found = decide(&rules, &Name::from_ascii(name).unwrap(), kind, client.parse().unwrap());
            assert_eq!(found, action, "{name} {kind} {client}");
        }
    }
}
