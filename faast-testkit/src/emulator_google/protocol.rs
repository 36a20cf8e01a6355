//! Requests as services see them, and replies and errors as their clients want them.
//!
//! Errors have one of four shapes: that of Google's APIs, of Storage, of registries and of OAuth. Which one is the
//! service's choice; the front end of Cloud Run answers in HTML or plain text.

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Response};
use futures_util::{StreamExt as _, stream};
use serde_json::{Map, Value, json};

use super::route::Route;

/// A request with its service and operation found out.
#[derive(Debug, Clone)]
pub(super) struct ApiRequest {
    pub(super) route: Route,
    pub(super) method: Method,
    /// As sent, with its percent signs.
    pub(super) path: String,
    /// As sent.
    pub(super) query_string: Option<String>,
    /// Decoded.
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl ApiRequest {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The token in a header of the form `Bearer token`.
    pub(super) fn bearer(&self, header: &str) -> Option<&str> {
        let (scheme, token) = self.header(header)?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    }

    /// A parameter of the address.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }

    /// Whether a parameter of the address says yes.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.query(name) == Some("true")
    }

    /// Whether enums are wanted as numbers.
    pub(super) fn wants_numbers(&self) -> bool {
        ["$alt", "alt"].iter().any(|name| self.query(name).is_some_and(|it| it.contains("enum-encoding=int")))
    }

    /// The body as a JSON object; nothing at all is an empty one.
    pub(super) fn json(&self) -> Result<Map<String, Value>, ApiError> {
        if self.body.is_empty() {
            return Ok(Map::new());
        }
        serde_json::from_slice(&self.body).map_err(|error| {
            let text = format!("Invalid JSON payload received. {error}");
            ApiError::invalid(text)
        })
    }
}

/// An operation's success.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    headers: Vec<(String, String)>,
    body: Body,
}

impl Reply {
    /// JSON with status 200.
    pub(super) fn json(value: &Value) -> Self {
        Self::bytes(200, value.to_string()).header("content-type", "application/json; charset=UTF-8")
    }

    /// No body.
    pub(super) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Body::empty() }
    }

    pub(super) fn bytes(status: u16, body: impl Into<Bytes>) -> Self {
        Self::stream(status, Body::from(body.into()))
    }

    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::bytes(200, text.into()).header("content-type", "text/plain")
    }

    pub(super) fn stream(status: u16, body: Body) -> Self {
        Self { status, headers: Vec::new(), body }
    }

    #[must_use]
    pub(super) fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    #[must_use]
    pub(super) fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same with half of the first piece of its body, after which the connection breaks.
    pub(super) fn broken_off(self) -> Self {
        let half = |piece: Result<Bytes, axum::Error>| {
            let piece = piece.unwrap_or_default();
            let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
            stream::iter([Ok(piece.slice(..piece.len() / 2)), Err(broken)])
        };
        let body = Body::from_stream(self.body.into_data_stream().take(1).flat_map(half));
        let headers = self.headers.into_iter().filter(|(name, _)| name != "content-length").collect();
        Self { status: self.status, headers, body }
    }

    pub(super) fn render(self, method: &Method) -> Response<Body> {
        let mut response = Response::builder().status(self.status);
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        // An answer to HEAD has headers only.
        let body = if method == Method::HEAD { Body::empty() } else { self.body };
        // A header that can't be written is a mistake in the emulator, and a client sees it as one.
        response.body(body).unwrap_or_else(|error| Response::new(Body::from(error.to_string())))
    }
}

/// An operation's refusal, with the code and text that Google has for it.
#[derive(Debug, Clone)]
pub(super) struct ApiError {
    pub(super) status: u16,
    /// As it is recorded: `NOT_FOUND`, `BLOB_UNKNOWN`, `invalid_grant`.
    pub(super) code: String,
    message: String,
    shape: Shape,
    details: Vec<Value>,
    headers: Vec<(String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Google,
    Storage,
    Registry,
    OAuth,
    Html,
    Text,
}

impl ApiError {
    fn shaped(shape: Shape, status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        let (details, headers) = (Vec::new(), Vec::new());
        Self { status, code: code.into(), message: message.into(), shape, details, headers }
    }

    /// Of an API that has `google.rpc.Status`: `code` is the name of its status.
    pub(super) fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self::shaped(Shape::Google, status, code, message)
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "INVALID_ARGUMENT", message)
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(404, "NOT_FOUND", message)
    }

    pub(super) fn exists(message: impl Into<String>) -> Self {
        Self::new(409, "ALREADY_EXISTS", message)
    }

    /// What a service says that does not know a path.
    pub(super) fn unknown() -> Self {
        Self::html(404, "Error 404 (Not Found)!!1", "The requested URL was not found on this server.")
    }

    /// Of Storage: `code` is the reason.
    pub(super) fn storage(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self::shaped(Shape::Storage, status, code, message)
    }

    /// Of a registry.
    pub(super) fn registry(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self::shaped(Shape::Registry, status, code, message)
    }

    /// Of the token endpoint.
    pub(super) fn oauth(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self::shaped(Shape::OAuth, status, code, message)
    }

    /// Of the front end of Cloud Run.
    pub(super) fn html(status: u16, title: &str, message: impl Into<String>) -> Self {
        Self::shaped(Shape::Html, status, title, message)
    }

    /// Of the front end of Cloud Run, which says some things without HTML.
    pub(super) fn text(status: u16, message: impl Into<String>) -> Self {
        let message = message.into();
        Self::shaped(Shape::Text, status, message.clone(), message)
    }

    #[must_use]
    pub(super) fn detail(mut self, detail: Value) -> Self {
        self.details.push(detail);
        self
    }

    /// With `google.rpc.ErrorInfo`.
    #[must_use]
    pub(super) fn info(self, reason: &str, domain: &str, metadata: &Value) -> Self {
        self.detail(json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": reason,
            "domain": domain,
            "metadata": metadata,
        }))
    }

    #[must_use]
    pub(super) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// As the body of the error of a long-running operation.
    pub(super) fn rpc(&self) -> Value {
        let codes = [
            ("INVALID_ARGUMENT", 3),
            ("NOT_FOUND", 5),
            ("ALREADY_EXISTS", 6),
            ("PERMISSION_DENIED", 7),
            ("RESOURCE_EXHAUSTED", 8),
            ("FAILED_PRECONDITION", 9),
            ("INTERNAL", 13),
        ];
        let code = codes.iter().find(|(name, _)| *name == self.code).map_or(2, |(_, code)| *code);
        json!({ "code": code, "message": self.message })
    }

    pub(super) fn reply(self) -> Reply {
        let Self { status, code, message, shape, details, headers } = self;
        let mut reply = match shape {
            Shape::Google => {
                let mut error = json!({ "code": status, "message": message, "status": code });
                if !details.is_empty() {
                    error["details"] = Value::Array(details);
                }
                Reply::json(&json!({ "error": error }))
            }
            Shape::Storage => {
                let reasons = json!([{ "message": message, "domain": "global", "reason": code }]);
                Reply::json(&json!({ "error": { "code": status, "message": message, "errors": reasons } }))
            }
            Shape::Registry => Reply::json(&json!({ "errors": [{ "code": code, "message": message }] })),
            Shape::OAuth => Reply::json(&json!({ "error": code, "error_description": message })),
            Shape::Html => Reply::bytes(
                status,
                format!(
                    "\n<html><head>\n<meta http-equiv=\"content-type\" content=\"text/html;charset=utf-8\">\n<title>{code}\
                     </title>\n</head>\n<body text=#000000 bgcolor=#ffffff>\n<h1>{code}</h1>\n<h2>{message}</h2>\n<h2>\
                     </h2>\n</body></html>\n"
                ),
            )
            .header("content-type", "text/html; charset=UTF-8"),
            Shape::Text => Reply::text(message),
        };
        reply.headers.extend(headers);
        reply.status(status)
    }
}
