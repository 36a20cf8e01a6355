//! A project of Google Cloud with failures in it: enough of each service for a deployment, and not more.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};
use wiremock::http::Method;
use wiremock::{Request, Respond, ResponseTemplate};

/// What happens to a call instead of success.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// It is refused, and nothing is done.
    Refused(u16, Value),
    /// It is done, and its answer is lost on the way.
    Lost,
    /// What it began fails with this error; the resource is there.
    Fails(Value),
}

impl Fault {
    /// A refusal as most services write it.
    pub(crate) fn status(status: u16, code: &str, text: &str) -> Self {
        Self::Refused(status, json!({ "error": { "code": status, "message": text, "status": code } }))
    }

    /// The same with a reason for machines.
    pub(crate) fn reason(status: u16, code: &str, text: &str, reason: &str, facts: &Value) -> Self {
        let detail =
            json!({ "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "metadata": facts });
        let error = json!({ "code": status, "message": text, "status": code, "details": [detail] });
        Self::Refused(status, json!({ "error": error }))
    }
}

/// One call, as it was made.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) action: String,
    pub(crate) path: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) body: Value,
    pub(crate) authorization: Option<String>,
}

#[derive(Debug, Default)]
struct State {
    /// Resources by their paths: `services/x`, `repositories/x`, `topics/x-requests`.
    resources: BTreeMap<String, Value>,
    /// Operations that are not done, by their names; and what they come to.
    operations: BTreeMap<String, Value>,
    faults: BTreeMap<String, VecDeque<Fault>>,
    seen: Vec<Seen>,
    uri: String,
}

/// The project. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Project(Arc<Mutex<State>>);

pub(crate) const REGION: &str = "us-central1";

impl Project {
    pub(crate) fn at(uri: &str) -> Self {
        let project = Self::default();
        project.state().uri = uri.into();
        project
    }

    /// Adds a fault for the next call of an action.
    pub(crate) fn fault(&self, action: &str, fault: Fault) {
        self.state().faults.entry(action.into()).or_default().push_back(fault);
    }

    /// What there is.
    pub(crate) fn left(&self) -> Vec<String> {
        self.state().resources.keys().cloned().collect()
    }

    pub(crate) fn put(&self, path: &str, resource: Value) {
        self.state().resources.insert(path.into(), resource);
    }

    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        self.state().resources.get(path).cloned()
    }

    /// All calls, in their order.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state().seen.clone()
    }

    /// The calls of an action.
    pub(crate) fn seen_of(&self, action: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.action == action).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl Respond for Project {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let mut state = self.state();
        let path = request.url.path().to_owned();
        let body = serde_json::from_slice(&request.body).unwrap_or_default();
        let query: BTreeMap<String, String> =
            request.url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        let action = action(&request.method, &path);
        let authorization = request.headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
        state.seen.push(Seen {
            action: action.clone(),
            path: path.clone(),
            query: query.clone(),
            body: Value::clone(&body),
            authorization,
        });
        let fault = state.faults.get_mut(&action).and_then(VecDeque::pop_front);
        if let Some(Fault::Refused(status, body)) = &fault {
            return ResponseTemplate::new(*status).set_body_json(body);
        }
        let answer = state.answer(&action, &path, &query, &body, &request.body);
        match fault {
            Some(Fault::Lost) => ResponseTemplate::new(503),
            Some(Fault::Fails(error)) => {
                let name = state.operations.keys().next_back().cloned().unwrap();
                state.operations.insert(name.clone(), json!({ "name": name, "done": true, "error": error }));
                answer
            }
            _ => answer,
        }
    }
}

/// The action by method and path.
fn action(method: &Method, path: &str) -> String {
    let verb = match method.as_str() {
        "POST" => "Create",
        "PUT" => "Put",
        "GET" => "Get",
        "DELETE" => "Delete",
        "PATCH" => "Update",
        other => panic!("{other} {path}"),
    };
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let (last, custom) = path.rsplit_once(':').map_or(("", ""), |(_, custom)| (path, custom));
    let what = match parts.as_slice() {
        ["token"] => return "Token".into(),
        _ if !last.is_empty() && ["setIamPolicy", "testIamPermissions", "batchGet"].contains(&custom) => {
            let of = if path.contains("/topics/") {
                "Topic"
            } else if path.contains("/subscriptions/") {
                "Subscription"
            } else {
                ""
            };
            return format!("{custom}{of}");
        }
        ["v1", "services", _, "skus"] => return "ListSkus".into(),
        ["v1", "projects", _, "locations", "-", "services"] => return "ListServices".into(),
        [.., "operations", _] => "Operation",
        [.., "blobs", "uploads", ""] => return "StartUpload".into(),
        ["uploads", _] => "Blob",
        [.., "manifests", _] => "Manifest",
        [.., "services"] | [.., "services", _] => "Service",
        [.., "locations", _, "repositories"] if verb == "Get" => return "ListRepositories".into(),
        [.., "repositories"] | [.., "repositories", _] => "Repository",
        [.., "topics"] => return "ListTopics".into(),
        [.., "topics", _] => "Topic",
        [.., "subscriptions"] => return "ListSubscriptions".into(),
        [.., "subscriptions", _] => "Subscription",
        ["storage", "v1", "b"] => return "ListBuckets".into(),
        ["storage", "v1", "b", _] => "Bucket",
        ["storage", "v1", "b", _, "o"] => return "ListObjects".into(),
        ["storage", "v1", "b", _, "o", _] => "Object",
        ["v3", "projects", _] => "Project",
        _ => panic!("{method} {path}"),
    };
    format!("{verb}{what}")
}

impl State {
    fn answer(
        &mut self,
        action: &str,
        path: &str,
        query: &BTreeMap<String, String>,
        body: &Value,
        bytes: &[u8],
    ) -> ResponseTemplate {
        match action {
            "Token" => ok(&json!({
                "access_token": "access-token", "expires_in": 3600, "token_type": "Bearer", "id_token": id_token(),
            })),
            "CreateService" if query.get("validateOnly").is_some_and(|only| only == "true") => {
                ok(&json!({ "name": "projects/p1/locations/r/operations/dry", "done": true }))
            }
            "CreateService" => self.create("services", &query["serviceId"], body),
            "CreateRepository" => self.create("repositories", &query["repositoryId"], body),
            "UpdateService" => {
                let key = key(path);
                let labels_only = query.get("updateMask").is_some_and(|mask| mask == "labels");
                if !self.resources.contains_key(&key) {
                    return gone();
                }
                if labels_only {
                    self.resources.get_mut(&key).unwrap()["labels"] = body["labels"].clone();
                } else {
                    self.resources.insert(key.clone(), body.clone());
                }
                self.begin(&key)
            }
            "GetOperation" => {
                let name = path.splitn(3, '/').nth(2).unwrap();
                self.operations.get(name).map_or_else(gone, ok)
            }
            "GetService" => {
                let key = key(path);
                match self.resources.get(&key) {
                    Some(service) => ok(&self.described(&key, service)),
                    None => gone(),
                }
            }
            "DeleteService" | "DeleteRepository" => {
                let key = key(path);
                if self.resources.remove(&key).is_none() {
                    return gone();
                }
                self.begin(&key)
            }
            "StartUpload" => {
                ResponseTemplate::new(202).insert_header("Location", format!("/uploads/{}?state=1", self.seen.len()))
            }
            "PutBlob" => ResponseTemplate::new(201),
            "PutManifest" => {
                use sha2::Digest as _;
                let digest =
                    sha2::Sha256::digest(bytes).iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
                ResponseTemplate::new(201).insert_header("docker-content-digest", format!("sha256:{digest}"))
            }
            _ => self.answer_beside(action, path, query, body),
        }
    }

    /// Everything but services, repositories, images and operations.
    fn answer_beside(
        &mut self,
        action: &str,
        path: &str,
        query: &BTreeMap<String, String>,
        body: &Value,
    ) -> ResponseTemplate {
        match action {
            "PutTopic" | "PutSubscription" => {
                let key = key(path);
                if self.resources.contains_key(&key) {
                    return status(409, "ALREADY_EXISTS", "Resource already exists in the project");
                }
                self.resources.insert(key, body.clone());
                ok(body)
            }
            "UpdateRepository" | "UpdateBucket" => {
                let Some(resource) = self.resources.get_mut(&key(path)) else { return gone() };
                resource["labels"] = body["labels"].clone();
                ok(&json!({}))
            }
            "UpdateTopic" | "UpdateSubscription" => {
                let Some(resource) = self.resources.get_mut(&key(path)) else { return gone() };
                let field = if action == "UpdateTopic" { "topic" } else { "subscription" };
                resource["labels"] = body[field]["labels"].clone();
                ok(&json!({}))
            }
            "GetTopic" | "GetSubscription" | "GetRepository" | "GetBucket" => {
                self.resources.get(&key(path)).map_or_else(gone, ok)
            }
            "DeleteBucket" => {
                let key = key(path);
                match self
                    .resources
                    .get(&key)
                    .map(|bucket| bucket["objects"].as_array().is_some_and(|it| !it.is_empty()))
                {
                    None => gone(),
                    Some(true) => ResponseTemplate::new(409).set_body_json(json!({ "error": {
                        "code": 409,
                        "message": "The bucket you tried to delete is not empty.",
                        "errors": [{ "reason": "conflict", "message": "The bucket you tried to delete is not empty." }],
                    } })),
                    Some(false) => {
                        self.resources.remove(&key);
                        ResponseTemplate::new(204)
                    }
                }
            }
            "ListObjects" => {
                let bucket = &self.resources[&key(path.trim_end_matches("/o"))];
                let names = bucket["objects"].as_array().cloned().unwrap_or_default();
                // Pages of two.
                let at: usize = query.get("pageToken").map_or(0, |token| token.parse().unwrap());
                let items: Vec<_> = names.iter().skip(at).take(2).map(|name| json!({ "name": name })).collect();
                let next = (at + 2 < names.len()).then(|| (at + 2).to_string());
                ok(&json!({ "items": items, "nextPageToken": next }))
            }
            "DeleteObject" => {
                let (bucket, name) = path.split_once("/o/").unwrap();
                let name = name.replace("%2F", "/");
                let bucket = self.resources.get_mut(&key(bucket)).unwrap();
                // A list that is read page by page must not lose its place: what is gone stays in it as nothing.
                let objects = bucket["objects"].as_array_mut().unwrap();
                objects.retain(|known| known.as_str() != Some(name.as_str()));
                ResponseTemplate::new(204)
            }
            "DeleteTopic" | "DeleteSubscription" => match self.resources.remove(&key(path)) {
                Some(_) => ok(&json!({})),
                None => gone(),
            },
            "GetProject" => ok(&json!({ "name": "projects/424242", "projectId": "p1" })),
            "ListSkus" => ok(&json!({ "skus": [] })),
            "ListServices" => ok(&json!({ "items": self.services(), "unreachable": [] })),
            "ListRepositories" => {
                ok(&json!({ "repositories": self.list("repositories", "projects/p1/locations/r/repositories/") }))
            }
            "ListTopics" => ok(&json!({ "topics": self.list("topics", "projects/p1/topics/") })),
            "ListSubscriptions" => {
                ok(&json!({ "subscriptions": self.list("subscriptions", "projects/p1/subscriptions/") }))
            }
            "ListBuckets" => ok(&json!({ "items": self.list("b", "") })),
            "testIamPermissions" => ok(body),
            "batchGet" => {
                // The query has the name many times; all of them are enabled.
                let apis = ["run", "artifactregistry", "cloudbilling", "pubsub", "storage", "cloudresourcemanager"];
                let service =
                    |api| json!({ "name": format!("projects/1/services/{api}.googleapis.com"), "state": "ENABLED" });
                ok(&json!({ "services": apis.map(service) }))
            }
            "setIamPolicy" | "setIamPolicyTopic" | "setIamPolicySubscription" => ok(&body["policy"]),
            other => panic!("{other} {path}"),
        }
    }

    fn create(&mut self, collection: &str, id: &str, body: &Value) -> ResponseTemplate {
        let key = format!("{collection}/{id}");
        if self.resources.contains_key(&key) {
            return status(409, "ALREADY_EXISTS", "Resource already exists");
        }
        self.resources.insert(key.clone(), body.clone());
        self.begin(&key)
    }

    /// Begins an operation, which is done when it is asked for.
    fn begin(&mut self, key: &str) -> ResponseTemplate {
        let name = format!("projects/p1/locations/{REGION}/operations/{:04}", self.operations.len());
        let response = self.resources.get(key).map(|resource| self.described(key, resource)).unwrap_or(json!({}));
        self.operations.insert(name.clone(), json!({ "name": name, "done": true, "response": response }));
        ok(&json!({ "name": name, "done": false }))
    }

    fn described(&self, key: &str, resource: &Value) -> Value {
        let mut described = resource.clone();
        if key.starts_with("services/") {
            described["@type"] = json!("type.googleapis.com/google.cloud.run.v2.Service");
            described["name"] = json!(format!("projects/p1/locations/{REGION}/{key}"));
            described["uri"] = json!(format!("{}/app", self.uri));
        }
        described
    }

    fn list(&self, collection: &str, prefix: &str) -> Vec<Value> {
        let of = self.resources.iter().filter_map(|(key, resource)| {
            let id = key.strip_prefix(collection)?.strip_prefix('/')?;
            let mut resource = resource.clone();
            resource["name"] = json!(format!("{prefix}{id}"));
            Some(resource)
        });
        of.collect()
    }

    /// Services as the older API has them.
    fn services(&self) -> Vec<Value> {
        let of =
            self.list("services", "").into_iter().filter(|service| service["labels"]["faast-deployment"].is_string());
        of.map(|service| {
            let mut labels = service["labels"].clone();
            labels["cloud.googleapis.com/location"] = service.get("region").cloned().unwrap_or(json!(REGION));
            json!({ "metadata": { "name": service["name"], "labels": labels } })
        })
        .collect()
    }
}

/// A token of Google's, unsigned: it says who it is for.
fn id_token() -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({ "email": "ann@example.com", "exp": 4_102_444_800_u64, "aud": "client" });
    format!("{}.{}.signature", part(json!({ "alg": "RS256" })), part(claims))
}

/// The last two parts of a path: `services/x`.
fn key(path: &str) -> String {
    let mut parts: Vec<_> = path.rsplitn(3, '/').take(2).collect();
    parts.reverse();
    parts.join("/")
}

fn ok(body: &Value) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(body)
}

fn gone() -> ResponseTemplate {
    status(404, "NOT_FOUND", "Resource was not found")
}

fn status(status: u16, code: &str, text: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(json!({ "error": { "code": status, "message": text, "status": code } }))
}
