//! Where the log channels go: to the subscriber that is set at emission, else to stderr by the `DEBUG` rules.

use std::process::Command;
use std::sync::{Arc, Mutex};

use faast_core::log::{self, Channel};
use tracing::field::{Field, Visit};
use tracing::span;

/// The part of the test that runs in a process of its own, with its own `DEBUG` and stderr.
const CHILD: &str = "FAAST_TEST_LOG_CHILD";

#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Recorder {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("faast:")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        struct Message(String);
        impl Visit for Message {
            fn record_debug(&mut self, _: &Field, value: &dyn std::fmt::Debug) {
                self.0 = format!("{value:?}");
            }
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        let metadata = event.metadata();
        self.0.lock().expect("no test panics in here").push(format!(
            "{} {} {}",
            metadata.level(),
            metadata.target(),
            message.0
        ));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[test]
fn with_a_subscriber_the_channels_are_its_targets() {
    let recorder = Recorder::default();
    tracing::subscriber::with_default(recorder.clone(), || {
        for &channel in Channel::ALL {
            faast_core::log!(channel, "number {}", 7);
        }
    });
    faast_core::log!(Channel::Calls, "after the scope");
    let expected = [
        "INFO faast:info",
        "WARN faast:warning",
        "DEBUG faast:gc",
        "WARN faast:leaks",
        "DEBUG faast:calls",
        "DEBUG faast:packer",
        "DEBUG faast:provider",
        "DEBUG faast:awssdk",
    ];
    assert_eq!(*recorder.0.lock().unwrap(), expected.map(|start| format!("{start} number 7")));
}

#[test]
fn child() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let scoped = Recorder::default();
    tracing::subscriber::with_default(scoped.clone(), || log::emit(Channel::Warning, format_args!("scoped")));
    assert_eq!(scoped.0.lock().unwrap().len(), 1);
    for &channel in Channel::ALL {
        faast_core::log!(channel, "said");
    }
}

/// What a process with that `DEBUG` prints on stderr; `redirect` is shell text.
fn stderr_of(debug: Option<&str>, redirect: &str) -> (bool, Vec<String>) {
    let exe = std::env::current_exe().expect("this test");
    let script = format!("exec \"$0\" --exact child --nocapture --test-threads=1 {redirect}");
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).arg(exe).env(CHILD, "1").env_remove("DEBUG");
    if let Some(debug) = debug {
        command.env("DEBUG", debug);
    }
    let output = command.output().expect("a shell");
    let lines = String::from_utf8(output.stderr).expect("text").lines().map(str::to_owned).collect();
    (output.status.success(), lines)
}

#[test]
fn without_a_subscriber_warnings_and_leaks_are_printed() {
    assert_eq!(stderr_of(None, ""), (true, vec!["faast:warning said".into(), "faast:leaks said".into()]));
}

#[test]
fn the_debug_variable_chooses_what_is_printed() {
    assert_eq!(
        stderr_of(Some("faast:info,-faast:leaks"), ""),
        (true, vec!["faast:info said".into(), "faast:warning said".into()])
    );
    assert_eq!(stderr_of(Some("faast:*"), "").1.len(), Channel::ALL.len());
}

#[test]
fn a_closed_stderr_does_not_matter() {
    assert_eq!(stderr_of(Some("faast:*"), "2>&-"), (true, vec![]));
    let (ok, _) = stderr_of(Some("faast:*"), "2>/dev/full");
    assert!(ok);
}
