//! What the tables say to queries.

use sluice_dns::explain::{Explanation, Question, explain};
use sluice_dns::name::{NameError, text};

use super::Show;
use crate::admin::protocol::DnsNameRow;

impl Show {
    pub(super) fn dns(&self, question: &Question) -> Result<Explanation, NameError> {
        explain(self.tables.load().dns(), question)
    }

    pub(super) fn dns_names(&self) -> Vec<DnsNameRow> {
        let tables = self.tables.load();
        tables
            .dns()
            .nodes()
            .map(|node| DnsNameRow { name: text(node.name()), kinds: node.kinds().collect() })
            .collect()
    }
}
