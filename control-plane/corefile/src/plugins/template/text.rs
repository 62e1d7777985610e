//! Texts with `{{ .Name }}` and the like in them: the part of Go's templates that records need.

/// A text of which parts come from the query.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Text {
    source: String,
    parts: Vec<Part>,
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// As it stands.
    Literal(String),
    /// `.Name`: the name that was asked for, in lower case.
    Name,
    /// `.Question.Name`: the name as it was asked for.
    QuestionName,
    /// `.Zone`: the template's zone that the name is in.
    Zone,
    /// `.Class`: the class, `IN`.
    Class,
    /// `.Type`: the type, `A`.
    Type,
    /// `.Remote`: the client's address.
    Remote,
    /// `index .Match N`: a group of the expression by number, 0 for all that matched.
    Match(usize),
    /// `.Group.name`: a group by its name.
    Group(String),
    /// `.Meta "label"`: metadata of the query.
    Meta(String),
}

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// An action does not end.
    #[error("`{{{{` without `}}}}`")]
    Unclosed,
    /// An action that is not one of those which [`Part`] lists.
    #[error(
        "`{{{{ {0} }}}}` is not supported: templates have .Name, .Zone, .Class, .Type, .Remote, .Question.Name, \
         .Group.NAME, index .Match N and .Meta \"LABEL\""
    )]
    Action(String),
}

impl Text {
    /// Reads a text.
    pub fn parse(source: &str) -> Result<Self, TextError> {
        let mut parts = Vec::new();
        let mut rest = source;
        // Whether white space before the next literal's text goes (`-}}`).
        let mut trim = false;
        while let Some((literal, after)) = rest.split_once("{{") {
            let (action, behind) = after.split_once("}}").ok_or(TextError::Unclosed)?;
            // Trim markers are apart from the action by white space.
            let (action, trim_before) = match action.strip_prefix('-') {
                Some(inner) if inner.starts_with(char::is_whitespace) => (inner, true),
                _ => (action, false),
            };
            let (action, trim_after) = match action.strip_suffix('-') {
                Some(inner) if inner.ends_with(char::is_whitespace) => (inner, true),
                _ => (action, false),
            };
            push_literal(&mut parts, literal, trim, trim_before);
            parts.push(self::action(action.trim())?);
            (rest, trim) = (behind, trim_after);
        }
        push_literal(&mut parts, rest, trim, false);
        Ok(Self { source: source.to_owned(), parts })
    }

    /// As it is written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What it is made of.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }
}

fn push_literal(parts: &mut Vec<Part>, text: &str, trim_start: bool, trim_end: bool) {
    let text = if trim_start { text.trim_start() } else { text };
    let text = if trim_end { text.trim_end() } else { text };
    if !text.is_empty() {
        parts.push(Part::Literal(text.to_owned()));
    }
}

fn action(text: &str) -> Result<Part, TextError> {
    let unknown = || TextError::Action(text.to_owned());
    let words: Vec<&str> = text.split_whitespace().collect();
    let name = |name: &str| {
        let plain = !name.is_empty() && name.chars().all(|char| char.is_alphanumeric() || char == '_');
        plain.then(|| name.to_owned()).ok_or_else(unknown)
    };
    let quoted = |word: &str| {
        let inner = word.strip_prefix('"').and_then(|word| word.strip_suffix('"'));
        let inner = inner.or_else(|| word.strip_prefix('`').and_then(|word| word.strip_suffix('`')));
        inner.filter(|inner| !inner.contains(['"', '\\', '`'])).map(str::to_owned).ok_or_else(unknown)
    };
    Ok(match words.as_slice() {
        [".Name"] => Part::Name,
        [".Question.Name"] => Part::QuestionName,
        [".Zone"] => Part::Zone,
        [".Class"] => Part::Class,
        [".Type"] => Part::Type,
        [".Remote"] => Part::Remote,
        ["index", ".Match", number] => Part::Match(number.parse().map_err(|_| unknown())?),
        ["index", ".Group", word] => Part::Group(quoted(word)?),
        [".Meta", word] => Part::Meta(quoted(word)?),
        [field] => Part::Group(name(field.strip_prefix(".Group.").ok_or_else(unknown)?)?),
        _ => return Err(unknown()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Vec<Part> {
        Text::parse(text).unwrap().parts().to_vec()
    }

    fn literal(text: &str) -> Part {
        Part::Literal(text.to_owned())
    }

    #[test]
    fn texts_are_split_into_parts() {
        assert_eq!(
            parts("{{ .Name }} 60 IN A {{ .Group.a }}.{{index .Match 2}}"),
            [Part::Name, literal(" 60 IN A "), Part::Group("a".into()), literal("."), Part::Match(2)]
        );
        assert_eq!(
            parts("{{ .Zone }} 60 {{ .Class }} SOA {{ .Question.Name }}{{ index .Group \"b-c\" }}"),
            [
                Part::Zone,
                literal(" 60 "),
                Part::Class,
                literal(" SOA "),
                Part::QuestionName,
                Part::Group("b-c".into())
            ]
        );
        assert_eq!(parts("a  {{- .Type -}}  b"), [literal("a"), Part::Type, literal("b")]);
        assert_eq!(parts("{{.Meta \"kubernetes/service\"}}{{ .Remote}}").len(), 2);
        assert_eq!(parts("no { braces }"), [literal("no { braces }")]);
    }

    #[test]
    fn what_is_not_supported_is_named() {
        assert_eq!(Text::parse("{{ .Name"), Err(TextError::Unclosed));
        for bad in [
            "{{ if .Name }}",
            "{{ .Foo }}",
            "{{ .Group. }}",
            "{{ parseInt .Group.a 10 32 }}",
            "{{}}",
            "{{ index .Match x }}",
        ] {
            assert!(matches!(Text::parse(bad), Err(TextError::Action(_))), "{bad}");
        }
    }
}
