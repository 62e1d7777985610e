//! The grammar, by table.

use std::collections::BTreeMap;

use super::*;
use crate::files::MemoryFiles;
use crate::lexer;

/// Blocks in short: `keys: directive[args]{line|line}; …`, and the problems.
fn read(text: &str) -> (Vec<String>, Vec<String>) {
    let files = [
        ("/c/one", "log\nerrors\n"),
        ("/c/d/a.conf", "health\n"),
        ("/c/d/b.conf", "ready"),
        ("/c/sites", "a {\n log\n}\nb {\n}\n"),
        ("/c/empty", ""),
        ("/c/open", "cache {\n"),
    ];
    let files = files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
    let files = MemoryFiles(files.into());
    let environment: BTreeMap<String, String> = [("NAME".to_owned(), "value".to_owned())].into();
    let mut problems = Problems::default();
    let tokens = lexer::tokens(&"/c/Corefile".into(), text, 1000, &mut problems).unwrap();
    let blocks = blocks(tokens, &files, &environment, &mut problems);
    (blocks.iter().map(short).collect(), problems.iter().map(ToString::to_string).collect())
}

fn short(block: &Block) -> String {
    let words =
        |tokens: &[Token]| tokens.iter().map(|token| token.text.as_str()).collect::<Vec<_>>().join(" ");
    let directive = |directive: &Directive| {
        let mut text = directive.name.text.clone();
        if !directive.args.is_empty() {
            text.push_str(&format!("[{}]", words(&directive.args)));
        }
        if let Some(body) = &directive.body {
            let line = |line: &Line| format!("{} {}", line.name.text, words(&line.args)).trim().to_owned();
            text.push_str(&format!("{{{}}}", body.iter().map(line).collect::<Vec<_>>().join("|")));
        }
        text
    };
    let directives = block.directives.iter().map(directive).collect::<Vec<_>>().join("; ");
    format!("{}: {directives}", words(&block.keys))
}

#[test]
fn what_is_right() {
    for (text, expected) in [
        (". {\n log\n}", &[". : log"][..]),
        ("a b:53,\nc {\n}\n", &["a b:53 c : "]),
        ("a\n{\n log x\n}\n", &["a : log[x]"]),
        ("a\nlog\nerrors\n", &["a : log; errors"]),
        (". {\n cache 30 {\n  x 1\n  y\n }\n log\n}\nb {\n}\n", &[". : cache[30]{x 1|y}; log", "b : "]),
        (". {\n a { b c }\n}\n", &[". : a{b c}"]),
        (". {\n a {\n }\n}\n", &[". : a{}"]),
        ("{$NAME}.x:{%NAME%} {\n a{$NAME} {$NAME}\n}\n", &["value.x:value : avalue[value]"]),
        ("(s) {\n log\n cache {\n  x\n }\n}\n. {\n import s\n ready\n}\n", &[". : log; cache{x}; ready"]),
        ("(s) { log }\n. {\n import s\n import s\n}\n", &[". : log; log"]),
        ("(s) {\n x 1\n}\n. {\n a {\n  import s\n  y\n  import s\n }\n}\n", &[". : a{x 1|y|x 1}"]),
        (". {\n import one\n import d/*.conf\n}\n", &[". : log; errors; health; ready"]),
        ("import sites\nc {\n}\nimport empty\n", &["a : log", "b : ", "c : "]),
        ("import sites\n", &["a : log", "b : "]),
        (". {\n import /c/d/?.conf\n}\n", &[". : health; ready"]),
        ("# nothing\n", &[]),
        (". {\n rewrite {\n name regex \"a b\" c\n }\n}\n", &[". : rewrite{name regex a b c}"]),
        (". {\n cache {\n import one\n }\n}\n", &[". : cache{log|errors}"]),
    ] {
        let (blocks, problems) = read(text);
        let expected: Vec<String> = expected.iter().map(|text| text.replacen(" : ", ": ", 1)).collect();
        assert_eq!((blocks, problems), (expected, Vec::new()), "{text}");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_line_and_reading_goes_on() {
    for (text, blocks, expected) in [
        (". {\n log\n", 1, "1: this block is not closed: `}` is missing"),
        (". {\n cache {\n  x\n", 0, "2: the body of `cache` is not closed: `}` is missing"),
        (
            ". {\n cache {\n }\n",
            1,
            "1: warning: this block is not closed; the file's last `}` is taken for its own",
        ),
        ("{\n log\n}\nb {\n}\n", 1, "1: a server block begins with its zones, for example `. {`"),
        ("}\n", 0, "1: this `}` closes nothing"),
        ("a, {\n}\n", 1, "1: an address is missing behind the comma"),
        (
            ". {\n log\n {\n x\n }\n errors\n}\n",
            1,
            "3: this `{` opens nothing; it belongs on the line of its directive",
        ),
        (". { log }\nb {\n}\n", 2, "1: this `}` must stand on a line of its own"),
        (". {\n a {\n  b {\n   c\n  }\n }\n}\n", 1, "3: `a` has no options with a body of their own"),
        (". {\n a {\n } b\n}\n", 1, "3: `b` stands behind the body's `}`"),
        (". {\n import\n}\n", 1, "2: `import` takes one snippet, file or pattern"),
        (". {\n import a b\n log\n}\n", 1, "2: `import` takes one snippet, file or pattern"),
        (
            ". {\n import none\n}\n",
            1,
            "2: import of `none`: `/c/none`: no file and no snippet: there is no such file",
        ),
        (". {\n import d/**\n}\n", 1, "2: `d/**`: a pattern has one `*` and one `?` at most, and no `[…]`"),
        (". {\n import x*\n}\n", 1, "2: warning: no file matches `x*`"),
        ("(s) {\n}\n(s) {\n}\n. {\n}\n", 1, "3: the snippet (s) is defined twice"),
        ("(s)\n. {\n}\n", 0, "1: the snippet (s) has no `{`"),
        ("(s) {\n log\n", 0, "1: the snippet (s) is not closed: `}` is missing"),
        (".\n", 1, "1: warning: this server block has no plugins; it serves nothing"),
        (
            ". {\n log {$UNSET}\n}\n",
            1,
            "2: warning: the environment variable `UNSET` is not set; it stands for nothing",
        ),
    ] {
        let (found, problems) = read(text);
        assert_eq!(found.len(), blocks, "{text}: {found:?}");
        assert_eq!(problems, [format!("/c/Corefile:{expected}")], "{text}");
    }
}

#[test]
fn words_of_files_keep_their_place() {
    let (_, problems) = read(". {\n import open\n");
    assert_eq!(problems, ["/c/open:1: the body of `cache` is not closed: `}` is missing"]);
}
