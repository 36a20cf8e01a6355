//! Against servers that nobody of this project wrote: `MiniStack`, moto, AWS's own runtime interface emulator, and
//! `lambda-simulator`, which freezes workers.
//!
//! The tests are in `faast-aws/tests/independent`; this starts what they need and says where it is. Afterwards the corpus
//! of requests is sent to our emulator and to both servers, and every difference has to be a listed one.

use anyhow::{Context, Result};

use super::account::without_account;
use super::install::Tools;
use crate::command::{CommandLine, root};
use crate::install::text;
use crate::suite;
use crate::test_cloud::server::{Server, Start, free_port};

const TESTS: &str = "cargo test --workspace --features faast-aws/independent --test independent";
/// A crate, in a program of its own; it shares no features with faast, and its folder of results with everything else.
const SIMULATOR: &str = "cargo build --manifest-path third-party/lambda-simulator/Cargo.toml --target-dir";
const EMULATOR: &str = "cargo build --workspace --example aws_emulator";
const CORPUS: &str = "faast-testkit/corpus/aws";

/// Runs everything, or the tests whose names hold one of the filters; the corpus is no test, and runs without one only.
pub(super) fn run(filters: &[&str]) -> Result<()> {
    let tools = Tools::install()?;
    // Before servers wait for it.
    CommandLine::new(TESTS).arg("--no-run").run()?;
    CommandLine::new(SIMULATOR).arg(&text(tools.target())?).run()?;
    let servers = Servers::start(&tools)?;
    suite::run(servers.tell(CommandLine::new(TESTS), &tools)?, filters)?;
    if filters.is_empty() {
        corpus(&tools, &servers)?;
    }
    Ok(())
}

/// What the tests talk to.
struct Servers {
    ministack: Server,
    /// The same with permissions enforced.
    ministack_iam: Server,
    moto: Server,
}

impl Servers {
    fn start(tools: &Tools) -> Result<Self> {
        Ok(Self {
            ministack: ministack(tools, "ministack", "false")?,
            ministack_iam: ministack(tools, "ministack-iam", "true")?,
            moto: moto(tools)?,
        })
    }

    /// Tells a command where the servers and tools are.
    fn tell(&self, command: CommandLine, tools: &Tools) -> Result<CommandLine> {
        Ok(without_account(command)
            // Packages and ledgers of their own, whatever this machine has.
            .env("FAAST_HOME", text(&tools.folder.join("home"))?)
            .env("FAAST_TEST_MINISTACK", self.ministack.endpoint())
            .env("FAAST_TEST_MINISTACK_IAM", self.ministack_iam.endpoint())
            .env("FAAST_TEST_MOTO", self.moto.endpoint())
            .env("FAAST_TEST_RIE", text(&tools.rie)?)
            .env("FAAST_TEST_SIMULATOR", text(&tools.target().join("debug/frozen-lambda"))?)
            .env("FAAST_TEST_AWS_CLI", text(&tools.program("aws"))?)
            .env("FAAST_TEST_LEFTOVERS", text(&root().join(CORPUS).join("leftovers.sh"))?))
    }
}

fn ministack(tools: &Tools, name: &str, enforced: &str) -> Result<Server> {
    let port = free_port()?;
    // Functions find it there, as they do in LocalStack.
    let endpoint = format!("http://127.0.0.1:{port}");
    let mut env = vec![("GATEWAY_PORT", port.to_string()), ("AWS_ENDPOINT_URL", endpoint)];
    let fixed = [
        // It listens on every address otherwise.
        ("BIND_HOST", "127.0.0.1"),
        ("MINISTACK_HOST", "127.0.0.1"),
        ("IOT_MTLS_ENABLED", "0"),
        ("SFTP_ENABLED", "0"),
        ("MINISTACK_ACCOUNT_ID", "123456789012"),
        ("MINISTACK_REGION", "us-west-2"),
        ("MINISTACK_WORKER_THREADS", "256"),
        ("AUTH", enforced),
    ];
    env.extend(fixed.map(|(key, value)| (key, value.to_owned())));
    let program = tools.program("ministack");
    let (args, ready, folder) = (Vec::new(), "/_ministack/ready", tools.folder.as_path());
    Server::start(Start { name, program: &program, args, env, port, ready, folder })
}

fn moto(tools: &Tools) -> Result<Server> {
    let port = free_port()?;
    let program = tools.program("moto_server");
    let server = Server::start(Start {
        name: "moto",
        program: &program,
        args: ["-H", "127.0.0.1", "-p", &port.to_string()].map(str::to_owned).to_vec(),
        // Without it the policies of AWS's own are not there to be attached.
        env: vec![("MOTO_IAM_LOAD_MANAGED_POLICIES", "true".to_owned())],
        port,
        ready: "/moto-api/",
        folder: &tools.folder,
    })?;
    server.post("/moto-api/config", r#"{"lambda":{"use_docker":false}}"#)?;
    Ok(server)
}

/// Sends the corpus to all of them.
fn corpus(tools: &Tools, servers: &Servers) -> Result<()> {
    CommandLine::new(EMULATOR).run()?;
    let emulator = emulator(tools)?;
    let script = text(&root().join(CORPUS).join("run.py"))?;
    let mut command = CommandLine::default().arg(&text(&tools.program("python"))?).arg(&script);
    for (name, server) in [("emulator", &emulator), ("ministack", &servers.ministack), ("moto", &servers.moto)] {
        command = command.arg(&format!("{name}={}", server.endpoint()));
    }
    servers.tell(command, tools)?.run().context("the corpus")
}

fn emulator(tools: &Tools) -> Result<Server> {
    let port = free_port()?;
    let program = tools.target().join("debug/examples/aws_emulator");
    let (name, args) = ("emulator", vec![port.to_string()]);
    Server::start(Start { name, program: &program, args, env: Vec::new(), port, ready: "/", folder: &tools.folder })
}
