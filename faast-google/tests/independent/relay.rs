//! A relay before a server of others, which answers by itself what that server does not know.

use std::net::Ipv4Addr;
use std::thread;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri};
use reqwest::Client;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// A running relay; dropping it ends it.
pub(crate) struct Relay {
    port: u16,
    end: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Relay {
    /// Relays to a server, but for requests whose path ends like this: those get an empty object.
    pub(crate) fn start(server: String, own: &'static str) -> Self {
        let (tell, port) = std::sync::mpsc::channel();
        let (end, ended) = oneshot::channel();
        let relay = async move {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            tell.send(listener.local_addr().unwrap().port()).unwrap();
            let to = To { server, own, client: Client::builder().no_proxy().build().unwrap() };
            let router = Router::new().fallback(pass).with_state(to);
            tokio::select! {
                result = axum::serve(listener, router) => result.unwrap(),
                _ = ended => {}
            }
        };
        let run = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(relay);
        let thread = Some(thread::spawn(run));
        Self { port: port.recv().unwrap(), end: Some(end), thread }
    }

    /// Where it serves.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        drop(self.end.take());
        let _ = self.thread.take().map(thread::JoinHandle::join);
    }
}

#[derive(Debug, Clone)]
struct To {
    server: String,
    own: &'static str,
    client: Client,
}

async fn pass(State(to): State<To>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response<Body> {
    if uri.path().ends_with(to.own) {
        return Response::new(Body::from("{}"));
    }
    let mut request = to.client.request(method, format!("{}{uri}", to.server)).body(body);
    if let Some(kind) = headers.get("content-type") {
        request = request.header("content-type", kind);
    }
    let Ok(answer) = request.send().await else {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        return response;
    };
    let (status, kind) = (answer.status(), answer.headers().get("content-type").cloned());
    let mut response = Response::new(Body::from(answer.bytes().await.unwrap_or_default()));
    *response.status_mut() = status;
    response.headers_mut().extend(kind.map(|kind| (axum::http::header::CONTENT_TYPE, kind)));
    response
}
