//! The calls that an election makes.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;

/// Access to one Lease.
///
/// A call that is dropped half way may still be carried out, even much later; versions see to it that no harm is done.
pub trait Leases: Send + Sync {
    /// The Lease, if it exists.
    fn read(&self) -> impl Future<Output = Result<Option<Lease>, CallError>> + Send;

    /// Makes it, with this `spec`; gives it as stored.
    fn create(&self, lease: &Lease) -> impl Future<Output = Result<Lease, CallError>> + Send;

    /// Replaces it, if `metadata.resourceVersion` is still that of `lease`; gives it as stored.
    fn replace(&self, lease: &Lease) -> impl Future<Output = Result<Lease, CallError>> + Send;
}

/// Why a call did not succeed. It may have been carried out nevertheless, except for a conflict.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Somebody else has made, changed or deleted the Lease in the meantime.
    #[error("somebody else has changed the lease")]
    Conflict,
    /// No answer.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// The API server, or the way to it, says no.
    #[error("{0}")]
    Failed(String),
}
