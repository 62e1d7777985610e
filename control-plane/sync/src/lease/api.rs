//! A Lease of an API server.

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::PostParams;

use super::{CallError, Leases};
use crate::status::FIELD_MANAGER;

/// One Lease of an API server. Takes `get`, `create` and `update` on it.
#[derive(Clone, Debug)]
pub struct ApiLeases {
    api: Api<Lease>,
    name: String,
}

impl ApiLeases {
    /// The Lease of this name, which need not exist yet.
    pub fn new(client: kube::Client, namespace: &str, name: &str) -> Self {
        Self { api: Api::namespaced(client, namespace), name: name.to_owned() }
    }
}

impl Leases for ApiLeases {
    async fn read(&self) -> Result<Option<Lease>, CallError> {
        self.api.get_opt(&self.name).await.map_err(failed)
    }

    async fn create(&self, lease: &Lease) -> Result<Lease, CallError> {
        let mut lease = lease.clone();
        lease.metadata.name = Some(self.name.clone());
        self.api.create(&parameters(), &lease).await.map_err(failed)
    }

    async fn replace(&self, lease: &Lease) -> Result<Lease, CallError> {
        self.api.replace(&self.name, &parameters(), lease).await.map_err(|error| match error {
            kube::Error::Api(status) if status.is_not_found() => CallError::Conflict,
            error => failed(error),
        })
    }
}

fn parameters() -> PostParams {
    PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() }
}

fn failed(error: kube::Error) -> CallError {
    match error {
        kube::Error::Api(status) if status.code == 409 => CallError::Conflict,
        error => CallError::Failed(error.to_string()),
    }
}
