//! Whose an Ingress is.

use std::sync::Arc;

use super::Http;
use crate::object::ingress::{ClassObject, IngressObject};

impl Http {
    /// Whether the Ingress's class has its hosts served as ingress-nginx serves them.
    pub(super) fn is_compat(&self, ingress: &IngressObject) -> bool {
        let named = ingress.class.as_ref().or(ingress.annotation.as_ref());
        let class = match (named, &self.rules) {
            (Some(name), _) => self.classes.get(name),
            (None, Some(rules)) if rules.watch_without_class => self.classes.get(&rules.class),
            (None, _) => self.default_class(),
        };
        class.is_some_and(|class| class.compat)
    }

    /// As the API server's admission chooses among several: the newest, then by name.
    fn default_class(&self) -> Option<&Arc<ClassObject>> {
        let defaults = self.classes.values().filter(|class| class.default);
        defaults.min_by_key(|class| (std::cmp::Reverse(class.created), &class.name))
    }

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
            (None, None) => rules.default_class && self.default_class().is_some_and(|class| is_ours(class)),
        }
    }
}
