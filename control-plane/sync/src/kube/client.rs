//! The connection to the API server.

use std::path::PathBuf;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};

/// A watch is closed by the server after 30 s at most, so that silence of 45 s means a dead connection (an idle one
/// behind a firewall that forgot it, a server whose host went away).
const SILENCE: Duration = Duration::from_secs(45);
/// How long a connection may take to come up.
const CONNECT: Duration = Duration::from_secs(10);

/// Why there are no credentials to try.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The kubeconfig.
    #[error("{}: {source}", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: kube::config::KubeconfigError,
    },
    /// Not in a pod.
    #[error("no kubeconfig is given, and there are no credentials of a pod: {0}")]
    InCluster(#[from] kube::config::InClusterError),
    /// The credentials cannot be used.
    #[error("the credentials cannot be used: {0}")]
    Client(#[from] kube::Error),
}

/// A client as configured. Nothing is sent yet. Tokens and, in a pod, the CA are read again as they rotate.
///
/// # Errors
/// [`ClientError`].
pub async fn client(config: &sluice_config::Kubernetes) -> Result<kube::Client, ClientError> {
    let mut built = match &config.kubeconfig {
        Some(path) => {
            let failed = |source| ClientError::Kubeconfig { path: path.clone(), source };
            let file = Kubeconfig::read_from(path).map_err(failed)?;
            let options =
                KubeConfigOptions { context: config.context.clone(), ..KubeConfigOptions::default() };
            kube::Config::from_custom_kubeconfig(file, &options).await.map_err(failed)?
        }
        None => kube::Config::incluster()?,
    };
    built.connect_timeout = Some(CONNECT);
    built.read_timeout = Some(SILENCE);
    built.write_timeout = Some(SILENCE);
    // Up to 1,000 s of silent repetition: watchers and writers have their own, which say what is wrong.
    built.default_retry = false;
    Ok(kube::Client::try_from(built)?)
}
