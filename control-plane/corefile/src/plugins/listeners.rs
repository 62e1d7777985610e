//! How clients' connections are served: `tls`, `https`, `https3`, `quic`, `grpc_server`, `multisocket`, `timeouts`.

use std::time::Duration;

use super::{Read, Repeat, Write};
use crate::duration;
use crate::grammar::{Directive, Line};
use crate::lexer::Token;
use crate::reader::Reader;
use crate::written::Stanza;
use crate::zone::Zone;

/// `tls`: who this server is to clients of TLS, HTTPS and QUIC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Path of the certificate.
    pub certificate: String,
    /// Path of its key.
    pub key: String,
    /// Path of the authorities that sign clients' certificates.
    pub authority: Option<String>,
    /// What is asked of clients.
    pub client_auth: ClientAuth,
    /// Path of a log of the connections' keys.
    pub keylog: Option<String>,
}

/// What is asked of clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// No certificate.
    #[default]
    NoCert,
    /// A certificate, where they have one; it is not checked.
    Request,
    /// A certificate; it is not checked.
    Require,
    /// A certificate is checked where they have one.
    VerifyIfGiven,
    /// A certificate that is checked.
    RequireAndVerify,
}

/// Limits of a kind of connections: `https`, `https3`, `quic`, `grpc_server`. `None` is CoreDNS's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; 0 for no limit.
    pub max_connections: Option<u32>,
    /// Streams of one connection at once; 0 for no limit.
    pub max_streams: Option<u32>,
    /// Workers of `quic`.
    pub worker_pool_size: Option<u32>,
}

/// `multisocket`: sockets for each listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Multisocket {
    /// How many, at most 1024; one for each CPU where nothing is said.
    pub sockets: Option<u16>,
}

/// `timeouts`: how long connections are waited for; `None` for CoreDNS's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// For a query.
    pub read: Option<Duration>,
    /// For a reply to be taken.
    pub write: Option<Duration>,
    /// For the next query.
    pub idle: Option<Duration>,
    /// Queries of one TCP connection; `Some(None)` for any number.
    pub max_tcp_queries: Option<Option<u32>>,
}

const CLIENT_AUTH: [(&str, ClientAuth); 5] = [
    ("nocert", ClientAuth::NoCert),
    ("request", ClientAuth::Request),
    ("require", ClientAuth::Require),
    ("verify_if_given", ClientAuth::VerifyIfGiven),
    ("require_and_verify", ClientAuth::RequireAndVerify),
];

impl Read for Tls {
    const REPEAT: Repeat = Repeat::Once;

    fn read(directive: &Directive, reader: &mut Reader<'_>) -> Self {
        let text = |arg: &Token| arg.text.clone();
        let mut tls = Self {
            certificate: String::new(),
            key: String::new(),
            authority: None,
            client_auth: ClientAuth::NoCert,
            keylog: None,
        };
        match directive.args.as_slice() {
            [certificate, key] => (tls.certificate, tls.key) = (text(certificate), text(key)),
            [certificate, key, authority] => {
                (tls.certificate, tls.key) = (text(certificate), text(key));
                tls.authority = Some(text(authority));
            }
            [] => {
                reader.error(
                    &directive.name,
                    "`tls` without files asks an ACME server, which is not supported",
                );
                return tls;
            }
            _ => reader.error(&directive.name, "`tls` takes a certificate, its key and the authority"),
        }
        for line in directive.lines() {
            match line.name.text.as_str() {
                "client_auth" => {
                    let Some(arg) = reader.one(line) else { continue };
                    match CLIENT_AUTH.iter().find(|(name, _)| *name == arg.text) {
                        Some((_, auth)) => tls.client_auth = *auth,
                        None => {
                            reader.none_of(arg, "way to know clients", &CLIENT_AUTH.map(|(name, _)| name))
                        }
                    }
                }
                "keylog" => {
                    tls.keylog = reader.one(line).map(text);
                    reader.warning(&line.name, "who reads the `keylog` can read all connections");
                }
                _ => reader.unknown("tls", line, &["client_auth", "keylog"]),
            }
        }
        tls
    }
}

impl Write for Tls {
    fn write(&self, stanza: &mut Stanza, _: &[Zone]) {
        stanza.arg(&self.certificate).arg(&self.key).args(&self.authority);
        if self.client_auth != ClientAuth::NoCert
            && let Some((name, _)) = CLIENT_AUTH.iter().find(|(_, auth)| *auth == self.client_auth)
        {
            stanza.value("client_auth", name);
        }
        stanza.list("keylog", self.keylog.as_slice());
    }
}

impl Read for Limits {
    const REPEAT: Repeat = Repeat::First;

    fn read(directive: &Directive, reader: &mut Reader<'_>) -> Self {
        reader.nothing(&directive.name, &directive.args);
        let plugin = directive.name.text.as_str();
        let known: &[&str] = match plugin {
            "https" => &["max_connections"],
            "quic" => &["max_streams", "worker_pool_size"],
            _ => &["max_connections", "max_streams"],
        };
        // QUIC has no way to say "no limit".
        let least = u32::from(plugin == "quic");
        let mut limits = Self::default();
        for line in directive.lines() {
            let name = line.name.text.as_str();
            let limit = match name {
                _ if !known.contains(&name) => {
                    reader.unknown(plugin, line, known);
                    continue;
                }
                "max_connections" => &mut limits.max_connections,
                "max_streams" => &mut limits.max_streams,
                _ => &mut limits.worker_pool_size,
            };
            if limit.is_some() {
                reader.error(&line.name, format!("`{name}` stands here twice"));
            }
            *limit = reader.one(line).and_then(|arg| reader.number(arg, least..=u32::MAX));
        }
        limits
    }
}

impl Write for Limits {
    fn write(&self, stanza: &mut Stanza, _: &[Zone]) {
        stanza.list("max_connections", self.max_connections.as_slice());
        stanza.list("max_streams", self.max_streams.as_slice());
        stanza.list("worker_pool_size", self.worker_pool_size.as_slice());
    }
}

impl Read for Multisocket {
    const REPEAT: Repeat = Repeat::Once;

    fn read(directive: &Directive, reader: &mut Reader<'_>) -> Self {
        reader.no_body(directive);
        let sockets = match directive.args.as_slice() {
            [] => None,
            [arg] => reader.number(arg, 1..=1024),
            [_, extra, ..] => {
                reader.error(extra, "`multisocket` takes one number");
                None
            }
        };
        Self { sockets }
    }
}

impl Write for Multisocket {
    fn write(&self, stanza: &mut Stanza, _: &[Zone]) {
        stanza.args(self.sockets);
    }
}

impl Read for Timeouts {
    const REPEAT: Repeat = Repeat::Last;

    fn read(directive: &Directive, reader: &mut Reader<'_>) -> Self {
        reader.nothing(&directive.name, &directive.args);
        let mut timeouts = Self::default();
        for line in directive.lines() {
            match line.name.text.as_str() {
                "read" => timeouts.read = timeout(line, reader),
                "write" => timeouts.write = timeout(line, reader),
                "idle" => timeouts.idle = timeout(line, reader),
                "maxtcpqueries" => {
                    let Some(arg) = reader.one(line) else { continue };
                    timeouts.max_tcp_queries = match arg.text.as_str() {
                        "-1" => Some(None),
                        _ => reader.number(arg, 1..=u32::MAX).map(Some),
                    };
                }
                _ => reader.unknown("timeouts", line, &["idle", "maxtcpqueries", "read", "write"]),
            }
        }
        if directive.lines().is_empty() {
            reader.error(&directive.name, "`timeouts` says nothing");
        }
        timeouts
    }
}

/// A duration of 1 s to 24 h; a number alone is seconds.
fn timeout(line: &Line, reader: &mut Reader<'_>) -> Option<Duration> {
    let arg = reader.one(line)?;
    let timeout = match arg.text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => reader.duration(arg)?,
    };
    if !(Duration::from_secs(1)..=Duration::from_secs(86_400)).contains(&timeout) {
        reader.error(arg, format!("`{}` is not between 1s and 24h", arg.text));
    }
    Some(timeout)
}

impl Write for Timeouts {
    fn write(&self, stanza: &mut Stanza, _: &[Zone]) {
        for (name, timeout) in [("read", self.read), ("write", self.write), ("idle", self.idle)] {
            stanza.list(name, timeout.map(duration::Written).as_slice());
        }
        if let Some(queries) = self.max_tcp_queries {
            stanza.value(
                "maxtcpqueries",
                queries.map_or_else(|| "-1".to_owned(), |queries| queries.to_string()),
            );
        }
    }
}
