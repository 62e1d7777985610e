//! What the gateway itself answers.

use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, LOCATION};
use http::{Method, Response, StatusCode};

use super::{Refusal, ResponseBody};

/// A status with a line of text that says it.
pub fn status(status: StatusCode, method: &Method) -> Response<ResponseBody> {
    let has_body = !(status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED);
    let mut response = Response::new(ResponseBody::empty());
    *response.status_mut() = status;
    if has_body {
        let text = format!("{} {}\n", status.as_str(), status.canonical_reason().unwrap_or("-"));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        if method == Method::HEAD {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
        } else {
            *response.body_mut() = ResponseBody::full(text);
        }
    }
    response
}

/// A refusal. Its reason is for the log: who asks learns the status alone.
pub fn refusal(refusal: Refusal, method: &Method) -> Response<ResponseBody> {
    let mut response = status(refusal.status(), method);
    if refusal == Refusal::Method {
        let methods = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
        response.headers_mut().insert(ALLOW, methods);
    }
    response
}

/// Another address. One that no header can have is answered with 500.
pub fn redirect(code: u16, location: &str, method: &Method) -> Response<ResponseBody> {
    let (Ok(code), Ok(location)) = (StatusCode::from_u16(code), HeaderValue::from_str(location)) else {
        return status(StatusCode::INTERNAL_SERVER_ERROR, method);
    };
    let mut response = status(code, method);
    response.headers_mut().insert(LOCATION, location);
    response
}
