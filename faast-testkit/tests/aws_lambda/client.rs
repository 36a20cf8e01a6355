//! A client that knows HTTP and no more, and the functions that tests deploy with it.

use std::io::{Cursor, Write as _};
use std::path::PathBuf;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use faast_testkit::emulator_aws::AwsEmulator;
use faast_testkit::http::{Answer, Ask, Pending};
use faast_testkit::watch::until;
use serde_json::{Value, json};
use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// Lets Lambda assume a role.
const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

/// What Lambda's answers say.
pub(crate) trait Told {
    /// Status, code and text of a refusal.
    fn refusal(&self) -> (u16, &str, String);

    /// The end of the function's log.
    fn log(&self) -> String;

    /// What went wrong with the function: type and message.
    fn function_error(&self) -> (String, String);
}

impl Told for Answer {
    fn refusal(&self) -> (u16, &str, String) {
        let body = self.json();
        let text = body["message"].as_str().or(body["Message"].as_str()).unwrap_or("").to_owned();
        (self.status, self.header("x-amzn-errortype").unwrap_or(""), text)
    }

    fn log(&self) -> String {
        let encoded = self.header("x-amz-log-result").expect("a log was asked for");
        String::from_utf8(BASE64_STANDARD.decode(encoded).unwrap()).unwrap()
    }

    fn function_error(&self) -> (String, String) {
        assert_eq!((self.status, self.header("x-amz-function-error")), (200, Some("Unhandled")), "{self:?}");
        let body = self.json();
        let text = |name: &str| body[name].as_str().unwrap_or("").to_owned();
        (text("errorType"), text("errorMessage"))
    }
}

/// An emulator with a role, and a folder for what functions tell tests past the emulator.
pub(crate) struct Account {
    pub(crate) aws: AwsEmulator,
    pub(crate) role: String,
    folder: TempDir,
}

impl Account {
    pub(crate) fn new(aws: AwsEmulator) -> Self {
        let mut account = Self { aws, role: String::new(), folder: tempfile::tempdir().unwrap() };
        account.role = account.add_role("worker", TRUST);
        let all = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
        account.put_policy("worker", all);
        account
    }

    /// A role; gives its ARN.
    pub(crate) fn add_role(&self, name: &str, trust: &str) -> String {
        let answer = self.iam(&[("Action", "CreateRole"), ("RoleName", name), ("AssumeRolePolicyDocument", trust)]);
        assert_eq!(answer.status, 200, "{answer:?}");
        format!("arn:aws:iam::123456789012:role/{name}")
    }

    pub(crate) fn put_policy(&self, role: &str, policy: &str) {
        let fields =
            [("Action", "PutRolePolicy"), ("RoleName", role), ("PolicyName", "all"), ("PolicyDocument", policy)];
        let answer = self.iam(&fields);
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    fn iam(&self, fields: &[(&str, &str)]) -> Answer {
        let encode = |text: &str| text.bytes().map(|it| format!("%{it:02X}")).collect::<Vec<_>>().concat();
        let form: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
        let form = format!("{}&Version=2010-05-08", form.join("&"));
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        self.send("iam", "POST", "/", &headers, form.as_bytes())
    }

    /// A file that functions can see too.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn start(
        &self,
        service: &str,
        method: &str,
        path: &str,
        extra: &[(&str, &str)],
        body: &[u8],
    ) -> Pending {
        let scope = format!("Credential=AKIATEST/20261122/us-west-2/{service}/aws4_request");
        let signature = format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0");
        let headers = [&[("authorization", signature.as_str())], extra].concat();
        Ask { method, path, headers: &headers, body }.send(&self.aws.endpoint())
    }

    pub(crate) fn send(&self, service: &str, method: &str, path: &str, extra: &[(&str, &str)], body: &[u8]) -> Answer {
        self.start(service, method, path, extra, body).answer().unwrap()
    }

    pub(crate) fn lambda(&self, method: &str, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send("lambda", method, path, &[], body.as_bytes())
    }

    /// A request for a function with these settings besides the necessary ones.
    pub(crate) fn request(&self, name: &str, settings: Value) -> Value {
        let mut request = json!({
            "FunctionName": name,
            "Role": self.role,
            "Runtime": "provided.al2023",
            "Handler": "test",
            "Code": { "ZipFile": BASE64_STANDARD.encode(runtime()) },
            "Timeout": 30,
        });
        let (Value::Object(into), Value::Object(settings)) = (&mut request, settings) else { panic!("no object") };
        into.extend(settings);
        request
    }

    pub(crate) fn create(&self, name: &str, settings: Value) -> Answer {
        self.lambda("POST", "/2015-03-31/functions", &self.request(name, settings))
    }

    /// Creates a function and waits until it is active.
    pub(crate) fn deploy(&self, name: &str, settings: Value) {
        let answer = self.create(name, settings);
        assert_eq!(answer.status, 201, "{answer:?}");
        let path = format!("/2015-03-31/functions/{name}");
        until(|| self.lambda("GET", &path, &Value::Null).json()["Configuration"]["State"] == "Active");
    }

    pub(crate) fn start_invoke(&self, name: &str, event: &Value) -> Pending {
        let path = format!("/2015-03-31/functions/{name}/invocations");
        self.start("lambda", "POST", &path, &[("x-amz-log-type", "Tail")], event.to_string().as_bytes())
    }

    pub(crate) fn invoke(&self, name: &str, event: &Value) -> Answer {
        self.start_invoke(name, event).answer().unwrap()
    }
}

/// An archive with the runtime in Python.
pub(crate) fn runtime() -> Vec<u8> {
    archive(&[("bootstrap", 0o755, include_bytes!("bootstrap.py"))])
}

pub(crate) fn archive(files: &[(&str, u32, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, mode, content) in files {
        writer.start_file(*name, SimpleFileOptions::default().unix_permissions(*mode)).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}
