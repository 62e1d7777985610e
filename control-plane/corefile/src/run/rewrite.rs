//! `rewrite`.

use sluice_model::resolver::{self, AnswerRewrite, NameMatch};

use super::Run;
use crate::corefile::Placed;
use crate::plugins::{Match, NameRule, Rewrite, Rule};

impl Run<'_> {
    pub(super) fn rewrite(&mut self, rewrite: &Rewrite, placed: &Placed) -> Option<resolver::Rewrite> {
        let go_on = rewrite.goes_on;
        let refusal = match &rewrite.rule {
            Rule::Name(rule) => {
                return Some(resolver::Rewrite::Name {
                    matches: becomes(&rule.from, &rule.to),
                    answer: answers(rule),
                    go_on,
                });
            }
            Rule::Type { from, to } => {
                return Some(resolver::Rewrite::Type { from: from.to_string(), to: to.to_string(), go_on });
            }
            Rule::Ttl(rule) => {
                let [_, text] = rule.names.words();
                let text = text.to_owned();
                return Some(resolver::Rewrite::Ttl {
                    matches: becomes(&rule.names, &text),
                    min: rule.least,
                    max: rule.most,
                    go_on,
                });
            }
            Rule::Class { .. } => "`rewrite class`: only class IN is answered",
            Rule::Edns0(_) => "`rewrite edns0`: options of clients are not passed on to upstreams",
            Rule::Cname(_) => {
                "`rewrite cname`: targets of aliases are changed by `answer value` of a `rewrite name` alone"
            }
            Rule::Rcode(_) => {
                "`rewrite rcode`: codes of replies are not changed; a `template` answers instead of upstreams"
            }
        };
        self.refuse(&placed.place, format!("{refusal}; it is not supported"));
        None
    }
}

fn answers(rule: &NameRule) -> Vec<AnswerRewrite> {
    let mut answers = Vec::new();
    if rule.auto {
        answers.push(AnswerRewrite::Auto);
    }
    answers.extend(rule.answers.iter().map(|answer| {
        let (from, to) = (answer.from.as_str().to_owned(), answer.to.clone());
        if answer.value { AnswerRewrite::Value(from, to) } else { AnswerRewrite::Name(from, to) }
    }));
    answers
}

fn becomes(from: &Match, to: &str) -> NameMatch {
    let to = to.to_owned();
    match from {
        Match::Exact(from) => NameMatch::Exact(from.clone(), to),
        Match::Prefix(from) => NameMatch::Prefix(from.clone(), to),
        Match::Suffix(from) => NameMatch::Suffix(from.clone(), to),
        Match::Substring(from) => NameMatch::Substring(from.clone(), to),
        Match::Regex(from) => NameMatch::Regex(from.as_str().to_owned(), to),
    }
}
