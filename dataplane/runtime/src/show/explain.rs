//! What would happen to a packet, by the tables in effect.

use sluice_engine::explain::{Explanation, Query, explain};

use super::Show;

impl Show {
    pub(super) fn explain(&self, query: &Query) -> Explanation {
        // The objects first: the tables are then never older than what is said about them.
        let view = self.view();
        explain(&self.tables.load(), query, |name| view.services.get(name).cloned())
    }
}
