//! Reading in tests: what is right must be read as it is written again, what is wrong must be told.
#![allow(dead_code, reason = "not every test uses all of it")]

use sluice_corefile::plugins::Plugin;
use sluice_corefile::{Corefile, Imported, MemoryFiles, Options, Problems, Server, parse};

/// Reads a Corefile that imports nothing.
pub fn read(text: &str) -> Result<Imported, Problems> {
    parse("Corefile", text.as_bytes(), &MemoryFiles::default(), &Options::default())
}

/// A Corefile that is right, with its warnings; what is written of it says the same.
#[track_caller]
pub fn right(text: &str) -> (Corefile, Vec<String>) {
    let imported = read(text).unwrap_or_else(|problems| panic!("{text}\n{problems}"));
    assert_written(&imported.corefile);
    (imported.corefile, imported.warnings.iter().map(ToString::to_string).collect())
}

/// A Corefile that has no warnings either.
#[track_caller]
pub fn clean(text: &str) -> Corefile {
    let (corefile, warnings) = right(text);
    assert!(warnings.is_empty(), "{text}\n{warnings:#?}");
    corefile
}

/// That what is written is read as the same, and written the same again.
#[track_caller]
pub fn assert_written(corefile: &Corefile) {
    let written = corefile.to_string();
    let again = read(&written).unwrap_or_else(|problems| panic!("{written}\n{problems}"));
    assert_eq!(&again.corefile, corefile, "{written}");
    assert_eq!(again.corefile.to_string(), written);
}

/// What is wrong with a Corefile.
#[track_caller]
pub fn wrong(text: &str) -> Vec<String> {
    let problems = read(text).expect_err(text);
    problems.errors().map(ToString::to_string).collect()
}

/// The one server.
#[track_caller]
pub fn server(corefile: &Corefile) -> &Server {
    let [server] = corefile.servers.as_slice() else { panic!("{corefile}") };
    server
}

/// The names of a server's plugins in their order.
pub fn names(server: &Server) -> Vec<&'static str> {
    server.plugins.iter().map(|placed| placed.plugin.name()).collect()
}

/// A plugin of a server, by its variant.
#[macro_export]
macro_rules! plugin {
    ($server:expr, $variant:ident) => {{
        let found = $server.plugins.iter().find_map(|placed| match &placed.plugin {
            sluice_corefile::plugins::Plugin::$variant(plugin) => Some(plugin.clone()),
            _ => None,
        });
        found.expect(stringify!($variant))
    }};
}

/// The one plugin of a server block `. { … }`.
#[track_caller]
pub fn only(directive: &str) -> Plugin {
    let (corefile, _) = right(&format!(". {{\n{directive}\n}}\n"));
    let [placed] = server(&corefile).plugins.as_slice() else { panic!("{corefile}") };
    placed.plugin.clone()
}

/// What is wrong with a directive in `. { … }`.
#[track_caller]
pub fn refused(directive: &str) -> Vec<String> {
    wrong(&format!(". {{\n{directive}\n}}\n"))
}
