//! What a request means, by its method and path: the service, the operation, and the permission that it takes.

use axum::http::Method;

use crate::emulator::web::decode;

/// The services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Service {
    /// A service that was deployed to Cloud Run.
    App,
    ArtifactRegistry,
    Billing,
    Logging,
    Metadata,
    OAuth,
    PubSub,
    /// The registry protocol.
    Registry,
    ResourceManager,
    Run,
    Storage,
    Unknown,
    /// Which APIs are enabled.
    Usage,
}

impl Service {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::ArtifactRegistry => "artifactregistry",
            Self::Billing => "cloudbilling",
            Self::Logging => "logging",
            Self::Metadata => "metadata",
            Self::OAuth => "oauth2",
            Self::PubSub => "pubsub",
            Self::Registry => "registry",
            Self::ResourceManager => "cloudresourcemanager",
            Self::Run => "run",
            Self::Usage => "serviceusage",
            Self::Storage => "storage",
            Self::Unknown => "unknown",
        }
    }

    /// The API that has to be enabled, and how Google calls it.
    pub(super) fn api(self) -> Option<(&'static str, &'static str)> {
        Some(match self {
            Self::ArtifactRegistry | Self::Registry => ("artifactregistry.googleapis.com", "Artifact Registry API"),
            Self::Billing => ("cloudbilling.googleapis.com", "Cloud Billing API"),
            Self::Logging => ("logging.googleapis.com", "Cloud Logging API"),
            Self::PubSub => ("pubsub.googleapis.com", "Cloud Pub/Sub API"),
            Self::ResourceManager => ("cloudresourcemanager.googleapis.com", "Cloud Resource Manager API"),
            Self::Run => ("run.googleapis.com", "Cloud Run Admin API"),
            Self::Usage => ("serviceusage.googleapis.com", "Service Usage API"),
            Self::Storage => ("storage.googleapis.com", "Cloud Storage JSON API"),
            Self::App | Self::Metadata | Self::OAuth | Self::Unknown => return None,
        })
    }
}

/// What a request means.
#[derive(Debug, Clone)]
pub(super) struct Route {
    pub(super) service: Service,
    /// `CreateService`; empty if none was recognised.
    pub(super) action: &'static str,
    /// What a caller needs, if anything.
    pub(super) permission: Option<&'static str>,
    pub(super) project: String,
    /// Empty where there is none; `-` is all.
    pub(super) location: String,
    /// The last name in the path: of the service, topic, bucket, ...
    pub(super) name: String,
    /// The rest of the path where it goes on below that name: an object, a digest, the path within an app.
    pub(super) rest: String,
}

impl Route {
    fn new(service: Service, action: &'static str) -> Self {
        let empty = String::new;
        Self { service, action, permission: None, project: empty(), location: empty(), name: empty(), rest: empty() }
    }

    fn needs(mut self, permission: &'static str) -> Self {
        self.permission = Some(permission);
        self
    }

    fn at(mut self, project: &str, location: &str, name: &str) -> Self {
        (self.project, self.location, self.name) = (project.into(), location.into(), name.into());
        self
    }

    fn rest(mut self, rest: impl Into<String>) -> Self {
        self.rest = rest.into();
        self
    }

    /// The name of what it is about, as IAM has it.
    pub(super) fn resource(&self) -> String {
        let Self { project, location, name, .. } = self;
        let below = |collection: &str| match (location.is_empty(), name.is_empty()) {
            (false, false) => format!("projects/{project}/locations/{location}/{collection}/{name}"),
            (false, true) => format!("projects/{project}/locations/{location}/{collection}"),
            (true, false) => format!("projects/{project}/{collection}/{name}"),
            (true, true) => format!("projects/{project}"),
        };
        match self.service {
            Service::Run => below("services"),
            Service::ArtifactRegistry | Service::Registry => below("repositories"),
            Service::PubSub if self.permission.is_some_and(|it| it.starts_with("pubsub.subscriptions")) => {
                below("subscriptions")
            }
            Service::PubSub => below("topics"),
            Service::Storage if !name.is_empty() => format!("projects/_/buckets/{name}"),
            _ => format!("projects/{project}"),
        }
    }
}

/// The route of a method and a path.
pub(super) fn route(method: &Method, path: &str, project_query: Option<&str>) -> Route {
    let path = path.trim_start_matches('/');
    // Inside an app everything is the app's.
    if let Some(rest) = path.strip_prefix("a.run.app/") {
        let (host, rest) = rest.split_once('/').unwrap_or((rest, ""));
        return Route::new(Service::App, "Invoke").at("", "", host).rest(format!("/{rest}"));
    }
    let mut segments: Vec<String> = path.trim_end_matches('/').split('/').map(|it| decode(it, false)).collect();
    let verb = take_verb(&mut segments);
    let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    let found = identity(method, &parts, &verb)
        .or_else(|| run(method, &parts, &verb))
        .or_else(|| registry(method, &parts))
        .or_else(|| repositories(method, &parts))
        .or_else(|| pubsub(method, &parts, &verb))
        .or_else(|| storage(method, &parts, project_query.unwrap_or("")))
        .or_else(|| project(method, &parts, &verb));
    found.unwrap_or_else(|| Route::new(Service::Unknown, ""))
}

/// `topics/t:publish` is the topic `t` and the verb `publish`. Digests and objects have colons of their own.
fn take_verb(segments: &mut [String]) -> String {
    let has_verbs = segments.first().is_some_and(|it| it.starts_with('v'));
    let Some(last) = segments.last_mut().filter(|_| has_verbs) else { return String::new() };
    match last.rsplit_once(':') {
        Some((name, verb)) if !name.starts_with("sha") && verb.bytes().all(|it| it.is_ascii_alphabetic()) => {
            let (name, verb) = (name.to_owned(), verb.to_owned());
            *last = name;
            verb
        }
        _ => String::new(),
    }
}

fn identity(method: &Method, parts: &[&str], verb: &str) -> Option<Route> {
    Some(match (method, parts) {
        (&Method::POST, ["token"]) => Route::new(Service::OAuth, "Token"),
        // Of workload identity federation.
        (&Method::POST, ["v1", "token"]) => Route::new(Service::OAuth, "Exchange"),
        // Of impersonated service accounts.
        (&Method::POST, ["v1", "projects", _, "serviceAccounts", account]) if verb == "generateAccessToken" => {
            Route::new(Service::OAuth, "GenerateAccessToken").at("", "", account)
        }
        (&Method::POST, ["v1", "projects", _, "serviceAccounts", account]) if verb == "generateIdToken" => {
            Route::new(Service::OAuth, "GenerateIdToken").at("", "", account)
        }
        (_, ["computeMetadata", "v1", rest @ ..]) => {
            let action = if rest.last() == Some(&"identity") {
                "Identity"
            } else if rest.last() == Some(&"token") {
                "Token"
            } else {
                "Get"
            };
            Route::new(Service::Metadata, action).rest(rest.join("/"))
        }
        // How clients find out whether there is a metadata server.
        (&Method::GET, [""]) => Route::new(Service::Metadata, "Get"),
        _ => return None,
    })
}

fn run(method: &Method, parts: &[&str], verb: &str) -> Option<Route> {
    let run = |action| Route::new(Service::Run, action);
    Some(match (method, parts, verb) {
        (&Method::POST, ["v2", "projects", p, "locations", l, "services"], "") => {
            run("CreateService").needs("run.services.create").at(p, l, "")
        }
        (&Method::GET, ["v1" | "v2", "projects", p, "locations", l, "services"], "") => {
            run("ListServices").needs("run.services.list").at(p, l, "").rest(parts[0])
        }
        (&Method::GET, ["v2", "projects", p, "locations", l, "services", s], "") => {
            run("GetService").needs("run.services.get").at(p, l, s)
        }
        (&Method::PATCH, ["v2", "projects", p, "locations", l, "services", s], "") => {
            run("UpdateService").needs("run.services.update").at(p, l, s)
        }
        (&Method::DELETE, ["v2", "projects", p, "locations", l, "services", s], "") => {
            run("DeleteService").needs("run.services.delete").at(p, l, s)
        }
        (&Method::POST, ["v2", "projects", p, "locations", l, "services", s], "setIamPolicy") => {
            run("SetIamPolicy").needs("run.services.setIamPolicy").at(p, l, s)
        }
        (&Method::GET, ["v2", "projects", p, "locations", l, "services", s], "getIamPolicy") => {
            run("GetIamPolicy").needs("run.services.getIamPolicy").at(p, l, s)
        }
        (&Method::POST, ["v2", "projects", p, "locations", l, "services", s], "testIamPermissions") => {
            run("TestIamPermissions").at(p, l, s)
        }
        (&Method::GET, ["v2", "projects", p, "locations", l, "operations", o], "") => {
            run("GetOperation").needs("run.operations.get").at(p, l, "").rest(*o)
        }
        (&Method::POST, ["v2", "projects", p, "locations", l, "operations", o], "wait") => {
            run("WaitOperation").needs("run.operations.get").at(p, l, "").rest(*o)
        }
        (&Method::GET, ["v1" | "v2", "projects", p, "locations"], "") => {
            run("ListLocations").needs("run.locations.list").at(p, "", "")
        }
        _ => return None,
    })
}

fn registry(method: &Method, parts: &[&str]) -> Option<Route> {
    const UPLOAD: &str = "artifactregistry.repositories.uploadArtifacts";
    const DOWNLOAD: &str = "artifactregistry.repositories.downloadArtifacts";
    let registry =
        |action, permission, p: &str, r: &str| Route::new(Service::Registry, action).needs(permission).at(p, "", r);
    Some(match (method, parts) {
        (_, ["v2"]) => Route::new(Service::Registry, "Ping"),
        (&Method::POST, ["v2", p, r, image @ .., "blobs", "uploads"]) => {
            registry("StartUpload", UPLOAD, p, r).rest(image.join("/"))
        }
        (&Method::PATCH, ["artifacts-uploads", "namespaces", p, "repositories", r, "uploads", id]) => {
            registry("Patch", UPLOAD, p, r).rest(*id)
        }
        (&Method::PUT, ["artifacts-uploads", "namespaces", p, "repositories", r, "uploads", id]) => {
            registry("EndUpload", UPLOAD, p, r).rest(*id)
        }
        (&Method::HEAD | &Method::GET, ["v2", p, r, .., "blobs", digest]) => {
            registry("GetBlob", DOWNLOAD, p, r).rest(*digest)
        }
        (&Method::PUT, ["v2", p, r, image @ .., "manifests", reference]) => {
            registry("PutManifest", UPLOAD, p, r).rest(format!("{}@{reference}", image.join("/")))
        }
        (&Method::HEAD | &Method::GET, ["v2", p, r, image @ .., "manifests", reference]) => {
            registry("GetManifest", DOWNLOAD, p, r).rest(format!("{}@{reference}", image.join("/")))
        }
        (&Method::GET, ["v2", p, r, image @ .., "tags", "list"]) => {
            registry("ListTags", DOWNLOAD, p, r).rest(image.join("/"))
        }
        _ => return None,
    })
}

fn repositories(method: &Method, parts: &[&str]) -> Option<Route> {
    let repository = |action| Route::new(Service::ArtifactRegistry, action);
    Some(match (method, parts) {
        (&Method::POST, ["v1", "projects", p, "locations", l, "repositories"]) => {
            repository("CreateRepository").needs("artifactregistry.repositories.create").at(p, l, "")
        }
        (&Method::GET, ["v1", "projects", p, "locations", l, "repositories"]) => {
            repository("ListRepositories").needs("artifactregistry.repositories.list").at(p, l, "")
        }
        (&Method::GET, ["v1", "projects", p, "locations"]) => repository("ListLocations").at(p, "", ""),
        (&Method::GET, ["v1", "projects", p, "locations", l, "repositories", r]) => {
            repository("GetRepository").needs("artifactregistry.repositories.get").at(p, l, r)
        }
        (&Method::PATCH, ["v1", "projects", p, "locations", l, "repositories", r]) => {
            repository("UpdateRepository").needs("artifactregistry.repositories.update").at(p, l, r)
        }
        (&Method::DELETE, ["v1", "projects", p, "locations", l, "repositories", r]) => {
            repository("DeleteRepository").needs("artifactregistry.repositories.delete").at(p, l, r)
        }
        (&Method::GET, ["v1", "projects", p, "locations", l, "repositories", r, "packages"]) => {
            repository("ListPackages").needs("artifactregistry.packages.list").at(p, l, r)
        }
        (&Method::DELETE, ["v1", "projects", p, "locations", l, "repositories", r, "packages", package]) => {
            repository("DeletePackage").needs("artifactregistry.packages.delete").at(p, l, r).rest(*package)
        }
        (&Method::GET, ["v1", "projects", p, "locations", l, "operations", o]) => {
            repository("GetOperation").at(p, l, "").rest(*o)
        }
        _ => return None,
    })
}

fn pubsub(method: &Method, parts: &[&str], verb: &str) -> Option<Route> {
    let ["v1", "projects", p, rest @ ..] = parts else { return None };
    let pubsub = |action, permission| Route::new(Service::PubSub, action).needs(permission);
    let none = |action| Route::new(Service::PubSub, action);
    Some(match (method, rest, verb) {
        (&Method::PUT, ["topics", t], "") => pubsub("CreateTopic", "pubsub.topics.create").at(p, "", t),
        (&Method::GET, ["topics", t], "") => pubsub("GetTopic", "pubsub.topics.get").at(p, "", t),
        (&Method::GET, ["topics"], "") => pubsub("ListTopics", "pubsub.topics.list").at(p, "", ""),
        (&Method::PATCH, ["topics", t], "") => pubsub("UpdateTopic", "pubsub.topics.update").at(p, "", t),
        (&Method::DELETE, ["topics", t], "") => pubsub("DeleteTopic", "pubsub.topics.delete").at(p, "", t),
        (&Method::POST, ["topics", t], "publish") => pubsub("Publish", "pubsub.topics.publish").at(p, "", t),
        (&Method::GET, ["topics", t, "subscriptions"], "") => {
            pubsub("ListTopicSubscriptions", "pubsub.topics.get").at(p, "", t)
        }
        (&Method::PUT, ["subscriptions", s], "") => {
            pubsub("CreateSubscription", "pubsub.subscriptions.create").at(p, "", s)
        }
        (&Method::GET, ["subscriptions", s], "") => pubsub("GetSubscription", "pubsub.subscriptions.get").at(p, "", s),
        (&Method::GET, ["subscriptions"], "") => pubsub("ListSubscriptions", "pubsub.subscriptions.list").at(p, "", ""),
        (&Method::PATCH, ["subscriptions", s], "") => {
            pubsub("UpdateSubscription", "pubsub.subscriptions.update").at(p, "", s)
        }
        (&Method::DELETE, ["subscriptions", s], "") => {
            pubsub("DeleteSubscription", "pubsub.subscriptions.delete").at(p, "", s)
        }
        (&Method::POST, ["subscriptions", s], "pull") => pubsub("Pull", "pubsub.subscriptions.consume").at(p, "", s),
        (&Method::POST, ["subscriptions", s], "acknowledge") => {
            pubsub("Acknowledge", "pubsub.subscriptions.consume").at(p, "", s)
        }
        (&Method::POST, ["subscriptions", s], "modifyAckDeadline") => {
            pubsub("ModifyAckDeadline", "pubsub.subscriptions.consume").at(p, "", s)
        }
        (&Method::POST, ["subscriptions", s], "modifyPushConfig") => {
            pubsub("ModifyPushConfig", "pubsub.subscriptions.update").at(p, "", s)
        }
        (&Method::POST, ["topics", t], "setIamPolicy") => {
            pubsub("SetTopicPolicy", "pubsub.topics.setIamPolicy").at(p, "", t)
        }
        (&Method::GET, ["topics", t], "getIamPolicy") => {
            pubsub("GetTopicPolicy", "pubsub.topics.getIamPolicy").at(p, "", t)
        }
        (&Method::POST, ["topics", t], "testIamPermissions") => none("TestTopicPermissions").at(p, "", t),
        (&Method::POST, ["subscriptions", s], "setIamPolicy") => {
            pubsub("SetSubscriptionPolicy", "pubsub.subscriptions.setIamPolicy").at(p, "", s)
        }
        (&Method::GET, ["subscriptions", s], "getIamPolicy") => {
            pubsub("GetSubscriptionPolicy", "pubsub.subscriptions.getIamPolicy").at(p, "", s)
        }
        (&Method::POST, ["subscriptions", s], "testIamPermissions") => none("TestSubscriptionPermissions").at(p, "", s),
        _ => return None,
    })
}

fn storage(method: &Method, parts: &[&str], project: &str) -> Option<Route> {
    let storage = |action, permission, bucket: &str| {
        Route::new(Service::Storage, action).needs(permission).at(project, "", bucket)
    };
    Some(match (method, parts) {
        (&Method::POST, ["upload", "storage", "v1", "b", b, "o"]) => {
            storage("InsertObject", "storage.objects.create", b)
        }
        (&Method::POST, ["storage", "v1", "b"]) => storage("InsertBucket", "storage.buckets.create", ""),
        (&Method::GET, ["storage", "v1", "b"]) => storage("ListBuckets", "storage.buckets.list", ""),
        (&Method::GET, ["storage", "v1", "b", b]) => storage("GetBucket", "storage.buckets.get", b),
        (&Method::PATCH, ["storage", "v1", "b", b]) => storage("PatchBucket", "storage.buckets.update", b),
        (&Method::DELETE, ["storage", "v1", "b", b]) => storage("DeleteBucket", "storage.buckets.delete", b),
        (&Method::GET, ["storage", "v1", "b", b, "iam"]) => {
            storage("GetBucketPolicy", "storage.buckets.getIamPolicy", b)
        }
        (&Method::PUT, ["storage", "v1", "b", b, "iam"]) => {
            storage("SetBucketPolicy", "storage.buckets.setIamPolicy", b)
        }
        (&Method::GET, ["storage", "v1", "b", b, "iam", "testPermissions"]) => {
            Route::new(Service::Storage, "TestBucketPermissions").at(project, "", b)
        }
        (&Method::GET, ["storage", "v1", "b", b, "o"]) => storage("ListObjects", "storage.objects.list", b),
        (
            &Method::GET | &Method::HEAD,
            ["storage", "v1", "b", b, "o", o @ ..] | ["download", "storage", "v1", "b", b, "o", o @ ..],
        ) => storage("GetObject", "storage.objects.get", b).rest(o.join("/")),
        (&Method::DELETE, ["storage", "v1", "b", b, "o", o @ ..]) => {
            storage("DeleteObject", "storage.objects.delete", b).rest(o.join("/"))
        }
        _ => return None,
    })
}

fn project(method: &Method, parts: &[&str], verb: &str) -> Option<Route> {
    Some(match (method, parts, verb) {
        (&Method::GET, ["v1" | "v3", "projects", p], "") => {
            let get = Route::new(Service::ResourceManager, "GetProject").needs("resourcemanager.projects.get");
            get.at(p, "", "").rest(parts[0])
        }
        (&Method::POST, ["v1" | "v3", "projects", p], "testIamPermissions") => {
            Route::new(Service::ResourceManager, "TestIamPermissions").at(p, "", "")
        }
        (&Method::POST, ["v1" | "v3", "projects", p], "getIamPolicy") => {
            let get = Route::new(Service::ResourceManager, "GetIamPolicy");
            get.needs("resourcemanager.projects.getIamPolicy").at(p, "", "")
        }
        (&Method::POST, ["v1", "projects", p, "services"], "batchEnable") => {
            Route::new(Service::Usage, "BatchEnableServices").needs("serviceusage.services.enable").at(p, "", "")
        }
        (&Method::POST, ["v1", "projects", p, "services", s], "enable") => {
            Route::new(Service::Usage, "EnableService").needs("serviceusage.services.enable").at(p, "", s)
        }
        (&Method::GET, ["v1", "projects", p, "services"], "") => {
            Route::new(Service::Usage, "ListServices").needs("serviceusage.services.list").at(p, "", "")
        }
        (&Method::GET, ["v1", "projects", p, "services"], "batchGet") => {
            Route::new(Service::Usage, "BatchGetServices").needs("serviceusage.services.get").at(p, "", "")
        }
        (&Method::GET, ["v1", "projects", p, "services", s], "") => {
            Route::new(Service::Usage, "GetService").needs("serviceusage.services.get").at(p, "", s)
        }
        (&Method::GET, ["v1", "services"], "") => Route::new(Service::Billing, "ListServices"),
        (&Method::GET, ["v1", "services", s, "skus"], "") => Route::new(Service::Billing, "ListSkus").at("", "", s),
        (&Method::POST, ["v2", "entries"], "list") => {
            Route::new(Service::Logging, "ListLogEntries").needs("logging.logEntries.list")
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_tell_the_services_apart() {
        let digest = "sha256:0123";
        let blob = format!("/v2/p/faast-1/worker/blobs/{digest}");
        let cases = [
            ("POST", "/v2/projects/p/locations/l/services", "run", "CreateService", ""),
            ("POST", "/v2/projects/p/locations/l/services/s:setIamPolicy", "run", "SetIamPolicy", "s"),
            ("POST", "/v2/projects/p/locations/l/operations/o:wait", "run", "WaitOperation", ""),
            ("GET", "/v1/projects/p/locations/-/services", "run", "ListServices", ""),
            ("POST", "/v2/p/faast-1/worker/blobs/uploads/", "registry", "StartUpload", "faast-1"),
            ("HEAD", blob.as_str(), "registry", "GetBlob", "faast-1"),
            ("GET", "/v2/", "registry", "Ping", ""),
            ("POST", "/v1/projects/p/topics/t:publish", "pubsub", "Publish", "t"),
            ("PATCH", "/v1/projects/p/subscriptions/s", "pubsub", "UpdateSubscription", "s"),
            ("PATCH", "/v1/projects/p/locations/l/repositories/r", "artifactregistry", "UpdateRepository", "r"),
            ("GET", "/storage/v1/b/bucket/o/a%2Fb", "storage", "GetObject", "bucket"),
            ("GET", "/v1/services/152E-C115-5142/skus", "cloudbilling", "ListSkus", "152E-C115-5142"),
            ("POST", "/v1/projects/p/services:batchEnable", "serviceusage", "BatchEnableServices", ""),
            ("GET", "/v3/projects/p", "cloudresourcemanager", "GetProject", ""),
            ("POST", "/a.run.app/f-0-uc/v2/x", "app", "Invoke", "f-0-uc"),
            ("GET", "/v9/x", "unknown", "", ""),
        ];
        for (method, path, service, action, name) in cases {
            let route = route(&Method::from_bytes(method.as_bytes()).unwrap(), path, None);
            assert_eq!((route.service.name(), route.action, route.name.as_str()), (service, action, name), "{path}");
        }
        assert_eq!(route(&Method::GET, "/storage/v1/b/bucket/o/a%2Fb%3Ac", None).rest, "a/b:c");
        assert_eq!(route(&Method::GET, &blob, None).rest, digest);
    }
}
