//! Cross-origin resource sharing (the Fetch standard), answered by the gateway.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderValue, ORIGIN, VARY,
};
use http::{Method, Response, StatusCode};

use super::ResponseBody;
use crate::table::CompiledCors;

/// The answer to a preflight request, but for what [`apply`] adds to all; none where the request is another one.
pub fn preflight(
    cors: &CompiledCors,
    method: &Method,
    headers: &HeaderMap,
) -> Option<Response<ResponseBody>> {
    let origin = headers.get(ORIGIN)?;
    if method != Method::OPTIONS || !headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        return None;
    }
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let answer = response.headers_mut();
    if allows(cors, origin) {
        let fields =
            [(ACCESS_CONTROL_ALLOW_METHODS, &cors.methods), (ACCESS_CONTROL_ALLOW_HEADERS, &cors.headers)];
        for (name, value) in fields {
            if let Some(value) = value {
                answer.insert(name, value.clone());
            }
        }
        answer.insert(ACCESS_CONTROL_MAX_AGE, cors.max_age.clone());
    }
    Some(response)
}

/// Takes out what an endpoint says of it: the gateway's word is the one that counts.
pub fn take(response: &mut HeaderMap) {
    for name in [
        ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_ALLOW_CREDENTIALS,
        ACCESS_CONTROL_ALLOW_METHODS,
        ACCESS_CONTROL_ALLOW_HEADERS,
        ACCESS_CONTROL_EXPOSE_HEADERS,
        ACCESS_CONTROL_MAX_AGE,
    ] {
        response.remove(name);
    }
}

/// Says in a response what its origin may do with it.
pub fn apply(cors: &CompiledCors, origin: Option<&HeaderValue>, response: &mut HeaderMap) {
    if !cors.any {
        // Whatever the origin: a cache must not give one's answer to another.
        response.append(VARY, HeaderValue::from_static("Origin"));
    }
    let Some(origin) = origin.filter(|origin| allows(cors, origin)) else { return };
    // An origin is never echoed because all are allowed: with credentials that would give everybody's answers to anybody.
    let allowed = if cors.any { HeaderValue::from_static("*") } else { origin.clone() };
    response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    if cors.credentials && !cors.any {
        response.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    if let Some(expose) = &cors.expose {
        response.insert(ACCESS_CONTROL_EXPOSE_HEADERS, expose.clone());
    }
}

fn allows(cors: &CompiledCors, origin: &HeaderValue) -> bool {
    origin.to_str().is_ok_and(|origin| cors.allows(origin))
}
