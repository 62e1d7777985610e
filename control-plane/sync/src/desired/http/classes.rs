//! Whose an Ingress is.

use super::Http;
use crate::object::ingress::{ClassObject, IngressObject};

impl Http {
    /// Whether the Ingress is ours: by its class; by the annotation from before there were classes; or, where it names
    /// neither, by what the configuration says.
    pub(super) fn owns(&self, ingress: &IngressObject) -> bool {
        let Some(rules) = &self.rules else { return false };
        let is_ours = |class: &ClassObject| class.controller == rules.controller;
        let known = |name: &str| self.classes.get(name).map(|class| is_ours(class));
        match (&ingress.class, &ingress.annotation) {
            (Some(class), _) => known(class).unwrap_or(false),
            (None, Some(annotation)) => known(annotation).unwrap_or(*annotation == rules.class),
            (None, None) if rules.watch_without_class => true,
            (None, None) => {
                // As the API server's admission chooses among several: the newest, then by name.
                let defaults = self.classes.values().filter(|class| class.default);
                let chosen = defaults.min_by_key(|class| (std::cmp::Reverse(class.created), &class.name));
                rules.default_class && chosen.is_some_and(|class| is_ours(class))
            }
        }
    }
}
