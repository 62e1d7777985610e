//! Events about objects that are not served as they are written.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder};
use sluice_model::ServiceName;

use super::writer::PATIENCE;

/// The object that an Event is about.
pub(super) struct About<'a> {
    pub api_version: &'a str,
    pub kind: &'a str,
    pub name: &'a ServiceName,
    pub uid: Option<&'a str>,
}

/// Writes a warning, without waiting for it: what it was to `action`, and the `reason` why it was not, in one word of the API's
/// and as a sentence.
pub(super) fn warn(recorder: &Recorder, about: &About<'_>, action: &str, reason: &str, note: String) {
    let reference = ObjectReference {
        api_version: Some(about.api_version.to_owned()),
        kind: Some(about.kind.to_owned()),
        name: Some(about.name.name.to_string()),
        namespace: Some(about.name.namespace.to_string()),
        uid: about.uid.map(ToOwned::to_owned),
        ..ObjectReference::default()
    };
    let event = Event {
        type_: EventType::Warning,
        reason: reason.to_owned(),
        note: Some(note),
        action: action.to_owned(),
        secondary: None,
    };
    let recorder = recorder.clone();
    tokio::spawn(async move {
        let sent = tokio::time::timeout(PATIENCE, recorder.publish(&event, &reference)).await;
        if let Ok(Err(error)) = sent {
            tracing::warn!(%error, "an Event could not be written");
        }
    });
}
