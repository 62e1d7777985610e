//! Log lines on the standard error, each with the role that wrote it: all roles of a gateway share one.

use std::fmt;

use sluice_config::Log;
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{FmtSpan, Format, JsonFields, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::args::{LogArgs, LogFormat};
use crate::exit::{Exit, Failure};

/// Libraries that are only heard where the command line asks for them by name.
const QUIET: &str = "kube_client=off,kube_runtime=off,hyper=off,hyper_util=off,tower=off,rustls=off";

/// Starts logging for `role`; the command line goes before the configuration.
pub(crate) fn start(role: &'static str, args: &LogArgs, config: Log) -> Result<(), Failure> {
    let directives = args.log.as_deref().unwrap_or(config.level.as_str());
    // What the client library has to say is said once more, and better, by who uses it.
    let directives = format!("{QUIET},{directives}");
    let filter = EnvFilter::try_new(&directives).map_err(|error| {
        Failure::new(
            Exit::Usage,
            format_args!("--log {:?}: {error}", args.log.as_deref().unwrap_or_default()),
        )
        .hint("a level such as \"debug\", or levels by module such as \"info,sluice_runtime=debug\"")
    })?;
    let json = match args.log_format {
        Some(format) => format == LogFormat::Json,
        None => config.format == sluice_config::LogFormat::Json,
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_span_events(FmtSpan::NONE)
        .with_ansi(false);
    let started = if json {
        builder
            .fmt_fields(JsonFields::new())
            .event_format(InRole { role, json: true, inner: Format::default().json().flatten_event(true) })
            .try_init()
    } else {
        builder
            .event_format(InRole { role, json: false, inner: Format::default().with_target(false) })
            .try_init()
    };
    started.map_err(|error| Failure::new(Exit::Software, error))
}

/// A format with the role in front of the line, or as the object's first field.
struct InRole<F> {
    role: &'static str,
    json: bool,
    inner: F,
}

impl<S, N, F> FormatEvent<S, N> for InRole<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::new();
        self.inner.format_event(context, Writer::new(&mut line), event)?;
        match line.strip_prefix('{') {
            Some(fields) if self.json => write!(writer, "{{\"role\":\"{}\",{fields}", self.role),
            _ => write!(writer, "{:<9} {line}", self.role),
        }
    }
}
