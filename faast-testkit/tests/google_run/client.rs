//! A client that knows HTTP and no more, and the image that tests deploy with it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use faast_testkit::emulator_google::{GoogleEmulator, GoogleEmulatorBuilder};
use faast_testkit::http::{Answer, Ask, Pending};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

/// Where everything is made.
pub(crate) const PARENT: &str = "projects/faast-project/locations/us-central1";

/// What APIs' answers say.
pub(crate) trait Told {
    /// Status, name of the status and text of a refusal by an API.
    fn refusal(&self) -> (u16, String, String);
}

impl Told for Answer {
    fn refusal(&self) -> (u16, String, String) {
        let error = self.json()["error"].clone();
        let text = |name: &str| error[name].as_str().unwrap_or("").to_owned();
        (self.status, text("status"), text("message"))
    }
}

/// An emulator, and a folder that instances see too.
pub(crate) struct Project {
    pub(crate) google: GoogleEmulator,
    folder: TempDir,
}

/// A service that answers.
pub(crate) struct Deployed {
    pub(crate) uri: String,
}

impl Project {
    pub(crate) fn new() -> Self {
        Self::with(|it| it)
    }

    pub(crate) fn with(settings: impl FnOnce(GoogleEmulatorBuilder) -> GoogleEmulatorBuilder) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let builder = GoogleEmulator::builder().shared_folder(folder.path());
        Self { google: settings(builder).start(), folder }
    }

    /// A file that instances can see too.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What instances noted there, line by line.
    pub(crate) fn notes(&self, name: &str) -> Vec<String> {
        fs::read_to_string(self.file(name)).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    pub(crate) fn start(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Pending {
        Ask { method, path, headers, body }.send(&self.google.endpoint())
    }

    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.start(method, path, headers, body).answer().unwrap()
    }

    pub(crate) fn api(&self, method: &str, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(method, path, &[("content-type", "application/json")], body.as_bytes())
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.api("GET", path, &Value::Null)
    }

    /// Waits for a long-running operation of Cloud Run.
    pub(crate) fn wait(&self, operation: &Value) -> Value {
        let path = format!("/v2/{}:wait", operation["name"].as_str().unwrap());
        let done = self.api("POST", &path, &json!({ "timeout": "50s" })).ok();
        assert_eq!(done["done"], true, "{done}");
        done
    }

    /// A repository with the program's image; gives the name of the image.
    pub(crate) fn push(&self, repository: &str) -> String {
        self.push_image(repository, &image(&[("faast", 0o755, &PROGRAM), ("work/data.txt", 0o644, b"data")]))
    }

    pub(crate) fn push_image(&self, repository: &str, image: &Image) -> String {
        let path = format!("/v1/{PARENT}/repositories?repositoryId={repository}");
        let created = self.api("POST", &path, &json!({ "format": "DOCKER" }));
        assert!([200, 409].contains(&created.status), "{created:?}");
        for blob in [&image.config, &image.layer] {
            let location = self.begin_upload(repository);
            let path = format!("{location}?digest={}", digest(blob));
            assert_eq!(self.send("PUT", &path, &[], blob).status, 201);
        }
        let path = format!("/v2/faast-project/{repository}/worker/manifests/{}", digest(&image.manifest));
        let kind = [("content-type", "application/vnd.oci.image.manifest.v1+json")];
        let put = self.send("PUT", &path, &kind, &image.manifest);
        assert_eq!(put.status, 201, "{}", put.text());
        format!("us-central1-docker.pkg.dev/faast-project/{repository}/worker@{}", digest(&image.manifest))
    }

    /// Where a blob is to be put.
    pub(crate) fn begin_upload(&self, repository: &str) -> String {
        let begun = self.send("POST", &format!("/v2/faast-project/{repository}/worker/blobs/uploads/"), &[], b"");
        assert_eq!(begun.status, 202, "{}", begun.text());
        begun.header("location").unwrap().to_owned()
    }

    /// A request for a service with these settings besides the necessary ones.
    pub(crate) fn service(image: &str, settings: &Value) -> Value {
        let mut service = json!({
            "labels": { "faast-deployment": "d" },
            "invokerIamDisabled": true,
            "template": {
                "scaling": { "maxInstanceCount": 4 },
                "timeout": "30s",
                "maxInstanceRequestConcurrency": 1,
                "containers": [{
                    "image": image,
                    "args": ["serve"],
                    "resources": { "limits": { "cpu": "1", "memory": "512Mi" }, "cpuIdle": true },
                }],
            },
        });
        merge(&mut service, settings);
        service
    }

    pub(crate) fn create(&self, name: &str, service: &Value) -> Answer {
        self.api("POST", &format!("/v2/{PARENT}/services?serviceId={name}"), service)
    }

    /// Pushes the image, creates a service of it, and waits until it is ready.
    pub(crate) fn deploy(&self, name: &str, settings: &Value) -> Deployed {
        let image = self.push(name);
        let done = self.wait(&self.create(name, &Self::service(&image, settings)).ok());
        assert_eq!(done["error"], Value::Null, "{done}");
        Deployed { uri: done["response"]["uri"].as_str().unwrap().to_owned() }
    }

    /// The path of an address.
    pub(crate) fn path(&self, uri: &str) -> String {
        uri.strip_prefix(&self.google.endpoint()).unwrap().to_owned()
    }

    pub(crate) fn start_call(&self, service: &Deployed, path: &str, headers: &[(&str, &str)]) -> Pending {
        self.start("POST", &format!("{}{path}", self.path(&service.uri)), headers, b"body")
    }

    pub(crate) fn call(&self, service: &Deployed, path: &str) -> Answer {
        self.start_call(service, path, &[]).answer().unwrap()
    }

    /// Texts of the service's log, oldest first.
    pub(crate) fn log(&self, service: &str) -> Vec<String> {
        let filter = format!("resource.type=\"cloud_run_revision\" resource.labels.service_name=\"{service}\"");
        let body = json!({ "resourceNames": ["projects/faast-project"], "filter": filter, "pageSize": 1000 });
        let entries = self.api("POST", "/v2/entries:list", &body).ok()["entries"].clone();
        entries.as_array().unwrap().iter().filter_map(|it| it["textPayload"].as_str().map(str::to_owned)).collect()
    }
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (Value::Array(into), Value::Array(from)) if into.len() == from.len() => {
            into.iter_mut().zip(from).for_each(|(into, from)| merge(into, from));
        }
        (into, from) => *into = from.clone(),
    }
}

/// An image with one layer.
pub(crate) struct Image {
    pub(crate) config: Vec<u8>,
    pub(crate) layer: Vec<u8>,
    pub(crate) manifest: Vec<u8>,
}

/// Files with their modes.
pub(crate) fn image(files: &[(&str, u32, &[u8])]) -> Image {
    image_for("amd64", files)
}

pub(crate) fn image_for(architecture: &str, files: &[(&str, u32, &[u8])]) -> Image {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, mode, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(*mode);
        tar.append_data(&mut header, path, *content).unwrap();
    }
    let tar = tar.into_inner().unwrap();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&tar).unwrap();
    let layer = gzip.finish().unwrap();
    let config = json!({
        "architecture": architecture,
        "os": "linux",
        "config": { "Entrypoint": ["/faast"], "WorkingDir": "/work", "Env": ["OF_IMAGE=yes"] },
        "rootfs": { "type": "layers", "diff_ids": [digest(&tar)] },
    });
    let config = config.to_string().into_bytes();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": digest(&config),
            "size": config.len(),
        },
        "layers": [{
            "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
            "digest": digest(&layer),
            "size": layer.len(),
        }],
    });
    Image { config, layer, manifest: manifest.to_string().into_bytes() }
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    let digits = Sha256::digest(bytes).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    format!("sha256:{digits}")
}

/// The program of `program.rs`, which needs no library.
pub(crate) static PROGRAM: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/google_run/program.rs");
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let made = Command::new(compiler)
        .args(["--edition=2024", "-O", "-C", "target-feature=+crt-static", "-C", "strip=symbols", "-o"])
        .arg(folder.path().join("program"))
        .arg(source)
        .status();
    assert!(made.unwrap().success(), "the program is compiled");
    fs::read(folder.path().join("program")).unwrap()
});
