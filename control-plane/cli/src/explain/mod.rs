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
    match &args.what {
        Some(ExplainWhat::Http(args)) => http::run(args, global, printer),
        None => packet(&args.packet, global, printer),
    }
}

fn packet(args: &PacketArgs, global: &Global, printer: &Printer) -> Result<Exit, Failure> {
    let (Some(source), Some(destination), Some(protocol), Some(port)) =
        (args.source, args.destination, args.protocol, args.port)
    else {
        return Err(Failure::new(Exit::Usage, "a packet, or `http` and a URL, is needed"));
    };
    if source.is_ipv4() != destination.is_ipv4() {
        return Err(Failure::new(
            Exit::Usage,
            format_args!("{source} and {destination} are of different families"),
        ));
    }
    let socket = locate::dataplane_socket(&args.config, global)?;
    let mut client = locate::dataplane(&socket)?;
    let query =
        Query { source, source_port: args.sport, destination: SocketAddr::new(destination, port), protocol };
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
