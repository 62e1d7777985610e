//! `sluice explain`: what would happen to a packet or a request, and why.

mod http;
mod words;

use std::net::SocketAddr;

use sluice_engine::explain::{Explanation, Query};
use sluice_runtime::admin::{AdminRequest, AdminResponse};

use crate::args::{ExplainArgs, ExplainWhat, Global, PacketArgs};
use crate::exit::{Exit, Failure};
use crate::output::Printer;
use crate::{locate, show};

/// Asks the running gateway and prints its answer.
pub(crate) fn run(args: &ExplainArgs, global: &Global, printer: &Printer) -> Result<Exit, Failure> {
    match (&args.what, &args.packet) {
        (Some(ExplainWhat::Http(args)), _) => http::run(args, global, printer),
        (None, Some(args)) => packet(args, global, printer),
        (None, None) => Err(Failure::new(Exit::Usage, "a packet, or `http` and a URL, is needed")),
    }
}

fn packet(args: &PacketArgs, global: &Global, printer: &Printer) -> Result<Exit, Failure> {
    if args.source.is_ipv4() != args.destination.is_ipv4() {
        return Err(Failure::new(
            Exit::Usage,
            format_args!("{} and {} are of different families", args.source, args.destination),
        ));
    }
    let socket = locate::dataplane_socket(&args.config, global)?;
    let mut client = locate::dataplane(&socket)?;
    let query = Query {
        source: args.source,
        source_port: args.sport,
        destination: SocketAddr::new(args.destination, args.port),
        protocol: args.protocol,
    };
    let answer = client.ask(&AdminRequest::Explain(query)).map_err(locate::failure)?;
    let explanation: Explanation = answer
        .into_iter()
        .find_map(|part| match part {
            AdminResponse::Explain(explanation) => Some(*explanation),
            _ => None,
        })
        .ok_or_else(show::unexpected)?;
    printer.print(&explanation, words::text)?;
    Ok(Exit::Ok)
}
