//! What a project has, seen by plain HTTP: a listing that shares nothing with faast.
//!
//! Services of all regions, repositories of one, topics, subscriptions and buckets, a line each: `service faast-..`. All
//! pages are read, and an answer that is no list fails the test: what could not be seen is not nothing.

use reqwest::Client;
use serde_json::Value;

/// Where to look, and who looks.
#[derive(Debug, Clone)]
pub(crate) struct Audit {
    /// Endpoints of Cloud Run, Artifact Registry, Pub/Sub and Cloud Storage.
    pub(crate) run: String,
    pub(crate) artifact_registry: String,
    pub(crate) pubsub: String,
    pub(crate) storage: String,
    pub(crate) project: String,
    pub(crate) region: String,
    /// An access token, where one is asked for.
    pub(crate) token: Option<String>,
}

impl Audit {
    /// Everything of a kind that faast makes, whoever made it.
    pub(crate) async fn everything(&self) -> Vec<String> {
        let Self { run, artifact_registry, pubsub, storage, project, region, .. } = self;
        let lists = [
            ("service", format!("{run}/v1/projects/{project}/locations/-/services"), "items", "/metadata/name"),
            (
                "repository",
                format!("{artifact_registry}/v1/projects/{project}/locations/{region}/repositories"),
                "repositories",
                "/name",
            ),
            ("subscription", format!("{pubsub}/v1/projects/{project}/subscriptions"), "subscriptions", "/name"),
            ("topic", format!("{pubsub}/v1/projects/{project}/topics"), "topics", "/name"),
            ("bucket", format!("{storage}/storage/v1/b?project={project}"), "items", "/name"),
        ];
        let mut lines = Vec::new();
        for (kind, url, items, name) in lists {
            for item in self.all(&url, items).await {
                let name = item.pointer(name).and_then(Value::as_str).unwrap_or_else(|| panic!("no name: {item}"));
                lines.push(format!("{kind} {}", name.rsplit('/').next().unwrap_or(name)));
            }
        }
        lines
    }

    /// Of that, what a deployment made.
    pub(crate) async fn of(&self, deployment: &str) -> Vec<String> {
        self.everything().await.into_iter().filter(|line| line.contains(deployment)).collect()
    }

    /// The items of all pages.
    async fn all(&self, url: &str, items: &str) -> Vec<Value> {
        let client = Client::new();
        let (mut all, mut next) = (Vec::new(), None::<(&str, String)>);
        loop {
            let mut request = client.get(url);
            if let Some(token) = &self.token {
                request = request.bearer_auth(token);
            }
            if let Some(page) = &next {
                request = request.query(&[page]);
            }
            let answer = request.send().await.unwrap();
            let (status, text) = (answer.status(), answer.text().await.unwrap());
            assert!(status.is_success(), "the listing of {url} failed: {status} {text}");
            let page: Value = serde_json::from_str(&text).unwrap();
            assert!(
                page.get("unreachable").is_none_or(|it| it == &Value::Array(Vec::new())),
                "not all was seen: {text}"
            );
            all.extend(page[items].as_array().cloned().unwrap_or_default());
            // Cloud Run's list of all regions is the one that has its pages as Kubernetes has them.
            let token = page["nextPageToken"].as_str().map(|token| ("pageToken", token));
            let token = token.or_else(|| page["metadata"]["continue"].as_str().map(|token| ("continue", token)));
            match token {
                Some((name, token)) if !token.is_empty() => next = Some((name, token.to_owned())),
                _ => return all,
            }
        }
    }
}
