//! `template`.

use sluice_model::resolver;

use super::{Run, texts};
use crate::corefile::{Placed, Server};
use crate::names::Class;
use crate::plugins::{Part, Plugin, Template, Text};

/// Class IN.
const IN: Class = Class(1);
/// The largest code that a header has room for.
const LARGEST_CODE: u16 = 15;

/// Whether a template of the server tells clients their own addresses.
pub(super) fn speaks_of_clients(server: &Server) -> bool {
    server.plugins.iter().any(|placed| {
        let Plugin::Template(template) = &placed.plugin else { return false };
        let mut texts = template.answer.iter().chain(&template.authority).chain(&template.additional);
        texts.any(|text| text.parts().contains(&Part::Remote))
    })
}

impl Run<'_> {
    pub(super) fn template(&mut self, template: &Template, placed: &Placed) -> Option<resolver::Template> {
        if !matches!(template.class, IN | Class::ANY) {
            let text =
                format!("a template of class {} has no effect: only class IN is answered", template.class);
            self.warn(&placed.place, text);
            return None;
        }
        if template.rcode.0 > LARGEST_CODE {
            self.refuse(placed.line("rcode"), format!("{} is no code of a reply", template.rcode));
        }
        let sections = [
            ("answer", &template.answer),
            ("authority", &template.authority),
            ("additional", &template.additional),
        ];
        let [answer, authority, additional] = sections
            .map(|(name, texts)| texts.iter().map(|text| self.text(text, name, placed)).collect::<Vec<_>>());
        Some(resolver::Template {
            zones: texts(&template.zones),
            rtype: template.kind.to_string(),
            matches: template.matching.iter().map(|pattern| pattern.as_str().to_owned()).collect(),
            answer,
            authority,
            additional,
            rcode: template.rcode.0,
            error: template.ederror.clone().map(|(code, text)| (code, text.unwrap_or_default())),
            fallthrough: texts(&template.fallthrough),
        })
    }

    fn text(&mut self, text: &Text, name: &str, placed: &Placed) -> String {
        let mut out = String::new();
        for part in text.parts() {
            match part {
                Part::Literal(text) => out.push_str(text),
                // The case of a question comes back in the question.
                Part::Name | Part::QuestionName => out.push_str("{{ .Name }}"),
                Part::Zone => out.push_str("{{ .Zone }}"),
                Part::Class => out.push_str("{{ .Class }}"),
                Part::Type => out.push_str("{{ .Type }}"),
                Part::Remote => out.push_str("{{ .Remote }}"),
                Part::Match(group) => out.push_str(&format!("{{{{ index .Match {group} }}}}")),
                Part::Group(group) => out.push_str(&format!("{{{{ .Group.{group} }}}}")),
                Part::Meta(label) => {
                    self.refuse(
                        placed.line(name),
                        format!("`.Meta \"{label}\"`: there is no metadata of queries"),
                    );
                }
            }
        }
        out
    }
}
