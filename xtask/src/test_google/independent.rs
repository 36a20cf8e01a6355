//! Against servers that nobody of this project wrote: a storage emulator, Debian's container registry, Google's own
//! emulator of Pub/Sub.
//!
//! The tests are in `faast-google/tests/independent`; this starts what they need and says where it is. Afterwards the corpus
//! of requests is sent to our emulator and to all servers, and every difference has to be a listed one.

use std::fs;

use anyhow::{Context, Result};

use super::install::Tools;
use super::project::without_project;
use crate::command::{CommandLine, root};
use crate::install::{target_folder, text};
use crate::suite;
use crate::test_cloud::server::{Server, Start, free_port};

const TESTS: &str = "cargo test --workspace --features faast-google/independent --test google_independent";
const EMULATOR: &str = "cargo build --workspace --example google_emulator";
const CORPUS: &str = "faast-testkit/corpus/google/run.py";

/// The module of tests that need the emulator of Pub/Sub.
const OF_PUBSUB: &str = "pubsub::";

/// How the names of tests begin that need another client for registries.
const OF_CLIENT: &str = "a_client_of_others_";

/// Runs everything, or the tests whose names hold one of the filters; the corpus is no test, and runs without one only.
pub(super) fn run(filters: &[&str]) -> Result<()> {
    let tools = Tools::install()?;
    // Before servers wait for it.
    without_project(CommandLine::new(TESTS).arg("--no-run"))?.run()?;
    let servers = Servers::start(&tools)?;
    let mut words = filters.to_vec();
    if servers.pubsub.is_none() {
        println!("NOT RUN: tests with Google's emulator of Pub/Sub; `gcloud components install pubsub-emulator`");
        words.extend(["--skip", OF_PUBSUB]);
    }
    if tools.client().is_none() {
        println!("NOT RUN: tests with skopeo, which can't be had here");
        words.extend(["--skip", OF_CLIENT]);
    }
    suite::run(servers.tell(CommandLine::new(TESTS), &tools)?, &words)?;
    if filters.is_empty() {
        corpus(&tools, &servers)?;
    }
    Ok(())
}

/// What the tests talk to.
struct Servers {
    storage: Server,
    registry: Server,
    pubsub: Option<Server>,
}

impl Servers {
    fn start(tools: &Tools) -> Result<Self> {
        let pubsub = Tools::pubsub().map(|program| {
            let port = free_port()?;
            let args = vec!["--host=127.0.0.1".to_owned(), format!("--port={port}")];
            let (env, ready, folder) = (Vec::new(), "/", tools.folder.as_path());
            Server::start(Start { name: "pubsub", program: &program, args, env, port, ready, folder })
        });
        Ok(Self { storage: storage(tools)?, registry: registry(tools)?, pubsub: pubsub.transpose()? })
    }

    /// Tells a command where the servers and tools are.
    fn tell(&self, command: CommandLine, tools: &Tools) -> Result<CommandLine> {
        let mut command = without_project(command)?
            // Packages and ledgers of their own, whatever this machine has.
            .env("FAAST_HOME", text(&tools.folder.join("home"))?)
            .env("FAAST_TEST_STORAGE", self.storage.endpoint())
            .env("FAAST_TEST_REGISTRY", self.registry.endpoint());
        if let Some(pubsub) = &self.pubsub {
            command = command.env("FAAST_TEST_PUBSUB", pubsub.endpoint());
        }
        if let Some(client) = tools.client() {
            command = command.env("FAAST_TEST_SKOPEO", text(&client)?);
        }
        Ok(command)
    }
}

fn storage(tools: &Tools) -> Result<Server> {
    let port = free_port()?;
    let program = tools.program("gcp-storage-emulator");
    let args = ["start", "--host", "127.0.0.1", "--port", &port.to_string(), "--in-memory", "--quiet"];
    let args = args.map(str::to_owned).to_vec();
    let (name, env, ready, folder) = ("storage", Vec::new(), "/", tools.folder.as_path());
    Server::start(Start { name, program: &program, args, env, port, ready, folder })
}

fn registry(tools: &Tools) -> Result<Server> {
    let port = free_port()?;
    let data = tools.folder.join("registry-data");
    // A registry of an earlier run would have the layers already.
    if data.exists() {
        fs::remove_dir_all(&data)?;
    }
    let config = tools.folder.join("registry.yml");
    let storage = format!("storage:\n  filesystem:\n    rootdirectory: {}\n  delete:\n    enabled: true", text(&data)?);
    fs::write(&config, format!("version: 0.1\n{storage}\nhttp:\n  addr: 127.0.0.1:{port}\n"))?;
    let program = tools.registry();
    let args = vec!["serve".to_owned(), text(&config)?];
    let (name, env, ready, folder) = ("registry", Vec::new(), "/v2/", tools.folder.as_path());
    Server::start(Start { name, program: &program, args, env, port, ready, folder })
}

/// Sends the corpus to all of them, ours first.
fn corpus(tools: &Tools, servers: &Servers) -> Result<()> {
    CommandLine::new(EMULATOR).run()?;
    let emulator = emulator(tools)?;
    let script = text(&root().join(CORPUS))?;
    let mut command = CommandLine::new("python3").arg(&script).arg(&format!("emulator={}", emulator.endpoint()));
    command = command.arg(&format!("storage={}", servers.storage.endpoint()));
    command = command.arg(&format!("registry={}", servers.registry.endpoint()));
    if let Some(pubsub) = &servers.pubsub {
        command = command.arg(&format!("pubsub={}", pubsub.endpoint()));
    }
    command.run().context("the corpus")
}

fn emulator(tools: &Tools) -> Result<Server> {
    let port = free_port()?;
    let program = target_folder()?.join("debug/examples/google_emulator");
    let (name, args, folder) = ("emulator", vec![port.to_string()], tools.folder.as_path());
    Server::start(Start { name, program: &program, args, env: Vec::new(), port, ready: "/", folder })
}
