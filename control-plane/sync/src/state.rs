//! The last good state on disk: what is served from boot until the API server has been heard.
//!
//! A file of its own format: 8 bytes of name and version, the CRC32 of the rest, the length of the rest, postcard. It is
//! replaced as a whole: written beside, synced, renamed. A file that is damaged, of another version or not ours is refused
//! by name and never half taken.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sluice_model::http::HttpChange;
use sluice_model::{NamedHost, NamedImport, NamedPod, NamedService, Service};

use crate::corefile::Names;
use crate::object::NodeObject;

const MAGIC: [u8; 8] = *b"sluice\x00\x09";
const HEADER: usize = 20;
/// No cluster's state is larger; a file that claims to be is not read.
const MOST: u64 = 1 << 30;

/// What is saved.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    /// The gateway's own Node.
    pub node: Option<NodeObject>,
    /// All Services with their endpoints, as published.
    pub services: Vec<Service>,
    /// What DNS was told of Services.
    pub named: Vec<NamedService>,
    /// Namespaces that DNS was told of.
    pub namespaces: Vec<Box<str>>,
    /// Pods that DNS was told of.
    pub pods: Vec<NamedPod>,
    /// What DNS was told of ServiceImports.
    pub imported: Vec<NamedImport>,
    /// What DNS was told of hosts.
    pub hosted: Vec<NamedHost>,
    /// What was told of HTTP, with private keys; but for its settings.
    pub http: Vec<HttpChange>,
}

/// What is saved, to be written: the same, shared with who goes on working with it.
#[derive(Debug, Serialize)]
pub struct Published {
    /// As in [`Saved`].
    pub node: Option<Arc<NodeObject>>,
    /// As in [`Saved`].
    pub services: Vec<Arc<Service>>,
    /// As in [`Saved`].
    pub named: Vec<Arc<NamedService>>,
    /// As in [`Saved`].
    pub namespaces: Vec<Box<str>>,
    /// As in [`Saved`].
    pub pods: Vec<Arc<NamedPod>>,
    /// As in [`Saved`].
    pub imported: Vec<Arc<NamedImport>>,
    /// As in [`Saved`].
    pub hosted: Vec<Arc<NamedHost>>,
    /// As in [`Saved`].
    pub http: Vec<HttpChange>,
}

/// Why a file was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It could not be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not what was written.
    #[error("{}: {what}; it is not used", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

/// The file.
#[derive(Clone, Debug)]
pub struct StateFile {
    path: PathBuf,
}

impl StateFile {
    /// The file in this folder.
    pub fn new(folder: &Path) -> Self {
        Self { path: folder.join("state-v1") }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// When its state was the source's last; none where there is no such file.
    pub fn as_of(&self) -> Option<SystemTime> {
        fs::symlink_metadata(&self.path).ok()?.modified().ok()
    }

    /// Its state is still the source's: the time of the file says when that was seen last.
    ///
    /// # Errors
    /// Those of the file system; there may be no file yet.
    pub fn confirm(&self) -> io::Result<()> {
        self.open()?.set_modified(SystemTime::now())
    }

    /// Neither through a link nor waiting for a FIFO's writer: who can write to the folder could lay one there.
    fn open(&self) -> io::Result<File> {
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(&self.path)
    }

    /// The file of what a Corefile came to.
    pub fn names(folder: &Path) -> Self {
        Self { path: folder.join("names-v1") }
    }

    /// What was saved last; none where nothing was yet.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn load(&self) -> Result<Option<Saved>, LoadError> {
        let Some(mut saved) = self.read::<Saved>()? else { return Ok(None) };
        // Limits may have become tighter since: one Service beyond them does not cost the others.
        saved.services.retain(|service| service.check().is_ok());
        saved.named.retain(|service| service.check().is_ok());
        saved.pods.retain(|pod| pod.check().is_ok());
        saved.imported.retain(|import| import.check().is_ok());
        saved.hosted.retain(|host| host.check().is_ok());
        saved.http.retain(|change| change.check().is_ok());
        Ok(Some(saved))
    }

    /// What was saved in the file of [`names`](Self::names); none where nothing was yet.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn load_names(&self) -> Result<Option<Names>, LoadError> {
        self.read::<Names>()
    }

    fn read<T: DeserializeOwned>(&self) -> Result<Option<T>, LoadError> {
        let failed = |source| LoadError::Io { path: self.path.clone(), source };
        let damaged = |what: &str| LoadError::Damaged { path: self.path.clone(), what: what.to_owned() };
        let file = match self.open() {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() || metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(damaged("not a regular file of this user"));
        }
        if metadata.len() > MOST {
            return Err(damaged("larger than any state"));
        }
        let mut bytes = Vec::with_capacity(metadata.len() as usize);
        file.take(MOST).read_to_end(&mut bytes).map_err(failed)?;
        let Some((header, body)) = bytes.split_first_chunk::<HEADER>() else {
            return Err(damaged("too short"));
        };
        let (magic, rest) = header.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(damaged("of another version, or no state"));
        }
        if rest != seal(body) {
            return Err(damaged("its checksum is wrong"));
        }
        postcard::from_bytes(body).map(Some).map_err(|error| damaged(&error.to_string()))
    }

    /// The bytes of a state.
    ///
    /// # Errors
    /// Where it has no encoding.
    pub fn encode<T: Serialize>(state: &T) -> Result<Vec<u8>, postcard::Error> {
        let bytes = postcard::to_extend(state, vec![0; HEADER])?;
        Ok(sealed(bytes))
    }

    /// Replaces the file. What was saved before stays where this fails.
    ///
    /// # Errors
    /// Those of the file system, a full disk for one.
    pub fn save(&self, bytes: &[u8]) -> io::Result<()> {
        let next = self.path.with_extension("next");
        let written = (|| {
            let _ = fs::remove_file(&next);
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&next)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&next, &self.path)
        })();
        if let Err(error) = written {
            let _ = fs::remove_file(&next);
            return Err(error);
        }
        // The name is only safe with its folder.
        self.path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    }
}

fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some((header, body)) = bytes.split_first_chunk_mut::<HEADER>() {
        header[..MAGIC.len()].copy_from_slice(&MAGIC);
        header[MAGIC.len()..].copy_from_slice(&seal(body));
    }
    bytes
}

/// Checksum and length.
fn seal(body: &[u8]) -> [u8; HEADER - MAGIC.len()] {
    let mut seal = [0; HEADER - MAGIC.len()];
    seal[..4].copy_from_slice(&crc32fast::hash(body).to_le_bytes());
    seal[4..].copy_from_slice(&(body.len() as u64).to_le_bytes());
    seal
}
