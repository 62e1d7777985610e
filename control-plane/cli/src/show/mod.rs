//! `sluice show`: what a running gateway knows, as tables.

mod counters;
mod dns;
mod flows;
pub(crate) mod http;
mod network;
mod objects;
mod status;
mod sync;

pub(crate) use status::version;

use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use sluice_proxy::admin::{ProxyClient, ProxyRequest, ProxyResponse};
use sluice_runtime::admin::{AdminClient, AdminRequest, AdminResponse};

use crate::args::{Global, Show, ShowArgs, ShowDns, ShowHttp};
use crate::exit::{Exit, Failure};
use crate::locate;
use crate::output::{Printer, write};

/// Home, then erase to the end of the screen: what is printed next replaces what was there, without a flicker.
const HOME_AND_CLEAR: &str = "\x1b[H\x1b[J";

/// Shows something once, or again and again.
pub(crate) fn run(args: ShowArgs, global: &Global, printer: &Printer) -> Result<Exit, Failure> {
    let folder = locate::runtime_dir(&args.config.into(), global)?;
    let Some(seconds) = args.watch else {
        once(&args.what, &folder, printer)?;
        return Ok(Exit::Ok);
    };
    let replace = printer.is_table() && std::io::stdout().is_terminal();
    loop {
        if replace {
            write(HOME_AND_CLEAR)?;
        }
        once(&args.what, &folder, printer)?;
        std::thread::sleep(Duration::from_secs(seconds.into()));
    }
}

/// Asks who knows, by the sockets in `folder`.
fn once(what: &Show, folder: &Path, printer: &Printer) -> Result<(), Failure> {
    let control = || locate::control_in(folder);
    let dataplane = || locate::dataplane(&locate::dataplane_socket_in(folder));
    match what {
        Show::Sync => sync::sync(&mut control()?, printer),
        Show::Problems => sync::problems(&mut control()?, printer),
        Show::Status => status::show(&mut dataplane()?, printer),
        Show::Services(which) => objects::services(&mut dataplane()?, which, printer),
        Show::Backends(which) => objects::backends(&mut dataplane()?, which, printer),
        Show::Flows(filter) => flows::show(&mut dataplane()?, filter, printer),
        Show::Ports => network::ports(&mut dataplane()?, printer),
        Show::Routes => network::routes(&mut dataplane()?, printer),
        Show::Neighbours => network::neighbours(&mut dataplane()?, printer),
        Show::Counters(which) => counters::counters(&mut dataplane()?, which, printer),
        Show::Http(ShowHttp::Routes { host }) => {
            http::routes(&mut locate::proxy_in(folder)?, host.as_deref(), printer)
        }
        Show::Http(ShowHttp::Certificates) => http::certificates(&mut locate::proxy_in(folder)?, printer),
        Show::Http(ShowHttp::Upstreams) => http::upstreams(&mut locate::proxy_in(folder)?, printer),
        Show::Dns(ShowDns::Zones) => dns::zones(&mut dataplane()?, printer),
        Show::Dns(ShowDns::Clients) => dns::clients(&mut dataplane()?, printer),
        Show::Dns(ShowDns::Cache) => dns::cache(&mut locate::proxy_in(folder)?, printer),
        Show::Dns(ShowDns::Upstreams) => dns::upstreams(&mut locate::proxy_in(folder)?, printer),
        Show::Lcores => counters::lcores(&mut dataplane()?, printer),
    }
}

/// Asks for rows, which may come in several parts; `part` takes them out of an answer.
fn rows<T>(
    client: &mut AdminClient,
    request: &AdminRequest,
    part: impl Fn(AdminResponse) -> Option<Vec<T>>,
) -> Result<Vec<T>, Failure> {
    let mut all = Vec::new();
    let mut strange = false;
    client
        .ask_each(request, |response| {
            match part(response) {
                Some(rows) => all.extend(rows),
                None => strange = true,
            }
            !strange
        })
        .map_err(locate::failure)?;
    if strange { Err(unexpected()) } else { Ok(all) }
}

/// Asks the proxy for rows, which may come in several parts.
fn parts<T>(
    client: &mut ProxyClient,
    request: &ProxyRequest,
    part: impl Fn(ProxyResponse) -> Option<Vec<T>>,
) -> Result<Vec<T>, Failure> {
    let mut all = Vec::new();
    for response in client.ask(request).map_err(locate::failure)? {
        all.extend(part(response).ok_or_else(unexpected)?);
    }
    Ok(all)
}

/// An answer to another question than the one that was asked.
pub(crate) fn unexpected() -> Failure {
    Failure::new(Exit::Protocol, "the gateway answered something else")
        .hint("this program and the running one may be of different releases")
}
