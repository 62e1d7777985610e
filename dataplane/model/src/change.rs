//! What one generation of the desired state adds to the one before.

use serde::{Deserialize, Serialize};

use crate::{Service, ServiceName, Settings};

/// The number of a consistent state of everything; grows by one with each published set of changes.
///
/// It starts from 1; 0 means "nothing yet". Generations of different runs of the control process are not comparable;
/// the feed carries a run identifier beside it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Generation(pub u64);

/// One object of the desired state, made, changed or gone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Change {
    /// Gateway-wide settings; exactly one value at any time.
    Settings(Settings),
    /// A Service with all its endpoints, new or changed.
    Service(Service),
    /// A Service that is no more.
    ServiceGone(ServiceName),
}
