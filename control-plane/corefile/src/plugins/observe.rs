//! What others see of queries and of the process: `dnstap` and `pprof`.

use super::{Read, Repeat, Write};
use crate::address::Listen;
use crate::grammar::Directive;
use crate::lexer::Token;
use crate::reader::Reader;
use crate::written::Stanza;
use crate::zone::Zone;

/// `dnstap`: queries and replies are sent to a collector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dnstap {
    /// Where: a path, `unix://PATH`, `tcp://HOST:PORT` or `tls://HOST:PORT`.
    pub endpoint: String,
    /// Whether the collector connects to us.
    pub listen: bool,
    /// Whether messages are sent whole.
    pub full: bool,
    /// Buffer of a TCP connection in MiB, 1 to 1024.
    pub write_buffer: u16,
    /// Queue in 10,000 messages, 1 to 4096.
    pub queue: u16,
    /// Whether the collector's certificate is not checked.
    pub skip_verify: bool,
    /// Certificate, key and authority of a listener.
    pub tls: Vec<String>,
    /// The server's name in messages; the host's where nothing is said.
    pub identity: Option<String>,
    /// Its version in messages.
    pub version: Option<String>,
    /// More about each message, with placeholders as `log` has them.
    pub extra: Option<String>,
}

/// `pprof`: profiles of a Go process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pprof {
    /// Where they are asked.
    pub listen: Listen,
    /// Which part of blocking is profiled.
    pub block: Option<u32>,
}

impl Read for Dnstap {
    const REPEAT: Repeat = Repeat::Many;

    fn read(directive: &Directive, reader: &mut Reader<'_>) -> Self {
        let (listen, args) = match directive.args.as_slice() {
            [first, rest @ ..] if first.text == "listen" => (true, rest),
            args => (false, args),
        };
        if args.is_empty() {
            reader.error(&directive.name, "`dnstap` needs a path, or tcp:// or tls:// with host and port");
        }
        let mut number =
            |at: usize, most: u16| args.get(at).map_or(Some(1), |arg| reader.number(arg, 1..=most));
        let (write_buffer, queue) = (number(2, 1024), number(3, 4096));
        let mut dnstap = Self {
            endpoint: args.first().map(|arg| arg.text.clone()).unwrap_or_default(),
            listen,
            full: args.get(1).is_some_and(|arg| arg.text == "full"),
            write_buffer: write_buffer.unwrap_or(1),
            queue: queue.unwrap_or(1),
            skip_verify: false,
            tls: Vec::new(),
            identity: None,
            version: None,
            extra: None,
        };
        let text = |arg: &Token| arg.text.clone();
        for line in directive.lines() {
            match line.name.text.as_str() {
                "skipverify" => {
                    reader.nothing(&line.name, &line.args);
                    dnstap.skip_verify = true;
                }
                "tls" if !listen => reader.error(&line.name, "`tls` is for `dnstap listen`"),
                "tls" if (2..=3).contains(&line.args.len()) => {
                    dnstap.tls = line.args.iter().map(text).collect()
                }
                "tls" => reader.error(&line.name, "`tls` takes a certificate, its key and the authority"),
                "identity" => dnstap.identity = reader.one(line).map(text),
                "version" => dnstap.version = reader.one(line).map(text),
                "extra" => dnstap.extra = reader.one(line).map(text),
                _ => reader.unknown("dnstap", line, &["extra", "identity", "skipverify", "tls", "version"]),
            }
        }
        dnstap
    }
}

impl Write for Dnstap {
    fn write(&self, stanza: &mut Stanza, _: &[Zone]) {
        stanza.args(self.listen.then_some("listen")).arg(&self.endpoint);
        let sizes = self.write_buffer != 1 || self.queue != 1;
        match (self.full, sizes) {
            (true, _) => {
                stanza.arg("full");
            }
            // Only its place counts.
            (false, true) => {
                stanza.arg("-");
            }
            (false, false) => {}
        }
        if sizes {
            stanza.arg(self.write_buffer).arg(self.queue);
        }
        stanza.flag("skipverify", self.skip_verify).list("tls", &self.tls);
        stanza.list("identity", self.identity.as_slice()).list("version", self.version.as_slice());
        stanza.list("extra", self.extra.as_slice());
    }
}

impl Read for Pprof {
    const REPEAT: Repeat = Repeat::Once;

    fn read(directive: &Directive, reader: &mut Reader<'_>) -> Self {
        let mut pprof = Self { listen: Listen::new("localhost", 6053), block: None };
        match directive.args.as_slice() {
            [] => {}
            [arg] => match Listen::parse(&arg.text) {
                Some(listen) => pprof.listen = listen,
                None => reader.error(arg, format!("`{}` is no address such as :6053", arg.text)),
            },
            [_, extra, ..] => reader.error(extra, "`pprof` takes one address"),
        }
        for line in directive.lines() {
            match (line.name.text.as_str(), line.args.as_slice()) {
                ("block", []) => pprof.block = Some(1),
                ("block", _) => {
                    pprof.block = reader.one(line).and_then(|arg| reader.number(arg, 0..=u32::MAX))
                }
                _ => reader.unknown("pprof", line, &["block"]),
            }
        }
        pprof
    }
}

impl Write for Pprof {
    fn write(&self, stanza: &mut Stanza, _: &[Zone]) {
        stanza.args((self.listen != Listen::new("localhost", 6053)).then_some(&self.listen));
        stanza.list("block", self.block.as_slice());
    }
}
