//! What is to be said of Ingresses, beyond what each says of itself.

use std::collections::BTreeSet;

use sluice_model::ServiceName;
use sluice_model::http::UpstreamName;

use super::Http;
use super::claims::problem;
use crate::object::ingress::{Backend, IngressObject};
use crate::{Level, Problem};

impl Http {
    /// Everything.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems: Vec<Problem> = self.said.values().flatten().cloned().collect();
        let missing: BTreeSet<&ServiceName> =
            self.shown_by.keys().filter(|name| self.is_missing(name)).collect();
        let class = self.rules.as_ref().map(|rules| &rules.class);
        for entry in self.ingresses.values() {
            let ingress = &entry.object;
            if !entry.owned {
                // Of a class that only waits to be made.
                let named = ingress.class.as_ref().filter(|class| !self.classes.contains_key(*class));
                if named.is_some() && named == class {
                    let message = format!("there is no IngressClass {}; not served", named.map_or("", |c| c));
                    problems.push(problem(ingress, Level::Warning, "spec.ingressClassName", message));
                }
                continue;
            }
            if !self.faults.is_empty() {
                self.faults_of(ingress, &mut problems);
            }
            if !missing.is_empty() {
                let secrets = ingress.tls.iter().filter_map(|entry| entry.secret.as_ref());
                for name in secrets.filter(|name| missing.contains(name)) {
                    let message = self.why_missing(name);
                    problems.push(problem(ingress, Level::Error, "spec.tls", message));
                }
            }
        }
        let default = self.rules.as_ref().and_then(|rules| rules.settings.default_certificate.as_ref());
        if let Some(name) = default.filter(|name| !name.namespace.is_empty() && missing.contains(name)) {
            let why = if self.is_unread(name) { "may not be read" } else { "is not there" };
            problems.push(Problem {
                file: String::new(),
                line: 0,
                object: format!("Secret {name}"),
                field: String::new(),
                level: Level::Error,
                message: format!("ingress.default_certificate names it, and it {why}"),
            });
        }
        problems.sort();
        problems.dedup();
        problems
    }

    /// Whether what is wrong with an object is of no interest: another's Ingress or class, a Secret of no Ingress of ours.
    pub fn is_foreign(&self, problem: &Problem) -> bool {
        let Some((kind, name)) = problem.object.split_once(' ') else { return false };
        match kind {
            "IngressClass" => {
                let rules = self.rules.as_ref();
                self.classes
                    .get(name)
                    .is_some_and(|class| rules.is_none_or(|r| r.controller != class.controller))
            }
            "Ingress" | "Secret" => {
                let Some((namespace, name)) = name.split_once('/') else { return false };
                let name = ServiceName::new(namespace, name);
                match kind {
                    // What the lint warns of is done.
                    "Ingress" => self.ingresses.get(&name).is_some_and(|entry| {
                        !entry.owned || (entry.compat && crate::object::ingress::is_compat(&problem.message))
                    }),
                    _ => !self.shown_by.contains_key(&name),
                }
            }
            _ => false,
        }
    }

    fn is_missing(&self, name: &ServiceName) -> bool {
        !self.secrets.contains_key(name) || !self.reads(name)
    }

    /// Why a Secret that an Ingress names has no say, and what is shown in its place.
    fn why_missing(&self, name: &ServiceName) -> String {
        let (why, shown) = if !self.reads(name) {
            (format!("namespace {} is none of ingress.secret_namespaces", name.namespace), "default")
        } else if !self.is_unread(name) {
            (format!("there is no Secret {name}"), "default")
        } else if self.certificates.wanted.contains_key(name) {
            (format!("Secret {name} may not be read"), "last good")
        } else {
            (format!("Secret {name} may not be read"), "default")
        };
        format!("{why}; the {shown} certificate is shown")
    }

    fn faults_of(&self, ingress: &IngressObject, problems: &mut Vec<Problem>) {
        let paths =
            ingress.rules.iter().flat_map(|rule| &rule.paths).map(|path| (&path.backend, "spec.rules"));
        let default = ingress.default_backend.iter().map(|backend| (backend, "spec.defaultBackend"));
        for (backend, field) in paths.chain(default) {
            if let Backend::Service(upstream) = backend {
                self.fault(ingress, upstream, field, problems);
            }
        }
        if let Some(service) = &ingress.options.default_backend {
            let service = ServiceName::new(&ingress.name.namespace, service);
            let name = UpstreamName { service, port: sluice_model::http::UpstreamPort::First };
            let field = format!(
                "metadata.annotations[\"{}default-backend\"]",
                crate::object::ingress::ANNOTATION_PREFIX
            );
            self.fault(ingress, &name, &field, problems);
        }
    }

    fn fault(&self, ingress: &IngressObject, name: &UpstreamName, field: &str, problems: &mut Vec<Problem>) {
        if let Some(fault) = self.faults.get(name) {
            problems.push(problem(ingress, Level::Error, field, format!("{fault}; answered with 503")));
        }
    }
}
