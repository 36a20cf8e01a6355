//! What stands in front of environments in Lambda: the HTTP interface, one environment for each invocation in flight,
//! and the header that marks an error, which RIE does not send.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderName, StatusCode};
use axum::routing::post;
use faast_core::provider::Runtime;
use serde_json::json;

use super::environment::{Environment, Function, write_bootstrap};

/// The environments of one function.
pub(super) struct Front {
    function: Function,
    bootstrap: PathBuf,
    logs: PathBuf,
    idle: Mutex<Vec<Environment>>,
    started: AtomicUsize,
    ended: Mutex<bool>,
}

type Answer = (StatusCode, [(HeaderName, String); 2], Vec<u8>);

impl Front {
    pub(super) fn new(function: Function, folder: &std::path::Path) -> std::io::Result<Self> {
        let bootstrap = write_bootstrap(folder)?;
        let (idle, started, ended) = (Mutex::default(), AtomicUsize::new(0), Mutex::new(false));
        Ok(Self { function, bootstrap, logs: folder.to_owned(), idle, started, ended })
    }

    /// Serves on a free port, until the runtime ends; the endpoint.
    pub(super) fn serve(self: &Arc<Self>, runtime: &Runtime) -> std::io::Result<String> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let path = "/2015-03-31/functions/{name}/invocations";
        let router = Router::new().route(path, post(invoke)).with_state(Arc::clone(self));
        let router = router.layer(DefaultBodyLimit::max(64 << 20));
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, router).await.unwrap();
        });
        Ok(endpoint)
    }

    /// Ends every environment; those that work end when they are done.
    pub(super) fn end(&self) {
        *self.ended.lock().unwrap() = true;
        self.idle.lock().unwrap().clear();
    }

    fn environment(&self) -> Environment {
        let idle = self.idle.lock().unwrap().pop();
        idle.unwrap_or_else(|| {
            let number = self.started.fetch_add(1, Ordering::Relaxed);
            let log = self.logs.join(format!("environment-{number}"));
            Environment::start(&self.function, &self.bootstrap, &log).unwrap()
        })
    }

    fn give_back(&self, environment: Environment) {
        if !*self.ended.lock().unwrap() {
            self.idle.lock().unwrap().push(environment);
        }
    }
}

async fn invoke(State(front): State<Arc<Front>>, body: Bytes) -> Answer {
    // A task of its own: an invocation goes on when nobody waits for it any more, and keeps its environment.
    let (status, body) = tokio::spawn(async move {
        let environment = front.environment();
        let answer = environment.invoke(&body).await;
        front.give_back(environment);
        answer.unwrap()
    })
    .await
    .unwrap();
    as_lambda_answers(status, body)
}

/// RIE's answer as Lambda's front end sends it.
fn as_lambda_answers(status: u16, body: Vec<u8>) -> Answer {
    let text = String::from_utf8_lossy(&body);
    let error = if status == 200 && text.starts_with("Task timed out after") {
        let message = format!("2026-11-22T00:00:00.000Z 1 {}", text.trim());
        Some(json!({ "errorType": "Sandbox.Timedout", "errorMessage": message }).to_string().into_bytes())
    } else if body.is_empty() {
        let message = "RequestId: 1 Error: Runtime exited without providing a reason";
        Some(json!({ "errorType": "Runtime.ExitError", "errorMessage": message }).to_string().into_bytes())
    } else if text.starts_with('{') && text.contains("errorType") {
        Some(body.clone())
    } else {
        None
    };
    let request_id = (HeaderName::from_static("x-amzn-requestid"), uuid());
    let name = HeaderName::from_static(if error.is_some() { "x-amz-function-error" } else { "x-amz-executed-version" });
    let value = if error.is_some() { "Unhandled" } else { "$LATEST" };
    (StatusCode::OK, [request_id, (name, value.to_owned())], error.unwrap_or(body))
}

/// Any id: RIE's own is not in its answers.
fn uuid() -> String {
    faast_core::provider::DeploymentId::random().to_string()
}
