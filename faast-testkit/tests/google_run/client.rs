//! A client that knows HTTP and no more, and the image that tests deploy with it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use faast_testkit::emulator_google::GoogleEmulator;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_mins(1);

/// Where everything is made.
pub(crate) const PARENT: &str = "projects/faast-project/locations/us-central1";

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(it, _)| it == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.text()))
    }

    /// The answer of a request that went well.
    pub(crate) fn ok(&self) -> Value {
        assert!(self.status < 300, "{}: {}", self.status, self.text());
        self.json()
    }

    /// Status, name of the status and text of a refusal by an API.
    pub(crate) fn refusal(&self) -> (u16, String, String) {
        let error = self.json()["error"].clone();
        let text = |name: &str| error[name].as_str().unwrap_or("").to_owned();
        (self.status, text("status"), text("message"))
    }
}

/// A connection with a request sent.
pub(crate) struct Pending {
    reader: BufReader<TcpStream>,
}

impl Pending {
    /// Reads status and headers.
    pub(crate) fn head(&mut self) -> std::io::Result<Answer> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if self.reader.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            if line.trim_end().is_empty() {
                break;
            }
            lines.push(line.trim_end().to_owned());
        }
        let status = lines[0].split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines[1..].iter().map(|it| it.split_once(": ").unwrap());
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        Ok(Answer { status, headers, body: Vec::new() })
    }

    /// The next piece of a chunked body; nothing at its end.
    pub(crate) fn chunk(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        let mut size = String::new();
        if self.reader.read_line(&mut size)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let mut chunk = vec![0; usize::from_str_radix(size.trim_end(), 16).unwrap()];
        self.reader.read_exact(&mut chunk)?;
        self.reader.read_line(&mut String::new())?;
        Ok((!chunk.is_empty()).then_some(chunk))
    }

    pub(crate) fn answer(mut self) -> std::io::Result<Answer> {
        let mut answer = self.head()?;
        if answer.header("transfer-encoding") == Some("chunked") {
            while let Some(chunk) = self.chunk()? {
                answer.body.extend(chunk);
            }
        } else {
            self.reader.read_to_end(&mut answer.body)?;
        }
        Ok(answer)
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

    pub(crate) fn with(
        settings: impl FnOnce(
            faast_testkit::emulator_google::GoogleEmulatorBuilder,
        ) -> faast_testkit::emulator_google::GoogleEmulatorBuilder,
    ) -> Self {
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
        let address = self.google.endpoint().replace("http://", "");
        let stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        let mut writer = &stream;
        writer.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        // A refused request may not be read to its end.
        let _ = writer.write_all(body);
        Pending { reader: BufReader::new(stream) }
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

pub(crate) fn wait_until(mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "it never became so");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// `S` sleeps, `T` is stopped, `Z` has ended; nothing is no such process.
pub(crate) fn state_of(pid: u64) -> Option<char> {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?;
    stat.rsplit(") ").next()?.chars().next()
}

/// Whether a process exists, and not as a zombie.
pub(crate) fn is_alive(pid: u64) -> bool {
    state_of(pid).is_some_and(|state| state != 'Z')
}
