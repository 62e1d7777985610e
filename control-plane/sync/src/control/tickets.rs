//! Keys of session tickets that gateways share, in files that are read anew when they change.

use std::path::PathBuf;
use std::time::Instant;

use sluice_config::Config;
use sluice_model::http::TicketKey;

use super::files::{OFTEN, read, signature};
use super::general;
use crate::Problem;
use crate::signature::Signature;

/// The files, the one whose key seals first.
#[derive(Debug)]
pub(super) struct Tickets {
    files: Vec<PathBuf>,
    looked: Option<Instant>,
    /// As they were read.
    seen: Option<Vec<Signature>>,
    problem: Option<String>,
}

impl Tickets {
    /// The configuration's, if it has any.
    pub(super) fn new(config: &Config) -> Option<Self> {
        let files = config.ingress.as_ref()?.session_tickets.clone();
        (!files.is_empty()).then_some(Self { files, looked: None, seen: None, problem: None })
    }

    /// The keys, where they are others than before. Where one cannot be read, those before stay.
    pub(super) fn look(&mut self, now: Instant) -> Option<Vec<TicketKey>> {
        if self.looked.is_some_and(|looked| now < looked + OFTEN) {
            return None;
        }
        self.looked = Some(now);
        let signatures = self.files.iter().map(|path| signature(path)).collect::<Result<Vec<_>, _>>();
        if signatures.is_ok() && self.seen.as_ref() == signatures.as_ref().ok() {
            return None;
        }
        let keys = signatures.and_then(|signatures| {
            self.seen = Some(signatures);
            let key = |path: &PathBuf| {
                let bytes = read(path)?;
                TicketKey::new(&bytes).map_err(|error| format!("{}: {error}", path.display()))
            };
            self.files.iter().map(key).collect::<Result<Vec<_>, _>>()
        });
        match keys {
            Ok(keys) => {
                self.problem = None;
                Some(keys)
            }
            Err(error) => {
                // What kept them from being read need not show in the files.
                (self.seen, self.problem) = (None, Some(error));
                None
            }
        }
    }

    /// What is wrong with them.
    pub(super) fn problem(&self) -> Option<Problem> {
        self.problem.as_ref().map(|why| general("ingress.session_tickets", why.clone()))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn keys_are_read_anew_when_a_file_changes_and_bad_ones_leave_those_before() {
        let folder = tempfile::tempdir().unwrap();
        let files: Vec<PathBuf> = ["new", "old"].map(|name| folder.path().join(name)).into();
        let mut tickets = Tickets { files: files.clone(), looked: None, seen: None, problem: None };
        let mut now = Instant::now();
        let mut look = |tickets: &mut Tickets| {
            now += OFTEN;
            tickets.look(now)
        };
        fs::write(&files[0], [1; 48]).unwrap();
        // One is not there yet.
        assert_eq!(look(&mut tickets), None);
        assert!(tickets.problem().unwrap().message.contains("old"));
        fs::write(&files[1], [2; 80]).unwrap();
        let keys = |all: [&[u8]; 2]| all.map(|bytes| TicketKey::new(bytes).unwrap()).to_vec();
        assert_eq!(look(&mut tickets), Some(keys([&[1; 48], &[2; 80]])));
        assert_eq!(tickets.problem(), None);
        assert_eq!(look(&mut tickets), None);
        for bad in [&[3; 47][..], &[], &[3; 2 << 20]] {
            fs::write(&files[0], bad).unwrap();
            assert_eq!(look(&mut tickets), None);
            let problem = tickets.problem().unwrap().message;
            assert!(problem.contains("new") && problem.contains("48 or 80"), "{problem}");
        }
        fs::write(&files[0], [3; 48]).unwrap();
        assert_eq!(look(&mut tickets), Some(keys([&[3; 48], &[2; 80]])));
        assert_eq!(tickets.problem(), None);
    }
}
