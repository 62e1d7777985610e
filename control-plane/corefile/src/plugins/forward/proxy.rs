//! `proxy`, which `forward` replaced in CoreDNS 1.5.

use super::{Forward, Policy};
use crate::grammar::{Directive, Line};
use crate::reader::Reader;

/// Reads a `proxy` as the `forward` that does the same.
pub(in crate::plugins) fn read(directive: &Directive, reader: &mut Reader<'_>) -> Forward {
    reader.warning(&directive.name, "`proxy` is gone from CoreDNS; it is read as `forward`");
    let mut forward = Forward::head(directive, reader);
    for line in directive.lines() {
        option(&mut forward, line, reader);
    }
    forward
}

fn option(forward: &mut Forward, line: &Line, reader: &mut Reader<'_>) {
    let name = &line.name;
    let args: Vec<&str> = line.args.iter().map(|arg| arg.text.as_str()).collect();
    match (name.text.as_str(), args.as_slice()) {
        ("except" | "max_fails", _) => forward.option(line, reader),
        ("policy", ["random"]) => forward.policy = Policy::Random,
        ("policy", ["round_robin"]) => forward.policy = Policy::RoundRobin,
        ("policy", ["first" | "sequential"]) => forward.policy = Policy::Sequential,
        ("policy", ["least_conn"]) => {
            reader.warning(name, "`forward` has no policy `least_conn`; `random` is used");
        }
        ("protocol", ["dns"]) => {}
        ("protocol", ["dns", "force_tcp"]) => forward.force_tcp = true,
        ("protocol", [protocol, ..]) => {
            reader.error(
                name,
                format!("upstreams are not asked by `{protocol}`; use `forward` with tls:// or https://"),
            );
        }
        ("fail_timeout" | "health_check" | "spray", _) => {
            reader.warning(
                name,
                format!("`{}` of `proxy` has no counterpart in `forward` and is ignored", name.text),
            );
        }
        _ => reader.unknown(
            "proxy",
            line,
            &["except", "fail_timeout", "health_check", "max_fails", "policy", "protocol", "spray"],
        ),
    }
}
