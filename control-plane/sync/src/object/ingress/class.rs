//! IngressClasses.

use k8s_openapi::api::networking::v1 as networking;

use super::super::Parsed;
use crate::FieldProblem;

/// `metadata.annotations`: Ingresses that name no class are of this one.
const DEFAULT: &str = "ingressclass.kubernetes.io/is-default-class";

/// `metadata.annotations`: another controller, as which hosts of its Ingresses are served where that differs.
const COMPAT: &str = "sluice.dev/compat";
/// The only one that is known.
const NGINX: &str = "ingress-nginx";

/// An IngressClass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassObject {
    /// Its name.
    pub name: Box<str>,
    /// `spec.controller`.
    pub controller: Box<str>,
    /// Whether it is the default one.
    pub default: bool,
    /// Whether hosts of its Ingresses are served as ingress-nginx does where that differs.
    pub compat: bool,
    /// `metadata.creationTimestamp` in seconds since the Unix epoch, 0 where it is not known.
    pub created: i64,
}

/// Parses an IngressClass. Nothing is known of `spec.parameters`, of either scope: they are told.
///
/// # Errors
/// Without a controller it is nobody's.
pub fn ingress_class(object: &networking::IngressClass) -> Result<Parsed<ClassObject>, FieldProblem> {
    let metadata = &object.metadata;
    let spec = object.spec.as_ref();
    let controller = spec.and_then(|spec| spec.controller.as_deref()).unwrap_or_default();
    if controller.is_empty() || controller.len() > 250 {
        return Err(FieldProblem::new("spec.controller", "a name of 1 to 250 characters is needed"));
    }
    let mut problems = Vec::new();
    if let Some(parameters) = spec.and_then(|spec| spec.parameters.as_ref()) {
        let namespace = parameters.namespace.as_deref().filter(|namespace| !namespace.is_empty());
        let scope = parameters.scope.as_deref().unwrap_or("Cluster");
        let wrong = match (scope, namespace) {
            ("Cluster", None) | ("Namespace", Some(_)) => None,
            ("Cluster", Some(_)) => Some("of scope Cluster they have no namespace".to_owned()),
            ("Namespace", None) => Some("of scope Namespace they need a namespace".to_owned()),
            (other, _) => Some(format!("the scope `{other}` is neither Cluster nor Namespace")),
        };
        problems.push(match wrong {
            Some(message) => FieldProblem::new("spec.parameters", message),
            None => FieldProblem::warning("spec.parameters", "no parameters are known; without effect"),
        });
    }
    let compat = metadata.annotations.as_ref().and_then(|all| all.get(COMPAT)).map(String::as_str);
    if let Some(other) = compat.filter(|text| *text != NGINX) {
        let message = format!("`{other}` is not {NGINX}; without effect");
        problems.push(FieldProblem::new(format!("metadata.annotations[\"{COMPAT}\"]"), message));
    }
    let default = metadata.annotations.as_ref().and_then(|all| all.get(DEFAULT));
    let object = ClassObject {
        name: metadata.name.as_deref().unwrap_or_default().into(),
        controller: controller.into(),
        default: default.is_some_and(|text| text == "true"),
        compat: compat == Some(NGINX),
        created: metadata.creation_timestamp.as_ref().map_or(0, |time| time.0.as_second()),
    };
    Ok(Parsed { object, problems })
}
