//! Something that is wrong, as `sluice check` and `sluice show problems` print it.

use std::path::PathBuf;

use serde::Serialize;
use sluice_sync::Level;
use sluice_sync::admin::protocol::ProblemRow;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Problem {
    /// `error`, `warning` or `note`.
    pub level: Level,
    /// The file it is in; `null` where it is no file's.
    pub file: Option<PathBuf>,
    /// The line, from 1; `null` where it is about the file as a whole.
    pub line: Option<u64>,
    /// The column, from 1, where it is known.
    pub column: Option<u64>,
    /// Kind, namespace and name of the Kubernetes object.
    pub object: Option<String>,
    /// Path of the key or field.
    pub key: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What was probably meant.
    pub suggestion: Option<String>,
}

impl Problem {
    /// A line for people, as compilers write them: place, level, object, key, what is wrong.
    pub(crate) fn line(&self) -> String {
        let mut text = String::new();
        if let Some(file) = &self.file {
            text.push_str(&file.display().to_string());
            for number in [self.line, self.column].into_iter().flatten() {
                text.push_str(&format!(":{number}"));
            }
            text.push_str(": ");
        }
        text.push_str(match self.level {
            Level::Error => "",
            Level::Warning => "warning: ",
            Level::Note => "note: ",
        });
        for part in [&self.object, &self.key].into_iter().flatten() {
            text.push_str(&format!("{part}: "));
        }
        text.push_str(&self.message);
        if let Some(suggestion) = &self.suggestion {
            text.push_str(&format!("; {suggestion}"));
        }
        text.push('\n');
        text
    }
}

impl From<ProblemRow> for Problem {
    fn from(row: ProblemRow) -> Self {
        let ProblemRow { level, file, line, object, key, message } = row;
        Self { level, file, line, column: None, object, key, message, suggestion: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_the_place_first_where_there_is_one() {
        let problem = Problem {
            level: Level::Warning,
            file: Some("/m/a.yaml".into()),
            line: Some(3),
            column: None,
            object: Some("Service shop/web".into()),
            key: Some("spec.ports[0].port".into()),
            message: "0 is no port number".into(),
            suggestion: None,
        };
        assert_eq!(
            problem.line(),
            "/m/a.yaml:3: warning: Service shop/web: spec.ports[0].port: 0 is no port number\n"
        );
        let conflict = Problem { level: Level::Error, file: None, line: None, key: None, ..problem };
        assert_eq!(conflict.line(), "Service shop/web: 0 is no port number\n");
    }
}
