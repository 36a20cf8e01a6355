//! What a worker needs of Google in queue mode: a metadata server that gives tokens, and a topic to publish on.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use faast_core::provider::Event;
use faast_testkit::frame;
use serde_json::{Value, json};

/// One message, as it was published.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    pub(crate) path: String,
    pub(crate) token: Option<String>,
    message: Value,
}

impl Published {
    pub(crate) fn attribute(&self, name: &str) -> &str {
        self.message["attributes"][name].as_str().unwrap_or_default()
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        let sealed = STANDARD.decode(self.message["data"].as_str().unwrap()).unwrap();
        frame::opened(&sealed)
    }
}

/// The services.
pub(crate) struct PubSub {
    host: String,
    url: String,
    published: Arc<Mutex<Vec<Published>>>,
}

/// What is said to the next publications, instead of taking them.
type Refusals = Mutex<Vec<&'static str>>;

impl PubSub {
    /// Serves until the test process ends.
    pub(crate) fn start() -> Self {
        Self::refusing(Vec::new())
    }

    /// The same, but the first publications are answered with these lines of status, the last one first.
    pub(crate) fn refusing(refusals: Vec<&'static str>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let published = Arc::<Mutex<Vec<Published>>>::default();
        let seen = Arc::clone(&published);
        let refusals = Arc::new(Mutex::new(refusals));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (seen, refusals) = (Arc::clone(&seen), Arc::clone(&refusals));
                std::thread::spawn(move || serve(stream, &seen, &refusals));
            }
        });
        Self { url: format!("http://{host}"), host, published }
    }

    /// What tells a worker of them.
    pub(crate) fn variables(&self) -> Vec<(&str, &str)> {
        vec![
            ("GCE_METADATA_HOST", &self.host),
            ("FAAST_GOOGLE_ENDPOINT_URL", &self.url),
            ("FAAST_GOOGLE_PROJECT", "p1"),
        ]
    }

    pub(crate) fn published(&self) -> Vec<Published> {
        self.published.lock().unwrap().clone()
    }

    /// The body of a push.
    pub(crate) fn push(sealed: &[u8], number: &str, secret: Option<&str>, attempt: u32) -> Vec<u8> {
        let mut attributes = BTreeMap::from([("faast-request", number)]);
        attributes.extend(secret.map(|secret| ("faast-secret", secret)));
        let message = json!({ "data": STANDARD.encode(sealed), "attributes": attributes, "messageId": "1" });
        let push =
            json!({ "message": message, "deliveryAttempt": attempt, "subscription": "projects/p1/subscriptions/s" });
        push.to_string().into_bytes()
    }
}

fn serve(stream: TcpStream, published: &Mutex<Vec<Published>>, refusals: &Refusals) {
    let mut reader = BufReader::new(stream);
    while let Some((line, headers)) = head(&mut reader) {
        let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let path = line.split(' ').nth(1).unwrap();
        let (status, answer) = match path {
            "/computeMetadata/v1/instance/service-accounts/default/token" => {
                assert_eq!(headers.get("metadata-flavor").map(String::as_str), Some("Google"));
                ("200 OK", json!({ "access_token": "of-the-metadata-server", "expires_in": 3600 }).to_string())
            }
            "/computeMetadata/v1/instance/region" => ("200 OK", "projects/1/regions/us-central1".into()),
            path if path.ends_with(":publish") => {
                let refused = refusals.lock().unwrap().pop();
                if let Some(status) = refused {
                    (status, json!({ "error": { "message": "no" } }).to_string())
                } else {
                    let body: Value = serde_json::from_slice(&body).unwrap();
                    let token = headers.get("authorization").cloned();
                    let message = body["messages"][0].clone();
                    published.lock().unwrap().push(Published { path: path.to_owned(), token, message });
                    ("200 OK", json!({ "messageIds": ["1"] }).to_string())
                }
            }
            // There is no store.
            _ => ("403 Forbidden", json!({ "error": { "status": "PERMISSION_DENIED", "message": "no" } }).to_string()),
        };
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{answer}", answer.len());
        reader.get_mut().write_all(answer.as_bytes()).unwrap();
    }
}

fn head(reader: &mut BufReader<TcpStream>) -> Option<(String, BTreeMap<String, String>)> {
    let (mut first, mut headers) = (None, BTreeMap::new());
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match (line.trim_end(), &first) {
            ("", _) => return Some((first?, headers)),
            (line, None) => first = Some(line.to_owned()),
            (line, Some(_)) => {
                let (name, value) = line.split_once(": ").unwrap();
                headers.insert(name.to_ascii_lowercase(), value.to_owned());
            }
        }
    }
}
