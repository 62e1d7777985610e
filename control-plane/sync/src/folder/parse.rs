//! From a file's text to objects.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1 as discovery;
use k8s_openapi::api::networking::v1 as networking;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Segment, Track};

use super::documents::{self, Document};
use super::places::Places;
use crate::object::{self, Key, Kind, Object, Rules};
use crate::{FieldProblem, Level, Problem};

/// Problems of one file that are told; a file with more is of a sort that a longer list does not help with.
const MAX_PROBLEMS: usize = 200;

/// What a file holds.
#[derive(Debug, Default)]
pub(super) struct Content {
    /// Its objects, with their lines.
    pub objects: BTreeMap<Key, (u64, Object)>,
    /// Objects that it names, but which cannot be used.
    pub rejected: BTreeSet<Key>,
    /// Some document could not be read at all: whatever object it was may not be missed.
    pub broken: bool,
    /// Everything that is wrong, in order.
    pub problems: Vec<Problem>,
}

/// Reads the text of `file`, which is only a name here.
pub(super) fn content(file: &str, text: &str, rules: &Rules) -> Content {
    let json = file.ends_with(".json");
    let documents = if json { documents::json(text) } else { documents::yaml(text) };
    let mut reader = Reader { file, rules, content: Content::default() };
    for document in documents {
        reader.document(document);
    }
    reader.content
}

struct Reader<'a> {
    file: &'a str,
    rules: &'a Rules,
    content: Content,
}

/// Where an object stands in its document.
struct Place<'a> {
    places: &'a Places<'a>,
    /// Path of the object itself: empty, or `items[3]`.
    path: String,
}

impl Place<'_> {
    fn line(&self, field: &str) -> u64 {
        self.places.line(&join(&self.path, field))
    }
}

impl Reader<'_> {
    fn document(&mut self, document: Document<'_>) {
        let places = Places::new(document.text, document.before);
        let value = match document.value {
            Ok(Value::Null) => return,
            Ok(value) => value,
            Err(error) => {
                self.content.broken = true;
                let consequence = "; what stood here keeps its last good version";
                self.add(Level::Error, error.line, "", "", error.message + consequence);
                return;
            }
        };
        let kind = text(&value, "kind");
        let of_items = kind.strip_suffix("List").map(str::to_owned);
        let (Some(of_items), Some(items)) = (of_items, value.get("items")) else {
            let path = String::new();
            self.object(value, &Place { places: &places, path });
            return;
        };
        let version = text(&value, "apiVersion").to_owned();
        let Some(items) = list(items) else {
            self.content.broken = true;
            let line = places.line("items");
            self.add(Level::Error, line, "", "items", "a list is expected");
            return;
        };
        drop(value);
        for (i, mut item) in items.into_iter().enumerate() {
            // Items of a typed list, such as ServiceList, need not say what they are.
            if let Value::Object(fields) = &mut item
                && !of_items.is_empty()
            {
                fields.entry("apiVersion").or_insert_with(|| version.clone().into());
                fields.entry("kind").or_insert_with(|| of_items.clone().into());
            }
            let path = format!("items[{i}]");
            self.object(item, &Place { places: &places, path });
        }
    }

    fn object(&mut self, value: Value, place: &Place<'_>) {
        let (version, kind) = (text(&value, "apiVersion"), text(&value, "kind"));
        let kind = match (version, kind) {
            ("v1", "Service") => Kind::Service,
            ("v1", "Node") => Kind::Node,
            ("discovery.k8s.io/v1", "EndpointSlice") => Kind::EndpointSlice,
            ("v1", "Namespace") if self.rules.names.is_some() => Kind::Namespace,
            ("v1", "Pod") if self.rules.names.as_ref().is_some_and(|names| names.pods) => Kind::Pod,
            ("multicluster.x-k8s.io/v1alpha1", "ServiceImport") if self.rules.imports() => {
                Kind::ServiceImport
            }
            ("networking.k8s.io/v1", "IngressClass") if self.rules.ingress => Kind::IngressClass,
            ("networking.k8s.io/v1", "Ingress") if self.rules.ingress || self.rules.ingress_hosts() => {
                Kind::Ingress
            }
            ("v1", "Secret") if self.rules.ingress => Kind::Secret,
            _ => return self.other(&value, place),
        };
        let key = match key(kind, value.get("metadata").unwrap_or(&Value::Null)) {
            Ok(key) => key,
            Err(FieldProblem { field, message, .. }) => {
                // Whatever object it was may not be missed.
                self.content.broken = true;
                let (line, kind) = (place.line(&field), kind.to_string());
                return self.add(Level::Error, line, &kind, &field, message);
            }
        };
        let line = place.line_of_object();
        if let Some((first, _)) = self.content.objects.get(&key) {
            let message = format!("the object stands on line {first} already; that one counts");
            return self.add(Level::Error, line, &key.to_string(), "", message);
        }
        match self.typed(value, &key, place) {
            Ok(object) => {
                self.content.objects.insert(key, (line, object));
            }
            Err(problem) => {
                let message = problem.message + "; the object keeps its last good version";
                let at = place.line(&problem.field);
                self.add(Level::Error, at, &key.to_string(), &problem.field, message);
                self.content.rejected.insert(key);
            }
        }
    }

    fn typed(&mut self, value: Value, key: &Key, place: &Place<'_>) -> Result<Object, FieldProblem> {
        let mut unknown = Vec::new();
        let (object, problems) = match key.kind {
            Kind::Node => {
                let node = object::node(&deserialize::<core::Node>(value, &mut unknown)?);
                (Object::Node(Arc::new(node)), Vec::new())
            }
            Kind::Service => {
                let service = deserialize::<core::Service>(value, &mut unknown)?;
                let parsed = object::service(&service, self.rules)?;
                (Object::Service(Arc::new(parsed.object)), parsed.problems)
            }
            Kind::EndpointSlice => {
                let slice = deserialize::<discovery::EndpointSlice>(value, &mut unknown)?;
                let parsed = object::endpoint_slice(&slice, self.rules);
                (Object::EndpointSlice(Arc::new(parsed.object)), parsed.problems)
            }
            Kind::Namespace => {
                let namespace = deserialize::<core::Namespace>(value, &mut unknown)?;
                (Object::Namespace(Arc::new(object::namespace(&namespace, self.rules))), Vec::new())
            }
            Kind::Pod => {
                let parsed = object::pod(&deserialize::<core::Pod>(value, &mut unknown)?, self.rules);
                (Object::Pod(Arc::new(parsed.object)), parsed.problems)
            }
            Kind::ServiceImport => {
                let mut others = Vec::new();
                let import = deserialize::<object::ServiceImport>(value, &mut others)?;
                // Of another program's kind only some fields are known here.
                let parsed = object::service_import(&import, self.rules)?;
                (Object::ServiceImport(Arc::new(parsed.object)), parsed.problems)
            }
            Kind::IngressClass => {
                let class = deserialize::<networking::IngressClass>(value, &mut unknown)?;
                let parsed = object::ingress::ingress_class(&class)?;
                (Object::IngressClass(Arc::new(parsed.object)), parsed.problems)
            }
            Kind::Ingress => {
                let ingress = deserialize::<networking::Ingress>(value, &mut unknown)?;
                let parsed = object::ingress(&ingress, self.rules);
                (Object::Ingress(Arc::new(parsed.object)), parsed.problems)
            }
            Kind::Secret => {
                let parsed = object::ingress::secret(&deserialize::<core::Secret>(value, &mut unknown)?);
                (Object::Secret(Arc::new(parsed.object)), parsed.problems)
            }
        };
        let name = key.to_string();
        for field in unknown {
            // Status is not written by people.
            if !field.starts_with("status") {
                let line = place.line(&field);
                let message = format!("no field of a {}; ignored", key.kind);
                self.add(Level::Warning, line, &name, &field, message);
            }
        }
        for FieldProblem { field, message, level } in problems {
            self.add(level, place.line(&field), &name, &field, message);
        }
        Ok(object)
    }

    /// An object of a kind that is of no use here, or something that is no object.
    fn other(&mut self, value: &Value, place: &Place<'_>) {
        let (version, kind) = (text(value, "apiVersion"), text(value, "kind"));
        if kind.is_empty() || version.is_empty() {
            self.content.broken = true;
            let message = "no Kubernetes object: `apiVersion` or `kind` is missing";
            let line = place.line_of_object();
            return self.add(Level::Error, line, "", "", message);
        }
        let metadata = value.get("metadata").unwrap_or(&Value::Null);
        let object = match (text(metadata, "namespace"), text(metadata, "name")) {
            ("", name) => format!("{kind} {name}"),
            (namespace, name) => format!("{kind} {namespace}/{name}"),
        };
        let message = format!("objects of {version} {kind} are of no use here; skipped");
        let line = place.line_of_object();
        self.add(Level::Note, line, &object, "", message);
    }

    fn add(&mut self, level: Level, line: u64, object: &str, field: &str, message: impl Into<String>) {
        let problems = &mut self.content.problems;
        let (object, field, message) = match problems.len().cmp(&MAX_PROBLEMS) {
            std::cmp::Ordering::Less => (object, field, message.into()),
            std::cmp::Ordering::Equal => ("", "", "more is wrong with this file".to_owned()),
            std::cmp::Ordering::Greater => return,
        };
        problems.push(Problem {
            file: self.file.to_owned(),
            line,
            object: object.trim_end().to_owned(),
            field: field.to_owned(),
            level,
            message,
        });
    }
}

impl Place<'_> {
    /// The object's first line. Of an only object in a document that is known without a tree of places.
    fn line_of_object(&self) -> u64 {
        if self.path.is_empty() { self.places.first_line() } else { self.places.line(&self.path) }
    }
}

/// Where a field stands that no object of the kind has.
fn ignored(path: &serde_ignored::Path<'_>) -> String {
    use serde_ignored::Path;
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, index } => format!("{}[{index}]", ignored(parent)),
        Path::Map { parent, key } if key.contains(['.', '/']) => format!("{}[\"{key}\"]", ignored(parent)),
        Path::Map { parent, key } => join(&ignored(parent), key),
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => {
            ignored(parent)
        }
    }
}

fn deserialize<T: DeserializeOwned>(value: Value, unknown: &mut Vec<String>) -> Result<T, FieldProblem> {
    let mut track = Track::new();
    let tracked = serde_path_to_error::Deserializer::new(value, &mut track);
    let outcome = serde_ignored::deserialize(tracked, |path| {
        unknown.push(ignored(&path));
    });
    outcome.map_err(|error: serde_json::Error| {
        let mut field = String::new();
        for segment in track.path().iter() {
            match segment {
                Segment::Seq { index } => field += &format!("[{index}]"),
                Segment::Map { key } if key.contains(['.', '/']) => {
                    field += &format!("[\"{key}\"]");
                }
                Segment::Map { key } | Segment::Enum { variant: key } => {
                    field = join(&field, key);
                }
                Segment::Unknown => {}
            }
        }
        FieldProblem::new(field, error.to_string())
    })
}

/// What identifies an object of this kind and metadata.
fn key(kind: Kind, metadata: &Value) -> Result<Key, FieldProblem> {
    let part = |field: &str, absent: &str| match metadata.get(field) {
        None | Some(Value::Null) => Ok(absent.to_owned()),
        Some(Value::String(text)) if text.is_empty() => Ok(absent.to_owned()),
        Some(Value::String(text)) if is_name(text) => Ok(text.clone()),
        Some(other) => {
            let message = format!("`{}` is no name of an object", other.as_str().unwrap_or("this"));
            Err(FieldProblem::new(format!("metadata.{field}"), message))
        }
    };
    let name = part("name", "")?;
    if name.is_empty() {
        return Err(FieldProblem::new("metadata.name", "an object needs a name"));
    }
    let global = matches!(kind, Kind::Node | Kind::Namespace | Kind::IngressClass);
    let namespace = if global { String::new() } else { part("namespace", "default")? };
    Ok(Key { kind, namespace: namespace.into(), name: name.into() })
}

/// A list's items; Go writes one that nothing was ever added to as null.
fn list(items: &Value) -> Option<Vec<Value>> {
    match items {
        Value::Array(items) => Some(items.clone()),
        Value::Null => Some(Vec::new()),
        _ => None,
    }
}

fn join(path: &str, field: &str) -> String {
    match (path, field) {
        ("", field) => field.to_owned(),
        (path, "") => path.to_owned(),
        (path, field) if field.starts_with('[') => format!("{path}{field}"),
        (path, field) => format!("{path}.{field}"),
    }
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// Whether Kubernetes could have an object of this name (RFC 1123 subdomain, leniently).
fn is_name(name: &str) -> bool {
    (1..=253).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b':'))
}
