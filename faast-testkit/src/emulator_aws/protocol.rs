//! Requests as services see them, and replies and errors as clients of the four protocols want them.
//!
//! A service module knows operations and never the wire: it reads [`ApiRequest`] and gives [`Reply`] or [`ApiError`].
//! What a protocol puts around these (error bodies, request ids, content types) is here and nowhere else.

use std::fmt::Write as _;
use std::io;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, Method, Response};
use futures_util::stream;
use serde_json::{Map, Value, json};

pub(super) use crate::emulator::web::{decode, new_id, pairs};

/// The services, as the scope of a signature has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Service {
    Lambda,
    Iam,
    Sts,
    Sqs,
    Sns,
    S3,
    Logs,
    Tagging,
    Pricing,
}

impl Service {
    const ALL: [Self; 9] =
        [Self::Lambda, Self::Iam, Self::Sts, Self::Sqs, Self::Sns, Self::S3, Self::Logs, Self::Tagging, Self::Pricing];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Lambda => "lambda",
            Self::Iam => "iam",
            Self::Sts => "sts",
            Self::Sqs => "sqs",
            Self::Sns => "sns",
            Self::S3 => "s3",
            Self::Logs => "logs",
            Self::Tagging => "tagging",
            Self::Pricing => "pricing",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.name() == name)
    }
}

/// How requests and replies are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// Lambda: paths, and JSON in bodies.
    RestJson,
    /// Logs, tagging, pricing, SQS: `X-Amz-Target`, and JSON of this version.
    Json(&'static str),
    /// IAM, STS: forms in, XML out, in this namespace.
    Query(&'static str),
    /// S3: paths, and XML.
    RestXml,
}

/// A request with its service and operation found out.
#[derive(Debug, Clone)]
pub(super) struct ApiRequest {
    /// The request id of the answer.
    pub(super) id: String,
    pub(super) service: Service,
    pub(super) protocol: Protocol,
    /// `CreateFunction`; empty if none was recognised.
    pub(super) action: String,
    pub(super) region: String,
    /// Of the signature, if there is one.
    pub(super) access_key: Option<String>,
    pub(super) method: Method,
    /// As sent, with its percent signs.
    pub(super) path: String,
    /// Of the address, decoded.
    pub(super) query: Vec<(String, String)>,
    /// Of a form in the body, decoded; empty for other protocols.
    pub(super) form: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl ApiRequest {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A parameter of the address.
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        find(&self.query, name)
    }

    /// A parameter of the form in the body.
    pub(super) fn form(&self, name: &str) -> Option<&str> {
        find(&self.form, name)
    }

    /// The segments of the path, decoded, without empty ones at its ends.
    pub(super) fn segments(&self) -> Vec<String> {
        self.path.trim_matches('/').split('/').map(|it| decode(it, false)).collect()
    }

    /// The body as a JSON object; nothing at all is an empty one.
    pub(super) fn json(&self) -> Result<Map<String, Value>, ApiError> {
        if self.body.is_empty() {
            return Ok(Map::new());
        }
        let refused = || ApiError::new(400, "SerializationException", "Could not parse request body into json");
        serde_json::from_slice(&self.body).map_err(|_| refused())
    }
}

fn find<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    pairs.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
}

/// An operation's success.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Body,
}

impl Reply {
    /// JSON with status 200.
    pub(super) fn json(value: &Value) -> Self {
        Self::bytes(200, value.to_string())
    }

    /// No body.
    pub(super) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Body::empty() }
    }

    /// Any body.
    pub(super) fn bytes(status: u16, body: impl Into<Bytes>) -> Self {
        Self { status, headers: Vec::new(), body: Body::from(body.into()) }
    }

    /// The answer of a query operation: `inner` goes into `<ActionResult>`; empty makes none.
    pub(super) fn query(request: &ApiRequest, inner: &str) -> Self {
        let action = &request.action;
        let namespace = match request.protocol {
            Protocol::Query(namespace) => namespace,
            _ => "",
        };
        let result = if inner.is_empty() { String::new() } else { format!("<{action}Result>{inner}</{action}Result>") };
        let text = format!(
            "<{action}Response xmlns=\"{namespace}\">{result}<ResponseMetadata><RequestId>{}</RequestId>\
             </ResponseMetadata></{action}Response>",
            request.id
        );
        Self::bytes(200, text)
    }

    /// The same with half of its body, after which the connection breaks.
    pub(super) async fn broken_off(self) -> Self {
        // Bodies that are made here are whole.
        let whole = to_bytes(self.body, usize::MAX).await.unwrap_or_default();
        let half = whole.slice(..whole.len() / 2);
        let pieces = [Ok(half), Err(io::Error::from(io::ErrorKind::ConnectionReset))];
        let mut headers = self.headers;
        if !headers.iter().any(|(name, _)| name == "content-length") {
            headers.push(("content-length".into(), whole.len().to_string()));
        }
        Self { status: self.status, headers, body: Body::from_stream(stream::iter(pieces)) }
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

    /// With what the protocol puts around it.
    pub(super) fn render(self, request: &ApiRequest) -> Response<Body> {
        let kind = match request.protocol {
            Protocol::RestJson => "application/json",
            Protocol::Json(version) => version,
            Protocol::Query(_) => "text/xml",
            Protocol::RestXml => "application/xml",
        };
        let typed = self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        let mut headers = self.headers;
        if !typed {
            headers.push(("content-type".into(), kind.into()));
        }
        let id = if request.protocol == Protocol::RestXml { "x-amz-request-id" } else { "x-amzn-requestid" };
        headers.push((id.into(), request.id.clone()));
        respond(self.status, headers, self.body)
    }
}

/// An operation's refusal, with the code and text that AWS has for it.
#[derive(Debug, Clone)]
pub(super) struct ApiError {
    pub(super) status: u16,
    pub(super) code: String,
    pub(super) message: String,
    /// Further members of the error: `Reason`, `Type`.
    pub(super) fields: Map<String, Value>,
    pub(super) headers: Vec<(String, String)>,
}

impl ApiError {
    pub(super) fn new(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into(), fields: Map::new(), headers: Vec::new() }
    }

    /// What services say that do not know an operation.
    pub(super) fn unknown_operation() -> Self {
        Self::new(404, "UnknownOperationException", "the emulator does not have this operation")
    }

    #[must_use]
    pub(super) fn field(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.into(), value.into());
        self
    }

    #[must_use]
    pub(super) fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// As the protocol of the request writes errors.
    pub(super) fn render(self, request: &ApiRequest) -> Response<Body> {
        let mut reply = match request.protocol {
            Protocol::RestJson => {
                let mut body = self.fields;
                // Lambda's model has it in upper case for a few, and its clients read both.
                let upper = ["ResourceNotFoundException", "ServiceException"].contains(&self.code.as_str());
                let name = if upper { "Message" } else { "message" };
                body.insert(name.into(), self.message.into());
                Reply::json(&Value::Object(body)).header("x-amzn-errortype", self.code)
            }
            Protocol::Json(_) => {
                let mut body = json!({ "__type": self.code, "message": self.message });
                if let Value::Object(members) = &mut body {
                    members.extend(self.fields);
                }
                Reply::json(&body)
            }
            Protocol::Query(namespace) => {
                let kind = if self.status < 500 { "Sender" } else { "Receiver" };
                let (code, message) = (escape(&self.code), escape(&self.message));
                Reply::bytes(
                    200,
                    format!(
                        "<ErrorResponse xmlns=\"{namespace}\"><Error><Type>{kind}</Type><Code>{code}</Code>\
                         <Message>{message}</Message></Error><RequestId>{}</RequestId></ErrorResponse>",
                        request.id
                    ),
                )
            }
            Protocol::RestXml => {
                let mut members = String::new();
                for (name, value) in &self.fields {
                    let _ = write!(members, "<{name}>{}</{name}>", escape(value.as_str().unwrap_or("")));
                }
                Reply::bytes(
                    200,
                    format!(
                        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{}</Code><Message>{}</Message>{members}\
                         <RequestId>{}</RequestId></Error>",
                        escape(&self.code),
                        escape(&self.message),
                        request.id
                    ),
                )
            }
        };
        reply.headers.extend(self.headers);
        // An answer to HEAD has headers only.
        if request.method == Method::HEAD {
            reply.body = Body::empty();
        }
        reply.status(self.status).render(request)
    }
}

fn respond(status: u16, headers: Vec<(String, String)>, body: Body) -> Response<Body> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    // A header that can't be written is a mistake in the emulator, and a client sees it as one.
    response.body(body).unwrap_or_else(|error| Response::new(Body::from(error.to_string())))
}

/// Text as XML has it.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
