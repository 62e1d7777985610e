//! What the feed says of HTTP, as requests look it up.

use std::sync::Arc;

use arc_swap::ArcSwap;
use sluice_model::http::{HttpChange, HttpSettings};

/// The table in effect, and how it comes to be.
#[derive(Debug, Default)]
pub struct Tables {
    current: ArcSwap<Table>,
}

/// One state of all tables; readers keep it for as long as they work by it.
#[derive(Clone, Debug, Default)]
pub struct Table {
    settings: Arc<HttpSettings>,
}

impl Tables {
    /// The table in effect.
    pub fn load(&self) -> Arc<Table> {
        self.current.load_full()
    }

    /// Takes changes over; when this returns, they are in effect. One caller at a time.
    pub fn apply<'a>(&self, changes: impl IntoIterator<Item = &'a HttpChange>) {
        let mut next = Table::clone(&self.current.load());
        for change in changes {
            if let HttpChange::Settings(settings) = change {
                next.settings = Arc::new(HttpSettings::clone(settings));
            }
        }
        self.current.store(Arc::new(next));
    }
}

impl Table {
    /// How HTTP is served.
    pub fn settings(&self) -> &Arc<HttpSettings> {
        &self.settings
    }
}
