//! Servers for tests: started on loopback and a free port, with a clean environment, and ended with everything they
//! started, however this process ends.
//!
//! Each server runs in a process group of its own below a shell that waits for the end of its standard input. That is a
//! pipe from here: closing it ends the group, and so does the death of this process, by Ctrl-C or by `kill -9`.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Starts the server with a standard input that stays open, ignores what it sends to the group itself, and ends the group
/// when nobody is there any more.
const WATCH: &str = r#"
sleep 1000000 | "$@" &
server=$!
trap '' HUP INT TERM
cat >/dev/null
kill -TERM 0
tries=0
while kill -0 "$server" 2>/dev/null && [ "$tries" -lt 30 ]; do sleep 0.1; tries=$((tries + 1)); done
kill -KILL 0
"#;

/// A server that does not answer after so long never will.
const STARTS_WITHIN: Duration = Duration::from_secs(90);

/// How a server is started.
pub(crate) struct Start<'s> {
    pub(crate) name: &'s str,
    pub(crate) program: &'s Path,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(&'s str, String)>,
    pub(crate) port: u16,
    /// A path that is answered, and not with a failure of the server, once it is up.
    pub(crate) ready: &'s str,
    /// Where its output and its home folder go.
    pub(crate) folder: &'s Path,
}

/// A running server; dropping it ends it.
pub(crate) struct Server {
    name: String,
    port: u16,
    watch: Child,
    log: PathBuf,
}

impl Server {
    /// Starts a server and waits until it answers.
    pub(crate) fn start(start: Start<'_>) -> Result<Self> {
        let Start { name, program, args, env, port, ready, folder } = start;
        let home = folder.join(name);
        fs::create_dir_all(&home)?;
        let log = folder.join(format!("{name}.log"));
        let output = File::create(&log)?;
        let mut command = Command::new("/bin/sh");
        command.args(["-c", WATCH, "sh"]).arg(program).args(args).current_dir(&home);
        // Some hand their environment on to the functions that they run.
        command.env_clear().envs([("PATH", "/usr/local/bin:/usr/bin:/bin"), ("LANG", "C.UTF-8")]).env("HOME", &home);
        command.envs(env).process_group(0);
        command.stdin(Stdio::piped()).stdout(output.try_clone()?).stderr(output);
        let watch = command.spawn().with_context(|| format!("can't start {name}"))?;
        let server = Self { name: name.to_owned(), port, watch, log };
        server.wait_for(ready)?;
        println!("{name} serves {}", server.endpoint());
        Ok(server)
    }

    /// Where it serves.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Sends a request and wants an answer of success.
    pub(crate) fn post(&self, path: &str, body: &str) -> Result<()> {
        let status = http(self.port, "POST", path, body)?;
        anyhow::ensure!((200..300).contains(&status), "{} answers {status} to POST {path}", self.name);
        Ok(())
    }

    fn wait_for(&self, path: &str) -> Result<()> {
        let since = Instant::now();
        while since.elapsed() < STARTS_WITHIN {
            if http(self.port, "GET", path, "").is_ok_and(|status| status < 500) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(50));
        }
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let tail: Vec<&str> = log.lines().rev().take(20).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        bail!("{} does not answer on port {}; its last words:\n{}", self.name, self.port, tail.join("\n"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.watch.stdin.take());
        // It kills its own group, itself included, so that this is no error.
        let _ = self.watch.wait();
    }
}

/// A port that is free at this moment.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on loopback")?;
    Ok(listener.local_addr()?.port())
}

/// The status of an answer.
fn http(port: u16, method: &str, path: &str, body: &str) -> Result<u16> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let head = format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n");
    let length = body.len();
    write!(stream, "{head}content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    let status = std::str::from_utf8(&answer)?.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5));
    status.and_then(|status| status.parse().ok()).context("no HTTP answer")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that starts a process of its own and does not listen to requests to end.
    const STUBBORN: &str = r#"
        sleep 1000 & echo $! > child
        echo $$ > server
        trap '' TERM
        exec python3 -m http.server --bind 127.0.0.1 "$1"
    "#;

    fn is_alive(pid: &str) -> bool {
        // One that was killed and that nobody has waited for yet has no command line any more.
        fs::read(format!("/proc/{}/cmdline", pid.trim())).is_ok_and(|line| !line.is_empty())
    }

    #[test]
    fn a_server_and_what_it_started_end_together() {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port().unwrap();
        let server = Server::start(Start {
            name: "stubborn",
            program: Path::new("/bin/sh"),
            args: ["-c", STUBBORN, "sh", &port.to_string()].map(str::to_owned).to_vec(),
            env: Vec::new(),
            port,
            ready: "/",
            folder: folder.path(),
        })
        .unwrap();
        let pids =
            ["child", "server"].map(|name| fs::read_to_string(folder.path().join("stubborn").join(name)).unwrap());
        assert!(pids.iter().all(|pid| is_alive(pid)));
        drop(server);
        assert!(!pids.iter().any(|pid| is_alive(pid)), "{pids:?}");
        // Of a process that was killed the memory goes first, and its sockets a moment later.
        let refused = || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err();
        let closed = (0..200).any(|_| {
            thread::sleep(Duration::from_millis(10));
            refused()
        });
        assert!(closed, "something still listens on {port}");
    }
}
