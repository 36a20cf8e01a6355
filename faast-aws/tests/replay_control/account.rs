//! An account that does what it is asked, but for the failures that a test has put in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use wiremock::{Request, Respond, ResponseTemplate};

pub(crate) const ID: &str = "123456789012";

/// A failure that a service answers with.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) text: &'static str,
    /// How often; then the account does what it is asked.
    pub(crate) times: usize,
    /// The request is carried out all the same.
    pub(crate) carried_out: bool,
}

impl Fault {
    pub(crate) fn new(status: u16, code: &'static str, text: &'static str) -> Self {
        Self { status, code, text, times: usize::MAX, carried_out: false }
    }

    pub(crate) fn times(self, times: usize) -> Self {
        Self { times, ..self }
    }

    pub(crate) fn carried_out(self) -> Self {
        Self { carried_out: true, ..self }
    }
}

/// What is in the account, by kind and name, with its tags.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) calls: Vec<String>,
    pub(crate) made: BTreeMap<(&'static str, String), Value>,
    faults: BTreeMap<String, Fault>,
    /// The state of functions, if it is not `Active`: state, reason, code.
    pub(crate) stuck: Option<[&'static str; 3]>,
    /// Says of every archive that it is another.
    pub(crate) damages: bool,
    sha256: String,
}

/// The account. Written by the server's threads, read by tests.
#[derive(Debug, Clone, Default)]
pub(crate) struct Account(Arc<Mutex<State>>);

impl Account {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Puts a failure in for an action, named as in `iam:CreateRole`.
    pub(crate) fn fault(&self, action: &str, fault: Fault) {
        self.state().faults.insert(action.into(), fault);
    }

    pub(crate) fn count(&self, action: &str) -> usize {
        self.state().calls.iter().filter(|seen| *seen == action).count()
    }

    /// Kinds of what is there.
    pub(crate) fn left(&self) -> BTreeSet<&'static str> {
        self.state().made.keys().map(|(kind, _)| *kind).collect()
    }
}

impl Respond for Account {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        let asked = Asked::of(request);
        let mut state = self.state();
        let action = format!("{}:{}", asked.service, asked.action);
        state.calls.push(action.clone());
        let fault = match state.faults.get_mut(&action) {
            Some(fault) if fault.times > 0 => {
                fault.times -= 1;
                Some(fault.clone())
            }
            _ => None,
        };
        match fault {
            Some(fault) => {
                if fault.carried_out {
                    state.carry_out(&asked);
                }
                failure(&asked, &fault)
            }
            None => state.carry_out(&asked),
        }
    }
}

/// A request, understood.
#[derive(Debug)]
struct Asked {
    service: &'static str,
    action: String,
    name: String,
    body: Value,
    form: BTreeMap<String, String>,
}

impl Asked {
    fn of(request: &Request) -> Self {
        let path = request.url.path().to_owned();
        let method = request.method.as_str();
        let segments: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        let (service, action, name) = match (request.headers.get("x-amz-target"), method, &segments[..]) {
            (Some(target), ..) => {
                let (service, action) = target.to_str().unwrap().split_once('.').unwrap();
                let service = match service {
                    "Logs_20140328" => "logs",
                    "AWSPriceListService" => "pricing",
                    "AmazonSQS" => "sqs",
                    _ => "tag",
                };
                let queue = || text("QueueUrl").rsplit('/').next().unwrap_or_default().to_owned();
                let named = [text("logGroupName"), text("QueueName"), queue()];
                (service, action.to_owned(), named.into_iter().find(|name| !name.is_empty()).unwrap_or_default())
            }
            (None, "POST", ["2015-03-31", "functions"]) => ("lambda", "CreateFunction".into(), text("FunctionName")),
            (None, "GET", ["2015-03-31", "functions", name]) => ("lambda", "GetFunction".into(), (*name).into()),
            (None, "DELETE", ["2015-03-31", "functions", name]) => ("lambda", "DeleteFunction".into(), (*name).into()),
            (None, "PUT", ["2019-09-25", "functions", name, "event-invoke-config"]) => {
                ("lambda", "PutFunctionEventInvokeConfig".into(), (*name).into())
            }
            (None, "GET", ["2016-08-19", "account-settings"]) => ("lambda", "GetAccountSettings".into(), String::new()),
            (None, "PUT", [bucket]) => ("s3", "CreateBucket".into(), (*bucket).into()),
            (None, "PUT", [bucket, _]) => ("s3", "PutObject".into(), (*bucket).into()),
            (None, "GET", [bucket]) => ("s3", "ListObjectsV2".into(), (*bucket).into()),
            (None, "DELETE", [bucket]) => ("s3", "DeleteBucket".into(), (*bucket).into()),
            (None, "DELETE", [bucket, _]) => ("s3", "DeleteObject".into(), (*bucket).into()),
            (None, "POST", []) => {
                let form: BTreeMap<_, _> =
                    wiremock::http::Url::parse(&format!("http://x/?{}", String::from_utf8_lossy(&request.body)))
                        .unwrap()
                        .query_pairs()
                        .into_owned()
                        .collect();
                let action = form["Action"].clone();
                let name = form.get("RoleName").cloned().unwrap_or_default();
                return Self { service: "iam", action, name, body, form };
            }
            other => panic!("{other:?}"),
        };
        Self { service, action, name, body, form: BTreeMap::new() }
    }

    fn tags(&self) -> Value {
        let in_body = if self.service == "lambda" { &self.body["Tags"] } else { &self.body["tags"] };
        let mut tags = in_body.as_object().cloned().unwrap_or_default();
        for at in 1.. {
            let (Some(key), Some(value)) =
                (self.form.get(&format!("Tags.member.{at}.Key")), self.form.get(&format!("Tags.member.{at}.Value")))
            else {
                break;
            };
            tags.insert(key.clone(), value.clone().into());
        }
        Value::Object(tags)
    }
}

impl State {
    fn carry_out(&mut self, asked: &Asked) -> ResponseTemplate {
        let name = asked.name.clone();
        if let Some(taken) = self.taken(asked) {
            return failure(asked, &taken);
        }
        match (asked.service, asked.action.as_str()) {
            ("iam", "CreateRole") => {
                self.made.insert(("role", name.clone()), asked.tags());
                iam("CreateRole", &role(&name, &asked.tags()))
            }
            ("iam", "GetRole") => match self.made.get(&("role", name.clone())) {
                Some(tags) => iam("GetRole", &role(&name, tags)),
                None => failure(asked, &Fault::new(404, "NoSuchEntity", "The role with name x cannot be found.")),
            },
            ("iam", "DeleteRole") => {
                self.made.remove(&("role", name));
                iam("DeleteRole", "")
            }
            ("iam", "ListAttachedRolePolicies") => {
                iam("ListAttachedRolePolicies", "<AttachedPolicies/><IsTruncated>false</IsTruncated>")
            }
            ("iam", "ListRolePolicies") => iam(
                "ListRolePolicies",
                "<PolicyNames><member>faast</member></PolicyNames><IsTruncated>false</IsTruncated>",
            ),
            ("iam", action) => iam(action, ""),
            ("lambda", "CreateFunction") => self.create_function(asked),
            ("lambda", "GetFunction") => match self.made.get(&("function", name.clone())) {
                Some(tags) => ResponseTemplate::new(200)
                    .set_body_json(json!({"Configuration": self.function(&name), "Tags": tags})),
                None => failure(asked, &Fault::new(404, "ResourceNotFoundException", "Function not found")),
            },
            ("lambda", "DeleteFunction") => {
                self.made.remove(&("function", name));
                ResponseTemplate::new(204)
            }
            ("lambda", "GetAccountSettings") => ResponseTemplate::new(200).set_body_json(json!({
                "AccountLimit": {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 900}
            })),
            ("sqs", "CreateQueue" | "GetQueueUrl") => {
                if asked.action == "CreateQueue" {
                    self.made.insert(("queue", name.clone()), asked.tags());
                }
                let url = format!("https://sqs.us-west-2.amazonaws.com/{ID}/{name}");
                ResponseTemplate::new(200).set_body_json(json!({ "QueueUrl": url }))
            }
            ("sqs", "DeleteQueue") => {
                self.made.remove(&("queue", name));
                ResponseTemplate::new(200).set_body_json(json!({}))
            }
            ("logs", "CreateLogGroup") => {
                self.made.insert(("log group", name), asked.tags());
                ResponseTemplate::new(200).set_body_json(json!({}))
            }
            ("logs", "DeleteLogGroup") => {
                self.made.remove(&("log group", name));
                ResponseTemplate::new(200).set_body_json(json!({}))
            }
            ("logs", "DescribeLogGroups") => {
                let prefix = asked.body["logGroupNamePrefix"].as_str().unwrap_or_default();
                let arn = format!("arn:aws:logs:us-west-2:{ID}:log-group:{prefix}");
                ResponseTemplate::new(200).set_body_json(json!({"logGroups": [
                    {"logGroupName": prefix, "logGroupArn": arn, "arn": format!("{arn}:*")}
                ]}))
            }
            ("logs", "ListTagsForResource") => {
                let arn = asked.body["resourceArn"].as_str().unwrap_or_default();
                let tags = self.made.iter().find(|((kind, name), _)| *kind == "log group" && arn.ends_with(name));
                ResponseTemplate::new(200)
                    .set_body_json(json!({"tags": tags.map_or_else(|| json!({}), |(_, tags)| tags.clone())}))
            }
            ("s3", "CreateBucket" | "PutObject") => {
                let kind = if asked.action == "PutObject" { "object" } else { "bucket" };
                self.made.insert((kind, name), Value::Null);
                ResponseTemplate::new(200)
            }
            ("s3", "DeleteBucket" | "DeleteObject") => {
                let kind = if asked.action == "DeleteObject" { "object" } else { "bucket" };
                self.made.remove(&(kind, name));
                ResponseTemplate::new(204)
            }
            ("s3", "ListObjectsV2") => {
                let object = self.made.contains_key(&("object", name.clone()));
                let contents = if object { "<Contents><Key>code.zip</Key><Size>1</Size></Contents>" } else { "" };
                ResponseTemplate::new(200).set_body_string(format!(
                    "<ListBucketResult><Name>{name}</Name><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"
                ))
            }
            _ => ResponseTemplate::new(200).set_body_json(json!({})),
        }
    }

    /// What is made twice is refused, as AWS does.
    fn taken(&self, asked: &Asked) -> Option<Fault> {
        let (kind, fault) = match asked.action.as_str() {
            "CreateRole" => ("role", Fault::new(409, "EntityAlreadyExists", "Role with name x already exists.")),
            "CreateFunction" => ("function", Fault::new(409, "ResourceConflictException", "Function already exist: x")),
            "CreateLogGroup" => (
                "log group",
                Fault::new(400, "ResourceAlreadyExistsException", "The specified log group already exists"),
            ),
            _ => return None,
        };
        self.made.contains_key(&(kind, asked.name.clone())).then_some(fault)
    }

    fn create_function(&mut self, asked: &Asked) -> ResponseTemplate {
        let archive = asked.body["Code"]["ZipFile"].as_str().map(|zip| STANDARD.decode(zip).unwrap());
        self.sha256 = match archive {
            Some(archive) if !self.damages => STANDARD.encode(Sha256::digest(archive)),
            Some(_) => STANDARD.encode(Sha256::digest(b"something else")),
            None => String::new(),
        };
        self.made.insert(("function", asked.name.clone()), asked.tags());
        ResponseTemplate::new(201).set_body_json(self.function(&asked.name))
    }

    fn function(&self, name: &str) -> Value {
        let [state, reason, code] = self.stuck.unwrap_or(["Active", "", ""]);
        let mut function = json!({
            "FunctionName": name,
            "FunctionArn": format!("arn:aws:lambda:us-west-2:{ID}:function:{name}"),
            "State": state,
        });
        if state != "Active" {
            function["StateReason"] = reason.into();
            function["StateReasonCode"] = code.into();
        }
        if !self.sha256.is_empty() {
            function["CodeSha256"] = self.sha256.clone().into();
        }
        function
    }
}

fn role(name: &str, tags: &Value) -> String {
    let tags: String = tags.as_object().into_iter().flatten().fold(String::new(), |tags, (key, value)| {
        format!("{tags}<member><Key>{key}</Key><Value>{}</Value></member>", value.as_str().unwrap_or_default())
    });
    format!(
        "<Role><Path>/faast/</Path><RoleName>{name}</RoleName><RoleId>AROAEXAMPLE</RoleId>\
         <Arn>arn:aws:iam::{ID}:role/faast/{name}</Arn><CreateDate>2020-01-01T00:00:00Z</CreateDate>\
         <Tags>{tags}</Tags></Role>"
    )
}

fn iam(action: &str, result: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_string(format!(
        "<{action}Response xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><{action}Result>{result}\
         </{action}Result><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></{action}Response>"
    ))
}

/// A failure in the protocol of the service that was asked.
fn failure(asked: &Asked, fault: &Fault) -> ResponseTemplate {
    let Fault { status, code, text, .. } = fault;
    let template = ResponseTemplate::new(*status);
    match asked.service {
        "iam" => template.set_body_string(format!(
            "<ErrorResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><Error><Type>Sender</Type>\
             <Code>{code}</Code><Message>{text}</Message></Error><RequestId>r</RequestId></ErrorResponse>"
        )),
        "s3" => template.set_body_string(format!("<Error><Code>{code}</Code><Message>{text}</Message></Error>")),
        "lambda" => template
            .insert_header("x-amzn-errortype", *code)
            .set_body_json(json!({"Type": "User", "Message": text, "message": text})),
        _ => template.set_body_json(json!({"__type": code, "message": text})),
    }
}
