//! The gateway's own certificate, for names that have none: made once and kept, so that clients who have come to trust it need
//! not do so again after each start.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use sluice_config::{CertificateFiles, Config, Ingress};
use sluice_model::http::CertificateName;

use crate::object::ingress::certificate;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub(super) enum OwnError {
    /// The files.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Making it.
    #[error("making a certificate: {0}")]
    Make(#[from] rcgen::Error),
}

/// The configuration with a certificate in files where it names none; as it is where HTTP is not served, or the certificate
/// cannot be kept: the proxy then has one of its own as long as it runs.
pub(super) fn with_certificate(config: &Config) -> Config {
    let mut config = config.clone();
    if let Some(ingress) = config.ingress.as_mut().filter(|it| it.settings.default_certificate.is_none())
        && let Err(error) = keep(ingress, &config.state_dir)
    {
        tracing::warn!(%error, "the default certificate cannot be kept; it is a new one at each start");
    }
    config
}

fn keep(ingress: &mut Ingress, folder: &Path) -> Result<(), OwnError> {
    let files = CertificateFiles { certificate: folder.join("ingress.crt"), key: folder.join("ingress.key") };
    let name = CertificateName::new("", &files.certificate.to_string_lossy());
    let is_good = || {
        let (chain, key) = (fs::read(&files.certificate).ok()?, fs::read(&files.key).ok()?);
        certificate(&name, &chain, &key).ok()
    };
    if is_good().is_none() {
        let key = rcgen::KeyPair::generate()?;
        let mut params = rcgen::CertificateParams::new(vec!["ingress.local".to_owned()])?;
        params.distinguished_name.push(rcgen::DnType::CommonName, "Sluice ingress default certificate");
        let made = params.self_signed(&key)?;
        fs::create_dir_all(folder)?;
        replace(&files.key, key.serialize_pem().as_bytes())?;
        replace(&files.certificate, made.pem().as_bytes())?;
    }
    (ingress.certificate, ingress.settings.default_certificate) = (Some(files), Some(name));
    Ok(())
}

/// Writes a file that nobody else may read, whole or not at all.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn config(folder: &Path, keys: &str) -> Config {
        let state = folder.display();
        let text = format!(
            "node: edge-1\nstate_dir: {state}\ndataplane:\n  lcores: [1]\n  ports:\n    - {{ name: uplink, device: net_tap0, addresses: [192.0.2.1/24] }}\nsource: {{ manifests: m/ }}\n{keys}"
        );
        Config::parse(&text, Path::new("/etc/sluice/sluice.yaml")).unwrap()
    }

    #[test]
    fn it_is_made_once_and_made_anew_where_it_is_of_no_use() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let config = config(&state, "ingress: { addresses: [192.0.2.10] }\n");
        let read = || {
            let ingress = with_certificate(&config).ingress.unwrap();
            let files = ingress.certificate.unwrap();
            let name = CertificateName::new("", &files.certificate.to_string_lossy());
            assert_eq!(ingress.settings.default_certificate, Some(name));
            for path in [&files.certificate, &files.key] {
                assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
            }
            (fs::read(files.certificate).unwrap(), fs::read(files.key).unwrap())
        };
        let first = read();
        assert_eq!(read(), first);
        fs::write(state.join("ingress.crt"), "x").unwrap();
        let second = read();
        assert_ne!(second, first);
        // Of two pairs one half each.
        fs::write(state.join("ingress.key"), &first.1).unwrap();
        let third = read();
        assert!(third != second && third.1 != first.1);
        assert_eq!(read(), third);
    }

    #[test]
    fn it_is_left_to_whoever_names_another_or_serves_no_http() {
        let folder = tempfile::tempdir().unwrap();
        let keys = "ingress: { addresses: [192.0.2.10], default_certificate: { secret: a/b } }\n";
        for keys in ["", keys] {
            let config = config(folder.path(), keys);
            assert_eq!(with_certificate(&config), config);
        }
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let config = config(&file, "ingress: { addresses: [192.0.2.10] }\n");
        assert_eq!(with_certificate(&config), config, "a folder that cannot be written to ends nothing");
    }
}
