//! Corefiles: CoreDNS's configuration read into plain values, checked, and written again.
//!
//! [`parse`] reads a Corefile with all that it imports. Every plugin that is known is a type with its options, with
//! CoreDNS's defaults where nothing is said, in the order in which CoreDNS passes queries through them. What is wrong is
//! told with file and line, all of it; what has no effect or is gone from CoreDNS is a warning. [`run`] makes of them what
//! the gateway is told. Nothing here serves names.
//!
//! Sources: the grammar of Caddyfiles (coredns/caddy `caddyfile`), and `plugin.cfg` and each plugin's `setup.go` of
//! CoreDNS 1.14.

mod address;
pub mod config_map;
mod corefile;
mod duration;
mod environment;
mod files;
mod grammar;
mod hosted;
mod labels;
mod lexer;
mod names;
mod pattern;
pub mod pillars;
pub mod plugins;
mod problem;
mod quote;
mod reader;
mod run;
mod server;
mod suggest;
mod text;
mod written;
mod zone;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use address::{Listen, Peer, Transport};
pub use corefile::{Corefile, Listener, Placed, Server};
pub use files::{DiskFiles, FileError, Files, LARGEST_FILE, MemoryFiles};
pub use hosted::{HostKind, HostZone};
pub use labels::{Condition, Requirement, Selector};
pub use names::{Class, Rcode, RecordType};
pub use pattern::{Pattern, PatternError};
pub use pillars::Pillars;
pub use problem::{Level, Place, Problem, Problems};
pub use run::{Base, Running, run};
pub use zone::{Zone, ZoneError};

/// What reading depends on beside the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The environment, for `{$NAME}` and `{%NAME%}`.
    pub environment: BTreeMap<String, String>,
    /// What stands for the placeholders of NodeLocal DNSCache's templates.
    pub pillars: Pillars,
}

/// A Corefile that can be used.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// What it says.
    pub corefile: Corefile,
    /// What has no effect or probably means something else.
    pub warnings: Problems,
}

/// Reads a Corefile. `name` is what problems call it, and what imports are relative to.
///
/// Time and memory are bounded by the size of the text and of the files it imports, and by fixed limits where it
/// multiplies them: 200,000 words, 10,000 imports, 64 of them nested, 8 MiB of imported files, 20,000 zones.
///
/// # Errors
///
/// Everything that is wrong, and the warnings, in the order of the text.
pub fn parse(name: &str, text: &[u8], files: &dyn Files, options: &Options) -> Result<Imported, Problems> {
    let mut problems = Problems::default();
    let corefile = read(name, text, files, options, &mut problems);
    if problems.has_errors() { Err(problems) } else { Ok(Imported { corefile, warnings: problems }) }
}

fn read(name: &str, text: &[u8], files: &dyn Files, options: &Options, problems: &mut Problems) -> Corefile {
    let file: Arc<str> = name.into();
    let start = Place { file: file.clone(), line: 1 };
    if text.len() > LARGEST_FILE {
        problems.error(&start, format!("more than {LARGEST_FILE} bytes are no Corefile"));
        return Corefile::default();
    }
    let text = text::decode(&file, text, problems);
    let text = options.pillars.resolve(&file, &text, problems);
    let Some(tokens) = lexer::tokens(&file, &text, grammar::MOST_TOKENS, problems) else {
        problems.error(&start, format!("it has more than {} words", grammar::MOST_TOKENS));
        return Corefile::default();
    };
    let blocks = grammar::blocks(tokens, files, &options.environment, problems);
    let corefile = server::servers(&blocks, problems);
    if corefile.servers.is_empty() && !problems.has_errors() {
        problems.warning(&start, "there is no server block; nothing is served");
    }
    corefile
}
