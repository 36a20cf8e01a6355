//! The signature of a request (AWS Signature Version 4): read from its header, and computed again from the secret.
//!
//! Responsible for the arithmetic only; who has which secret is known to `identity`. Written from AWS's description of
//! the algorithm; the test is AWS's published example.

use axum::http::HeaderMap;
use sha2::{Digest, Sha256};

use super::hex::hex;
use super::protocol::{ApiRequest, Service};
use super::xml::encode;

/// What the `Authorization` header of a signed request says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Signed {
    pub(super) access_key: String,
    pub(super) date: String,
    pub(super) region: String,
    pub(super) service: String,
    covered: Vec<String>,
    signature: String,
}

impl Signed {
    /// Reads the header; `None` if the request is not signed in this way.
    pub(super) fn read(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get("authorization")?.to_str().ok()?.strip_prefix("AWS4-HMAC-SHA256")?;
        let field = |name: &str| {
            text.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
        };
        let credential = field("Credential")?;
        let mut scope = credential.rsplitn(5, '/');
        let (_, service, region, date, access_key) =
            (scope.next()?, scope.next()?, scope.next()?, scope.next()?, scope.next()?);
        Some(Self {
            access_key: access_key.to_owned(),
            date: date.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
            covered: field("SignedHeaders")?.split(';').map(str::to_owned).collect(),
            signature: field("Signature")?,
        })
    }

    /// Whether the signature is the one that `secret` gives for this request.
    pub(super) fn is_by(&self, secret: &str, request: &ApiRequest) -> bool {
        let canonical = self.canonical_request(request);
        let time = header(&request.headers, "x-amz-date");
        let scope = format!("{}/{}/{}/aws4_request", self.date, self.region, self.service);
        let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex(&Sha256::digest(canonical.as_bytes())));
        let mut key = hmac(format!("AWS4{secret}").as_bytes(), self.date.as_bytes());
        for part in [self.region.as_str(), self.service.as_str(), "aws4_request"] {
            key = hmac(&key, part.as_bytes());
        }
        hex(&hmac(&key, to_sign.as_bytes())) == self.signature
    }

    fn canonical_request(&self, request: &ApiRequest) -> String {
        // Everywhere but in S3 the path, which is encoded already, is encoded once more.
        let path = if request.service == Service::S3 { request.path.clone() } else { encode_path(&request.path) };
        let mut query: Vec<_> = request.query.iter().map(|(name, value)| (encode(name), encode(value))).collect();
        query.sort_unstable();
        let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut lines = String::new();
        for name in &self.covered {
            let value = header(&request.headers, name);
            let words: Vec<&str> = value.split_whitespace().collect();
            lines.extend([name, ":", &words.join(" "), "\n"]);
        }
        let stated = header(&request.headers, "x-amz-content-sha256");
        let hash = if stated.is_empty() { hex(&Sha256::digest(&request.body)) } else { stated };
        let covered = self.covered.join(";");
        format!("{}\n{path}\n{}\n{lines}\n{covered}\n{hash}", request.method, query.join("&"))
    }
}

fn header(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

fn encode_path(path: &str) -> String {
    path.split('/').map(encode).collect::<Vec<_>>().join("/")
}

/// HMAC with SHA-256 (RFC 2104).
fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut block = [0_u8; 64];
    if key.len() > block.len() {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().into()
}

#[cfg(test)]
mod tests {
    use axum::body::Bytes;
    use axum::http::Method;

    use super::*;
    use crate::emulator_aws::protocol::Protocol;

    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    /// The first request of AWS's signature test suite, "get-vanilla".
    fn example() -> ApiRequest {
        let authorization = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                             SignedHeaders=host;x-amz-date, \
                             Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
        let mut headers = HeaderMap::new();
        for (name, value) in
            [("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z"), ("authorization", authorization)]
        {
            headers.insert(name, value.parse().expect("a header"));
        }
        ApiRequest {
            id: String::new(),
            service: Service::Lambda,
            protocol: Protocol::RestJson,
            action: String::new(),
            region: "us-east-1".into(),
            access_key: None,
            method: Method::GET,
            path: "/".into(),
            query: Vec::new(),
            form: Vec::new(),
            headers,
            body: Bytes::new(),
        }
    }

    fn is_signed_by(secret: &str, request: &ApiRequest) -> bool {
        Signed::read(&request.headers).expect("a signed request").is_by(secret, request)
    }

    #[test]
    fn the_published_example_has_the_published_signature() {
        assert!(is_signed_by(SECRET, &example()));
    }

    #[test]
    fn another_secret_or_another_request_has_another_signature() {
        assert!(!is_signed_by("another", &example()));
        assert!(!is_signed_by(SECRET, &ApiRequest { method: Method::PUT, ..example() }));
        assert!(!is_signed_by(SECRET, &ApiRequest { query: vec![("a".into(), "b".into())], ..example() }));
        assert!(!is_signed_by(SECRET, &ApiRequest { body: Bytes::from_static(b"body"), ..example() }));
    }
}
