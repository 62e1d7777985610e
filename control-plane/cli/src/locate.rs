//! Finding the daemon: its folder of sockets, its configuration.

use std::io;
use std::path::{Path, PathBuf};

use sluice_config::{Config, ConfigError};
use sluice_proxy::admin::ProxyClient;
use sluice_runtime::admin::{AdminClient, AdminError, Trouble};
use sluice_sync::admin::ControlClient;

use crate::args::{ConfigFile, Global};
use crate::exit::{Exit, Failure};

/// Where sockets are unless somebody says otherwise.
const RUNTIME_DIR: &str = "/run/sluice";

/// Reads and checks a configuration; `--runtime-dir` goes before what it says.
pub(crate) fn config(path: &Path, global: &Global) -> Result<Config, Failure> {
    let mut config = Config::load(path).map_err(|error| {
        let exit = match &error {
            ConfigError::Read { .. } => Exit::NoInput,
            _ => Exit::Usage,
        };
        Failure::new(exit, error)
    })?;
    if let Some(dir) = &global.runtime_dir {
        let dir = std::path::absolute(dir).map_err(|error| Failure::new(Exit::System, error))?;
        if config.state_dir == config.runtime_dir {
            config.state_dir.clone_from(&dir);
        }
        config.runtime_dir = dir;
    }
    Ok(config)
}

/// The folder of the daemon's sockets.
pub(crate) fn runtime_dir(file: &ConfigFile, global: &Global) -> Result<PathBuf, Failure> {
    match (&global.runtime_dir, &file.config) {
        (Some(dir), _) => Ok(dir.clone()),
        (None, Some(path)) => Ok(config(path, global)?.runtime_dir),
        (None, None) => Ok(PathBuf::from(RUNTIME_DIR)),
    }
}

/// The admin socket of the packet path.
pub(crate) fn dataplane_socket(file: &ConfigFile, global: &Global) -> Result<PathBuf, Failure> {
    Ok(dataplane_socket_in(&runtime_dir(file, global)?))
}

/// The same, in a folder of sockets.
pub(crate) fn dataplane_socket_in(folder: &Path) -> PathBuf {
    folder.join("dataplane.sock")
}

/// A connection to control, whose admin socket is in this folder of sockets.
pub(crate) fn control_in(folder: &Path) -> Result<ControlClient, Failure> {
    ControlClient::connect(&folder.join("control.sock")).map_err(failure)
}

/// A connection to the resolver, whose admin socket is in this folder of sockets.
pub(crate) fn proxy_in(folder: &Path) -> Result<ProxyClient, Failure> {
    ProxyClient::connect(&folder.join("proxy.sock")).map_err(failure)
}

/// A connection to the packet path.
pub(crate) fn dataplane(socket: &Path) -> Result<AdminClient, Failure> {
    AdminClient::connect(socket).map_err(failure)
}

/// What an error of the admin socket means for the command.
pub(crate) fn failure(error: AdminError) -> Failure {
    let AdminError { role, trouble } = error;
    match trouble {
        Trouble::Connect { path, source } if source.kind() == io::ErrorKind::PermissionDenied => {
            Failure::new(Exit::Permission, format_args!("{}: permission denied", path.display())).hint(
                "ask as root, as the user the gateway runs as, or as a member of the configuration's `group`",
            )
        }
        Trouble::Connect { path, source } => {
            let why = match source.kind() {
                io::ErrorKind::NotFound => "there is no such socket".to_owned(),
                io::ErrorKind::ConnectionRefused => "nobody listens there any more".to_owned(),
                _ => source.to_string(),
            };
            Failure::new(Exit::Unavailable, format_args!("{}: {why}: {role} does not run", path.display())).hint(
                "start it with `sluice run -c FILE`; if it runs with another folder, name it by --runtime-dir DIR or -c FILE",
            )
        }
        Trouble::Io(source)
            if matches!(source.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) =>
        {
            Failure::new(Exit::Unavailable, format_args!("{role} takes the question, but does not answer"))
                .hint("it is stopped, or has no CPU: look at its process, and at its log")
        }
        Trouble::Io(source) => {
            let exit = match source.kind() {
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                    Exit::Unavailable
                }
                _ => Exit::Io,
            };
            Failure::new(exit, format_args!("{role} hung up: {source}"))
        }
        Trouble::Answer(_) => Failure::new(Exit::Protocol, AdminError { role, trouble })
            .hint("this program and the running one may be of different releases"),
        Trouble::Refused(message) if message.contains("may not") => Failure::new(Exit::Permission, message),
        Trouble::Refused(message) => Failure::new(Exit::Unavailable, message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Format;

    fn global(dir: Option<&str>) -> Global {
        Global { output: Format::Table, runtime_dir: dir.map(PathBuf::from) }
    }

    #[test]
    fn the_socket_is_found_by_option_then_configuration_then_default() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.yaml");
        let text = "node: a\nruntime_dir: here\ndataplane:\n  lcores: [0]\n  ports: [{ name: p, device: net_null0 }]\n\
                    source: { manifests: m }\n";
        std::fs::write(&path, text).unwrap();
        let file = ConfigFile { config: Some(path) };
        let none = ConfigFile::default();
        assert_eq!(dataplane_socket(&none, &global(None)).unwrap(), Path::new("/run/sluice/dataplane.sock"));
        assert_eq!(
            dataplane_socket(&file, &global(None)).unwrap(),
            folder.path().join("here/dataplane.sock")
        );
        assert_eq!(dataplane_socket(&file, &global(Some("/x"))).unwrap(), Path::new("/x/dataplane.sock"));
    }

    #[test]
    fn a_missing_daemon_is_unavailable_and_says_which_socket_and_how_to_start() {
        let folder = tempfile::tempdir().unwrap();
        let failure = dataplane(&folder.path().join("dataplane.sock")).unwrap_err();
        assert_eq!(failure.exit, Exit::Unavailable);
        let text = failure.to_string();
        assert!(text.contains("dataplane.sock") && text.contains("sluice run -c"), "{text}");
    }

    #[test]
    fn a_user_who_may_not_is_told_so() {
        let source = io::Error::from(io::ErrorKind::PermissionDenied);
        let failure = |trouble| failure(AdminError { role: "the data plane", trouble });
        let closed = failure(Trouble::Connect { path: "/run/sluice/dataplane.sock".into(), source });
        assert_eq!(closed.exit, Exit::Permission);
        assert!(closed.to_string().contains("as root"), "{closed}");
        let refused = failure(Trouble::Refused("your user may not administer this gateway".into()));
        assert_eq!(refused.exit, Exit::Permission);
        let gone = failure(Trouble::Io(io::ErrorKind::UnexpectedEof.into()));
        assert_eq!(gone.exit, Exit::Unavailable);
        let silent = failure(Trouble::Io(io::ErrorKind::WouldBlock.into()));
        assert_eq!(silent.exit, Exit::Unavailable);
        assert!(silent.to_string().contains("does not answer"), "{silent}");
    }

    #[test]
    fn an_unreadable_configuration_is_no_input_and_a_wrong_one_usage() {
        let folder = tempfile::tempdir().unwrap();
        let missing = config(&folder.path().join("none.yaml"), &global(None)).unwrap_err();
        assert_eq!(missing.exit, Exit::NoInput);
        let path = folder.path().join("bad.yaml");
        std::fs::write(&path, "nodes: 1\n").unwrap();
        let wrong = config(&path, &global(None)).unwrap_err();
        assert_eq!(wrong.exit, Exit::Usage);
        assert!(wrong.message.contains("bad.yaml:1:"), "{wrong}");
    }
}
