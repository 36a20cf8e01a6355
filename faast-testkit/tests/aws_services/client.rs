//! A client that knows HTTP and signatures and no more.

use std::time::{SystemTime, UNIX_EPOCH};

use faast_testkit::emulator_aws::{AwsEmulator, Credentials};
use faast_testkit::http::{self, Answer};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

pub(crate) const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

/// Keys that are good enough where permissions do not matter.
pub(crate) const ANYBODY: (&str, &str) = ("test", "test");

/// What answers say.
pub(crate) trait Told {
    /// Status and code of a refusal in any of the protocols, and the whole of what was said.
    fn refusal(&self) -> (u16, String, String);
}

impl Told for Answer {
    fn refusal(&self) -> (u16, String, String) {
        let body = self.text();
        let in_xml = || body.split("<Code>").nth(1)?.split("</Code>").next();
        let in_json = || body.split(r#""__type":""#).nth(1)?.split('"').next();
        let code = in_xml().or_else(|| self.header("x-amzn-errortype")).or_else(in_json).unwrap_or_default();
        let code = code.rsplit('#').next().unwrap_or_default().to_owned();
        (self.status, code, body)
    }
}

/// A request before it is signed.
pub(crate) struct Ask<'a> {
    pub(crate) service: &'a str,
    pub(crate) region: &'a str,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl<'a> Ask<'a> {
    pub(crate) fn new(service: &'a str, method: &'a str, path: &'a str, body: impl Into<Vec<u8>>) -> Self {
        Self { service, region: "us-west-2", method, path, headers: Vec::new(), body: body.into() }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// An operation of a JSON service.
    pub(crate) fn json(service: &'a str, action: &str, body: &Value) -> Self {
        let target = match service {
            "sqs" => "AmazonSQS",
            "logs" => "Logs_20140328",
            "tagging" => "ResourceGroupsTaggingAPI_20170126",
            _ => "AWSPriceListService",
        };
        Self::new(service, "POST", "/", body.to_string()).header("x-amz-target", &format!("{target}.{action}"))
    }

    /// An operation of a query service.
    pub(crate) fn form(service: &'a str, action: &str, fields: &[(&str, &str)]) -> Self {
        let mut body = format!("Action={action}");
        for (name, value) in fields {
            let value: Vec<String> = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
            body.extend(["&", name, "=", &value.concat()]);
        }
        Self::new(service, "POST", "/", body).header("content-type", "application/x-www-form-urlencoded")
    }

    /// Signs with these keys and sends.
    pub(crate) fn send_as(mut self, aws: &AwsEmulator, (access_key, secret): (&str, &str)) -> Answer {
        let host = aws.endpoint().trim_start_matches("http://").to_owned();
        if !self.headers.iter().any(|(name, _)| name == "host") {
            self.headers.push(("host".into(), host));
        }
        let now = now();
        let day = now[..8].to_owned();
        self.headers.push(("x-amz-date".into(), now.clone()));
        self.headers.sort();
        let names: Vec<&str> = self.headers.iter().map(|(name, _)| name.as_str()).collect();
        let names = names.join(";");
        let lines: String = self.headers.iter().flat_map(|(name, value)| [name, ":", value, "\n"]).collect();
        let stated =
            self.headers.iter().find(|(name, _)| name == "x-amz-content-sha256").map(|(_, value)| value.clone());
        let hash = stated.unwrap_or_else(|| hex(&Sha256::digest(&self.body)));
        let (path, query) = self.path.split_once('?').unwrap_or((self.path, ""));
        let canonical = format!("{}\n{path}\n{query}\n{lines}\n{names}\n{hash}", self.method);
        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        let to_sign = format!("AWS4-HMAC-SHA256\n{now}\n{scope}\n{}", hex(&Sha256::digest(canonical.as_bytes())));
        let mut key = hmac(format!("AWS4{secret}").as_bytes(), day.as_bytes());
        for part in [self.region, self.service, "aws4_request"] {
            key = hmac(&key, part.as_bytes());
        }
        let signature = hex(&hmac(&key, to_sign.as_bytes()));
        let authorization =
            format!("AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={names}, Signature={signature}");
        self.headers.push(("authorization".into(), authorization));
        self.send(aws)
    }

    pub(crate) fn send_to(self, aws: &AwsEmulator) -> Answer {
        self.send_as(aws, ANYBODY)
    }

    pub(crate) fn send_by(self, aws: &AwsEmulator, user: &Credentials) -> Answer {
        self.send_as(aws, (&user.access_key, &user.secret_key))
    }

    fn send(self, aws: &AwsEmulator) -> Answer {
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let ask = http::Ask { method: self.method, path: self.path, headers: &headers, body: &self.body };
        ask.answer(&aws.endpoint()).unwrap()
    }
}

/// Sends an operation of a JSON service and reads its answer.
pub(crate) fn call(aws: &AwsEmulator, service: &str, action: &str, body: &Value) -> Value {
    let answer = Ask::json(service, action, body).send_to(aws);
    if answer.body.is_empty() { json!({}) } else { answer.ok() }
}

fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = key.to_vec();
    block.resize(64, 0);
    let with = |mask: u8| block.iter().map(|byte| byte ^ mask).collect::<Vec<u8>>();
    let inner = Sha256::digest([with(0x36), message.to_vec()].concat());
    Sha256::digest([with(0x5c), inner.to_vec()].concat()).to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

/// `20261122T120000Z`, as signatures have it: they count for a quarter of an hour.
fn now() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let (mut days, of_day) = (seconds / 86_400, seconds % 86_400);
    let leap = |year: u64| u64::from(year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)));
    let mut year = 1970;
    while days >= 365 + leap(year) {
        days -= 365 + leap(year);
        year += 1;
    }
    let mut month = 1;
    for length in [31, 28 + leap(year), 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!("{year}{month:02}{:02}T{hour:02}{minute:02}{second:02}Z", days + 1)
}
