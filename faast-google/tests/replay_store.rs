//! The bucket against a Storage that answers as a test tells it: how it is made, whose it has to be, and what a transfer
//! comes to.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use faast_core::ErrorKind;
use faast_core::provider::{BlobKey, BlobRef, BlobStore, DeploymentId};
use faast_google::private::store_at;
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

const ID: &str = "6a1f0d1e-8a0e-4c5e-9a53-0d4b7f3a2c11";
const NAME: &str = "faast-6a1f0d1e-8a0e-4c5e-9a53-0d4b7f3a2c11";

/// Storage, with at most one bucket.
#[derive(Clone, Default)]
struct Storage(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// The bucket of that name, as it was made.
    bucket: Option<Value>,
    /// It is in another project.
    is_somebodys: bool,
    object: Option<Vec<u8>>,
    /// To the next uploads, before they are looked at.
    refusals: Vec<u16>,
    /// The answer to the next upload is lost: it is stored, and an error comes.
    loses: bool,
    calls: Vec<String>,
}

fn told(status: u16, message: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(json!({ "error": { "code": status, "message": message } }))
}

impl Respond for Storage {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let state = &mut *self.0.lock().unwrap();
        let (method, path) = (request.method.as_str(), request.url.path());
        let query =
            |name: &str| request.url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        state.calls.push(format!("{method} {path}"));
        let no_bucket = || told(404, "The specified bucket does not exist.");
        match (method, path) {
            ("POST", "/storage/v1/b") => {
                assert_eq!(query("project").as_deref(), Some("p"));
                if state.bucket.is_some() {
                    return told(
                        409,
                        "Your previous request to create the named bucket succeeded and you already own it.",
                    );
                }
                state.bucket = Some(serde_json::from_slice(&request.body).unwrap());
                ResponseTemplate::new(200).set_body_json(json!({}))
            }
            ("GET", "/storage/v1/b") => {
                let ours = state.bucket.iter().filter(|_| !state.is_somebodys);
                ResponseTemplate::new(200).set_body_json(json!({ "items": ours.collect::<Vec<_>>() }))
            }
            ("POST", _) => {
                assert_eq!(path, format!("/upload/storage/v1/b/{NAME}/o"));
                if let Some(status) = state.refusals.pop() {
                    return told(status, "in passing");
                }
                if state.bucket.is_none() {
                    return no_bucket();
                }
                if state.object.is_some() && query("ifGenerationMatch").as_deref() == Some("0") {
                    return told(412, "At least one of the pre-conditions you specified did not hold.");
                }
                assert_eq!(
                    (query("uploadType").as_deref(), query("name").as_deref()),
                    (Some("media"), Some("result/1-a"))
                );
                state.object = Some(request.body.clone());
                if std::mem::take(&mut state.loses) { told(503, "lost") } else { ResponseTemplate::new(200) }
            }
            ("GET" | "DELETE", _) if state.bucket.is_none() => no_bucket(),
            ("GET", path) if path.ends_with("/o/result%2F1-a") => match &state.object {
                Some(bytes) => ResponseTemplate::new(200).set_body_bytes(bytes.clone()),
                None => told(404, "No such object"),
            },
            ("DELETE", _) => match state.object.take() {
                Some(_) => ResponseTemplate::new(204),
                None => told(404, "No such object"),
            },
            _ => told(404, "No such object"),
        }
    }
}

struct Rig {
    store: Arc<dyn BlobStore>,
    storage: Storage,
    _server: MockServer,
}

impl Rig {
    async fn new(state: State) -> Self {
        let storage = Storage(Arc::new(Mutex::new(state)));
        let server = MockServer::builder().start().await;
        Mock::given(any()).respond_with(storage.clone()).mount(&server).await;
        let store = store_at(&server.uri(), &DeploymentId::from(ID)).unwrap();
        Self { store, storage, _server: server }
    }

    async fn put(&self) -> faast_core::Result<()> {
        self.store.put(&key(), Bytes::from_static(b"value")).await
    }

    fn count(&self, call: &str) -> usize {
        self.storage.0.lock().unwrap().calls.iter().filter(|made| made.starts_with(call)).count()
    }
}

fn key() -> BlobKey {
    BlobKey("result/1-a".into())
}

#[tokio::test]
async fn the_first_object_makes_a_bucket_that_nobody_else_can_look_into_and_that_keeps_nothing_deleted() {
    let rig = Rig::new(State::default()).await;
    rig.put().await.unwrap();
    let bucket = rig.storage.0.lock().unwrap().bucket.clone().unwrap();
    assert_eq!(bucket["name"], NAME);
    assert_eq!(bucket["iamConfiguration"]["uniformBucketLevelAccess"]["enabled"], true);
    assert_eq!(bucket["iamConfiguration"]["publicAccessPrevention"], "enforced");
    assert_eq!(bucket["softDeletePolicy"]["retentionDurationSeconds"], "0");
    assert_eq!(bucket["labels"]["faast-deployment"], ID);
    for label in ["faast-created", "faast-expires", "faast-version"] {
        assert!(bucket["labels"][label].is_string(), "{label}");
    }
    let read = rig.store.get(&BlobRef::new(key(), b"value")).await.unwrap();
    assert_eq!(read, "value");
    assert_eq!(rig.count("POST /storage/v1/b"), 1);
}

#[tokio::test]
async fn two_that_need_the_bucket_at_once_make_one() {
    let rig = Rig::new(State::default()).await;
    let (one, other) = tokio::join!(rig.put(), rig.put());
    one.and(other).unwrap();
    assert_eq!(rig.count("POST /storage/v1/b"), 1);
}

#[tokio::test]
async fn nothing_is_written_into_a_bucket_of_somebody_else() {
    let labels =
        json!({ "faast-deployment": ID, "faast-created": "1", "faast-expires": "2", "faast-version": "0-1-0" });
    let bucket = Some(json!({ "name": NAME, "labels": labels }));
    let storage = Storage(Arc::new(Mutex::new(State { bucket, is_somebodys: true, ..State::default() })));
    let server = MockServer::builder().start().await;
    Mock::given(any()).respond_with(Squatted(storage.clone())).mount(&server).await;
    let store = store_at(&server.uri(), &DeploymentId::from(ID)).unwrap();
    let error = store.put(&key(), Bytes::from_static(b"secret")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "{error:?}");
    assert!(storage.0.lock().unwrap().object.is_none());
}

/// Whoever has the bucket lets nobody look into it, so that it seems not to be there.
struct Squatted(Storage);

impl Respond for Squatted {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        if request.method.as_str() == "GET" && request.url.path().contains("/o/") {
            return told(404, "The specified bucket does not exist.");
        }
        self.0.respond(request)
    }
}

#[tokio::test]
async fn an_upload_is_tried_again_and_one_whose_answer_was_lost_is_a_success() {
    let rig = Rig::new(State { refusals: vec![503], ..State::default() }).await;
    rig.put().await.unwrap();
    let rig = Rig::new(State { loses: true, ..State::default() }).await;
    rig.put().await.unwrap();
    assert_eq!(rig.count("POST /upload"), 2);
    assert_eq!(rig.storage.0.lock().unwrap().object.as_deref(), Some(&b"value"[..]));
}

#[tokio::test]
async fn a_bucket_that_was_there_and_is_gone_is_not_made_once_more() {
    let rig = Rig::new(State::default()).await;
    rig.put().await.unwrap();
    rig.storage.0.lock().unwrap().bucket = None;
    let error = rig.put().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io, "{error:?}");
    assert_eq!(rig.count("POST /storage/v1/b"), 1);
}

#[tokio::test]
async fn an_object_of_another_length_is_refused() {
    let rig = Rig::new(State::default()).await;
    rig.put().await.unwrap();
    let error = rig.store.get(&BlobRef::new(key(), b"values")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert!(error.message().contains("5 bytes and not the 6"), "{error}");
}

#[tokio::test]
async fn deleting_what_is_gone_is_a_success() {
    let rig = Rig::new(State::default()).await;
    rig.put().await.unwrap();
    for _ in 0..2 {
        rig.store.delete(&key()).await.unwrap();
    }
    rig.storage.0.lock().unwrap().bucket = None;
    rig.store.delete(&key()).await.unwrap();
}
