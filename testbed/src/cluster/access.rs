//! Who may do what: tokens, kubeconfig files, the project's own roles.

use std::fmt::Write;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::ClusterError;

/// The folder of manifests that the project ships.
pub(super) const MANIFESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/kubernetes");

/// Those that every cluster starts with. Reading Secrets is for whoever applies `tls-secrets.yaml` as well.
pub(super) const APPLIED: [&str; 3] = ["namespace.yaml", "service-account.yaml", "cluster-role.yaml"];

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// May do everything.
    Admin,
    /// The gateway's ServiceAccount: may do what the shipped roles allow it, and nothing else.
    Sluice,
}

impl User {
    const ALL: [Self; 2] = [Self::Admin, Self::Sluice];

    fn file(self) -> &'static str {
        match self {
            Self::Admin => "admin.kubeconfig",
            Self::Sluice => "sluice.kubeconfig",
        }
    }

    /// User name, its id and its groups, as a line of a token file has them. The server takes a static token's user name
    /// as it stands, so the bindings of the shipped manifests hold for it as for a token of the ServiceAccount.
    fn identity(self) -> &'static str {
        match self {
            Self::Admin => r#"admin,1,"system:masters""#,
            Self::Sluice => {
                r#"system:serviceaccount:sluice-system:sluice,2,"system:serviceaccounts,system:serviceaccounts:sluice-system""#
            }
        }
    }
}

/// The tokens of a cluster.
#[derive(Debug)]
pub(super) struct Access {
    tokens: [String; 2],
}

impl Access {
    /// Makes tokens and writes the files that name them into `folder`.
    pub(super) fn write(folder: &Path, server: &str) -> Result<Self, ClusterError> {
        let this = Self { tokens: [token()?, token()?] };
        let write = |path: PathBuf, text: String| {
            std::fs::write(&path, text).map_err(|source| ClusterError::file(&path, source))
        };
        let mut list = String::new();
        for user in User::ALL {
            let token = this.token(user);
            let _ = writeln!(list, "{token},{}", user.identity());
            write(kubeconfig(folder, user), config(folder, server, token))?;
        }
        write(token_file(folder), list)?;
        write(header_file(folder), format!("Authorization: Bearer {}\n", this.token(User::Admin)))?;
        Ok(this)
    }

    pub(super) fn token(&self, user: User) -> &str {
        match user {
            User::Admin => &self.tokens[0],
            User::Sluice => &self.tokens[1],
        }
    }
}

/// Where this user's kubeconfig file is.
pub(super) fn kubeconfig(folder: &Path, user: User) -> PathBuf {
    folder.join(user.file())
}

/// What kube-apiserver reads tokens from.
pub(super) fn token_file(folder: &Path) -> PathBuf {
    folder.join("tokens.csv")
}

/// What curl reads the administrator's header from; a command line would show it to everyone.
pub(super) fn header_file(folder: &Path) -> PathBuf {
    folder.join("admin.header")
}

fn config(folder: &Path, server: &str, token: &str) -> String {
    format!(
        "apiVersion: v1
kind: Config
clusters:
- name: test
  cluster:
    server: {server}
    certificate-authority: {}/certs/apiserver.crt
users:
- name: test
  user:
    token: {token}
contexts:
- name: test
  context:
    cluster: test
    user: test
current-context: test
",
        folder.display()
    )
}

fn token() -> Result<String, ClusterError> {
    const SOURCE: &str = "/dev/urandom";
    let mut bytes = [0; 16];
    File::open(SOURCE)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|source| ClusterError::file(Path::new(SOURCE), source))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
