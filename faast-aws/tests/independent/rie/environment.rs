//! One execution environment: RIE in a process group of its own, and the invocations that it is sent.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use faast_core::worker::{Mark, launch_args};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::place;

/// Ends the group when the pipe closes, however the test ends.
const WATCH: &str = r#""$@" & cat >/dev/null; kill -KILL 0"#;

/// What Lambda would tell every environment of a function.
#[derive(Debug, Clone)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) timeout: Duration,
    pub(super) memory_mb: u32,
    pub(super) env: Vec<(String, String)>,
    /// The folder that the code is in.
    pub(super) task: PathBuf,
}

/// Writes the bootstrap: Lambda gives a program no arguments, and a test binary needs some.
pub(super) fn write_bootstrap(into: &Path) -> io::Result<PathBuf> {
    let quoted = |word: &str| format!("'{}'", word.replace('\'', r"'\''"));
    let program = std::env::current_exe()?;
    let words: Vec<_> = launch_args().iter().map(|word| quoted(word)).collect();
    let script = format!("#!/bin/sh\nexec {} {}\n", quoted(&program.display().to_string()), words.join(" "));
    let path = into.join("bootstrap");
    fs::write(&path, script)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

/// A running environment; dropping it ends it.
pub(super) struct Environment {
    port: u16,
    watch: Child,
}

impl Environment {
    pub(super) fn start(function: &Function, bootstrap: &Path, log: &Path) -> io::Result<Self> {
        let (port, api) = (free_port()?, free_port()?);
        let stream = log.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let output = fs::File::create(log)?;
        let mut command = Command::new("/bin/sh");
        command.args(["-c", WATCH, "sh"]).arg(place::rie());
        command.args(["--runtime-interface-emulator-address", &format!("127.0.0.1:{port}")]);
        command.args(["--runtime-api-address", &format!("127.0.0.1:{api}")]).arg(bootstrap);
        // Lambda's time-outs are whole seconds.
        let seconds = function.timeout.as_secs() + u64::from(function.timeout.subsec_nanos() > 0);
        command.env_clear().env("PATH", "/usr/bin:/bin").envs(function.env.iter().cloned()).envs([
            ("_HANDLER", Mark::for_child("aws").to_string()),
            ("AWS_LAMBDA_FUNCTION_NAME", function.name.clone()),
            ("AWS_LAMBDA_FUNCTION_TIMEOUT", seconds.to_string()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", function.memory_mb.to_string()),
            ("AWS_LAMBDA_LOG_STREAM_NAME", stream),
        ]);
        command.current_dir(&function.task).process_group(0);
        command.stdin(Stdio::piped()).stdout(output.try_clone()?).stderr(output);
        Ok(Self { port, watch: command.spawn()? })
    }

    /// Status and body of the answer to one invocation.
    pub(super) async fn invoke(&self, body: &[u8]) -> io::Result<(u16, Vec<u8>)> {
        let mut stream = self.connect().await?;
        let head = format!(
            "POST /2015-03-31/functions/function/invocations HTTP/1.1\r\nhost: rie\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        parse(&answer).ok_or_else(|| io::Error::other("RIE's answer is not understood"))
    }

    /// It listens some milliseconds after its start.
    async fn connect(&self) -> io::Result<TcpStream> {
        let mut tries = 0;
        loop {
            match TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await {
                Err(_) if tries < 1000 => tries += 1,
                result => return result,
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        drop(self.watch.stdin.take());
        let _ = self.watch.wait();
    }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// Status and body; RIE answers in chunks above some length.
fn parse(answer: &[u8]) -> Option<(u16, Vec<u8>)> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?.to_ascii_lowercase();
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    let body = &answer[end + 4..];
    if !head.contains("transfer-encoding: chunked") {
        return Some((status, body.to_vec()));
    }
    let (mut whole, mut rest) = (Vec::new(), body);
    loop {
        let line = rest.windows(2).position(|window| window == b"\r\n")?;
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..line]).ok()?, 16).ok()?;
        if length == 0 {
            return Some((status, whole));
        }
        whole.extend_from_slice(rest.get(line + 2..line + 2 + length)?);
        rest = rest.get(line + 4 + length..)?;
    }
}
