//! Functions that leave a trace on a disk that client and workers share, for what no answer can tell.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

use faast_core::worker::context;

use super::functions;

/// Appends a line; lines of several writers do not mix.
fn note(path: &str, line: &str) {
    let file = OpenOptions::new().append(true).open(Path::new(path));
    // Without its witness a test fails anyway, and says what is missing.
    let _ = file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
}

functions! {
    /// Notes every five milliseconds that it lives, until nobody waits for it any more or so many beats have passed.
    value fn heartbeat(witness: String, beats: u32) -> u32 {
        let canceled = context().canceled();
        for _ in 0..beats {
            if canceled.is_canceled() {
                break;
            }
            note(&witness, "beat");
            thread::sleep(Duration::from_millis(5));
        }
        note(&witness, "end");
        beats
    }

    /// Notes that it ran. May not run twice.
    once fn once(witness: String) -> u32 {
        note(&witness, "ran");
        thread::sleep(Duration::from_millis(20));
        1
    }

    /// Numbers without end, each noted when it is made.
    generator fn pour(witness: String) -> u64 {
        (0..u64::MAX).inspect(move |_| {
            note(&witness, "made");
            thread::sleep(Duration::from_millis(2));
        })
    }
}
