//! `{$NAME}` and `{%NAME%}`: what the environment puts into words.

use std::collections::BTreeMap;

use crate::lexer::Token;
use crate::problem::Problems;
use crate::quote;

/// Replaces references in a word. Unset names are empty, as in Caddy, but told.
///
/// Values are not looked through for references again (Caddy does, and hangs on a name that refers to itself).
pub(crate) fn expand(token: &mut Token, environment: &BTreeMap<String, String>, problems: &mut Problems) {
    if !token.text.contains("{%") && !token.text.contains("{$") {
        return;
    }
    let mut missing = Vec::new();
    let mut value = |name: &str| match environment.get(name) {
        Some(value) => value.clone(),
        None => {
            missing.push(name.to_owned());
            String::new()
        }
    };
    let (text, percent) = replace(&token.text, "{%", "%}", &mut value);
    let (text, dollar) = replace(&text, "{$", "}", &mut value);
    for name in missing {
        problems.warning(
            &token.place,
            format!("the environment variable `{name}` is not set; it stands for nothing"),
        );
    }
    if !percent && !dollar {
        return;
    }
    let again = replace(&text, "{%", "%}", &mut |_| String::new()).1
        || replace(&text, "{$", "}", &mut |_| String::new()).1;
    if again || matches!(text.as_str(), "{" | "}") || !quote::is_writable(&text) {
        problems.error(
            &token.place,
            format!(
                "`{}` becomes a word that means something else: a brace, a reference or an open quote",
                token.text
            ),
        );
    }
    token.text = text;
}

/// The text with its references replaced, and whether there were any.
fn replace(text: &str, start: &str, end: &str, value: &mut dyn FnMut(&str) -> String) -> (String, bool) {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut found = false;
    while let Some((before, after)) = rest.split_once(start) {
        // An empty name is no reference, and in Caddy nothing after it is one either.
        let Some((name, behind)) = after.split_once(end).filter(|(name, _)| !name.is_empty()) else { break };
        out.push_str(before);
        out.push_str(&value(name));
        found = true;
        rest = behind;
    }
    out.push_str(rest);
    (out, found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Place;

    fn expanded(text: &str) -> (String, usize, usize) {
        let environment = [("A", "1"), ("B", "x y"), ("SELF", "{$SELF}"), ("BRACE", "{")];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let place = Place { file: "Corefile".into(), line: 1 };
        let mut token = Token { text: text.into(), place, first: true };
        let mut problems = Problems::default();
        expand(&mut token, &environment, &mut problems);
        (token.text, problems.errors().count(), problems.warnings().count())
    }

    #[test]
    fn both_forms_are_replaced_and_unset_ones_are_empty_and_told() {
        assert_eq!(expanded("a{$A}b{%A%}c"), ("a1b1c".into(), 0, 0));
        assert_eq!(expanded("{$B}"), ("x y".into(), 0, 0));
        assert_eq!(expanded("a{$NO}b"), ("ab".into(), 0, 1));
        assert_eq!(expanded("{$} {$A}"), ("{$} {$A}".into(), 0, 0));
        assert_eq!(expanded("{$A"), ("{$A".into(), 0, 0));
    }

    #[test]
    fn words_that_would_change_their_meaning_are_errors() {
        assert_eq!(expanded("{$SELF}").1, 1);
        assert_eq!(expanded("{$BRACE}").1, 1);
        assert_eq!(expanded("{{$NO}$A}").1, 1);
        assert_eq!(expanded("a b\\{$NO}").1, 1);
    }
}
