//! What a runtime sees: its environment, its events, and what it may answer.

use std::time::Duration;

use faast_testkit::emulator_aws::AwsEmulator;
use serde_json::{Value, json};

use crate::client::{Account, Told as _};

#[test]
fn a_process_has_the_documented_variables_and_no_others() {
    let account = Account::new(AwsEmulator::start());
    let settings =
        json!({ "Handler": "my.handler", "MemorySize": 256, "Environment": { "Variables": { "MINE": "yes" } } });
    account.deploy("f", settings);
    let seen = account.invoke("f", &json!({ "do": "environment" })).json();
    let variables = seen["variables"].as_object().unwrap();
    let mut names: Vec<&str> = variables.keys().map(String::as_str).collect();
    // Python sets it itself.
    names.retain(|name| *name != "LC_CTYPE");
    assert_eq!(
        names,
        [
            "AWS_ACCESS_KEY_ID",
            "AWS_DEFAULT_REGION",
            "AWS_ENDPOINT_URL",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
            "AWS_LAMBDA_FUNCTION_NAME",
            "AWS_LAMBDA_FUNCTION_VERSION",
            "AWS_LAMBDA_INITIALIZATION_TYPE",
            "AWS_LAMBDA_LOG_GROUP_NAME",
            "AWS_LAMBDA_LOG_STREAM_NAME",
            "AWS_LAMBDA_RUNTIME_API",
            "AWS_REGION",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "AWS_XRAY_CONTEXT_MISSING",
            "AWS_XRAY_DAEMON_ADDRESS",
            "LAMBDA_RUNTIME_DIR",
            "LAMBDA_TASK_ROOT",
            "LANG",
            "LD_LIBRARY_PATH",
            "MINE",
            "PATH",
            "TMPDIR",
            "TZ",
            "_HANDLER"
        ]
    );
    assert_eq!((&variables["_HANDLER"], &variables["MINE"]), (&json!("my.handler"), &json!("yes")));
    assert_eq!(variables["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"], "256");
    assert_eq!(seen["cwd"], variables["LAMBDA_TASK_ROOT"]);
    assert_eq!(seen["files"], json!(["bootstrap"]));
    assert_ne!(seen["cwd"].as_str().unwrap(), std::env::current_dir().unwrap().to_str().unwrap());
}

#[test]
fn an_event_comes_with_its_headers() {
    let account = Account::new(AwsEmulator::start());
    account.deploy("f", json!({ "Timeout": 9 }));
    let context = [("x-amz-client-context", "eyJhIjoxfQ==")];
    let body = json!({ "do": "headers" }).to_string();
    let before = unix_ms();
    let answer = account.send("lambda", "POST", "/2015-03-31/functions/f/invocations", &context, body.as_bytes());
    let headers = answer.json();
    let header = |name: &str| headers[format!("lambda-runtime-{name}")].as_str().unwrap_or("").to_owned();
    assert_eq!(header("aws-request-id"), answer.header("x-amzn-requestid").unwrap());
    assert_eq!(header("invoked-function-arn"), "arn:aws:lambda:us-west-2:123456789012:function:f");
    assert_eq!(header("client-context"), "{\"a\":1}");
    assert!(header("trace-id").starts_with("Root=1-") && header("invocation-id").len() == 36, "{headers}");
    let deadline: u64 = header("deadline-ms").parse().unwrap();
    assert!((before + 9000..=unix_ms() + 9000).contains(&deadline), "{deadline}");
}

#[test]
fn answers_that_fit_no_running_event_are_refused() {
    let account = Account::new(AwsEmulator::start());
    account.deploy("f", json!({}));
    let last = account.invoke("f", &json!(1)).json()["request"].clone();
    let statuses = account.invoke("f", &json!({ "do": "stale", "last": last })).json();
    assert_eq!(statuses, json!([400, 400, 410, 403]), "unknown id, last id, other invocation, next before the answer");
    let log = account.invoke("f", &json!({ "do": "twice" })).log();
    assert!(log.contains("second: 403"), "{log}");
}

#[test]
fn a_failed_initialisation_is_tried_again_and_reported() {
    let account = Account::new(AwsEmulator::start());
    let cases = [
        ("init.error", "Mine.Init", "can not start", "Error Type: Mine.Init"),
        ("init.exit", "Runtime.ExitError", "Error: Runtime exited with error: exit status 3", "Runtime.ExitError"),
    ];
    for (index, (handler, kind, text, line)) in cases.into_iter().enumerate() {
        let name = format!("f{index}");
        account.deploy(&name, json!({ "Handler": handler }));
        let answer = account.invoke(&name, &json!(1));
        let error = answer.function_error();
        assert_eq!(error.0, kind);
        assert!(error.1.ends_with(text), "{error:?}");
        assert!(
            answer.log().contains("INIT_REPORT Init Duration: ") && answer.log().contains(line),
            "{}",
            answer.log()
        );
    }
}

#[test]
fn a_slow_initialisation_goes_on_within_the_call() {
    let account = Account::new(AwsEmulator::builder().init_limit(Duration::from_millis(50)).start());
    let slow = json!({ "Variables": { "SLOW": "0.2" } });
    account.deploy("f", json!({ "Handler": "init.slow", "Environment": slow }));
    let answer = account.invoke("f", &json!(1));
    assert_eq!((answer.header("x-amz-function-error"), &answer.json()["event"]), (None, &json!(1)));
    let headers = [("x-amz-target", "Logs_20140328.FilterLogEvents"), ("content-type", "application/x-amz-json-1.1")];
    let events = account.send("logs", "POST", "/", &headers, br#"{"logGroupName":"/aws/lambda/f"}"#).json();
    let has = |text: &str| {
        events["events"].as_array().unwrap().iter().any(|it| it["message"].as_str().unwrap().contains(text))
    };
    assert!(has("Phase: init\tStatus: timeout"), "{events}");
}

fn unix_ms() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap()
}

#[test]
fn nothing_at_all_is_an_empty_event() {
    let account = Account::new(AwsEmulator::start());
    account.deploy("f", json!({}));
    let answer = account.lambda("POST", "/2015-03-31/functions/f/invocations", &Value::Null);
    assert_eq!(answer.json()["event"], json!({}));
}
