//! The programs that are started.

use faast::prelude::*;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};

/// Which program a process runs.
pub(crate) const PROGRAM: &str = "FAAST_TEST_PROGRAM";

#[faast::function]
fn hello(name: &str) -> String {
    format!("hello {name}!")
}

#[faast::function]
fn busy() -> u32 {
    loop {
        std::hint::spin_loop();
    }
}

/// Where it works; slow enough that each worker gets one of these calls.
#[faast::function]
fn folder() -> String {
    std::thread::sleep(std::time::Duration::from_millis(500));
    std::env::current_dir().unwrap().display().to_string()
}

#[faast::function]
fn fails() -> u32 {
    panic!("on purpose")
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Note {
    text: String,
    #[serde(skip)]
    author: String,
}

#[faast::function]
fn forgetful(note: Note) -> usize {
    note.text.len() + note.author.len()
}

/// Deploys, and calls itself there; gives the error in which that ends.
#[faast::function]
async fn recursion() -> String {
    match recurse().await {
        Ok(end) => end,
        Err(error) => error.to_string(),
    }
}

async fn recurse() -> faast::Result<String> {
    let cloud = faast::local().concurrency(1).deploy().await?;
    let end = cloud.run(recursion::call()).await;
    cloud.cleanup().await?;
    end
}

#[faast::function]
fn process(_: u32) -> u32 {
    std::process::id()
}

#[faast::function]
fn ends_its_worker() -> u32 {
    std::process::exit(3)
}

#[faast::function]
fn square(n: u64) -> u64 {
    n * n
}

/// A number for which a worker has to do a little, and which says in `EXECUTIONS` that it was worked on in `RUN`.
#[faast::function]
fn works(n: u64) -> u64 {
    use std::io::Write as _;
    let variable = |name| std::env::var(name).unwrap();
    let mut log = std::fs::OpenOptions::new().append(true).open(variable("EXECUTIONS")).unwrap();
    // One write, so that lines of two workers never mix.
    log.write_all(format!("{} {n}\n", variable("RUN")).as_bytes()).unwrap();
    let busy = std::time::Instant::now();
    while busy.elapsed() < std::time::Duration::from_micros(100) {
        std::hint::spin_loop();
    }
    n.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// A map with a journal, as a user's program has it, by index or by keys. Says how many results came back from it, and what
/// all of them are. It ends with the last error that is no cancellation.
async fn resumes(cloud: &Cloud) -> faast::Result<()> {
    let variable = |name| std::env::var(name).unwrap();
    let inputs = 0..variable("CALLS").parse().unwrap();
    let mut results: BoxStream<'_, (u64, faast::Result<u64>)> = if variable("SHAPE") == "keyed" {
        Box::pin(cloud.map_keyed(inputs.map(|n| (n, works::call(n)))).journal(variable("JOURNAL")))
    } else {
        Box::pin(cloud.map(inputs.map(works::call)).journal(variable("JOURNAL")).indexed())
    };
    let (mut sum, mut good, mut end) = (0_u64, 0, Ok(()));
    while let Some((index, result)) = results.next().await {
        let value = match result {
            Ok(value) => value,
            Err(error) => {
                if end.is_ok() || !error.is_canceled() {
                    end = Err(error);
                }
                continue;
            }
        };
        assert_eq!(value, index.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        sum = sum.wrapping_add(value.rotate_left(7) ^ index);
        good += 1;
    }
    end?;
    println!("{good} {sum} {}", cloud.stats().replayed);
    Ok(())
}

/// Says what came of a step, and waits for a line.
fn step(said: &str) {
    println!("{said}");
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

/// The number of a worker's process, and a map, in steps.
async fn steps(cloud: &Cloud) -> faast::Result<()> {
    let first = cloud.run(process::call(0)).detail().await?;
    step(first.log_url.strip_prefix("file://").unwrap());
    let squares = cloud.map((0..3000).map(square::call)).try_collect().await?;
    assert_eq!(squares, (0..3000).map(|n| n * n).collect::<Vec<u64>>());
    let workers = cloud.map((0..100).map(process::call)).try_collect().await?;
    step(&workers.iter().map(u32::to_string).collect::<Vec<_>>().join(" "));
    // What another client did meanwhile is no matter.
    let again = cloud.map((0..3000).map(square::call)).try_collect().await?;
    assert_eq!(again, squares);
    Ok(())
}

/// Ends its worker and gets another, in steps; each time also in a deployment of its own.
async fn renews(cloud: &Cloud) -> faast::Result<()> {
    let mut worker = cloud.run(process::call(0)).await?;
    for _ in 0..2 {
        step(&worker.to_string());
        assert_eq!(cloud.run(ends_its_worker::call()).await.unwrap_err().kind(), faast::ErrorKind::Crash);
        worker = cloud.run(process::call(0)).await?;
        let second = faast::local().concurrency(1).deploy().await?;
        assert_ne!(second.run(process::call(0)).await?, worker);
        second.cleanup().await?;
    }
    step(&worker.to_string());
    Ok(())
}

/// What a cleanup never gets past.
struct Clings;

impl Drop for Clings {
    fn drop(&mut self) {
        println!("cleaning up");
        std::thread::sleep(std::time::Duration::from_hours(1));
    }
}

pub(crate) mod annotated {
    use std::env;

    use faast::prelude::*;

    use super::{Clings, Note, PROGRAM, busy, fails, folder, forgetful, hello, recurse, renews, resumes, step, steps};

    #[faast::main]
    pub(crate) async fn main() -> faast::Result<()> {
        if env::var_os("SUBSCRIBE").is_some() {
            tracing_subscriber::fmt()
                .with_max_level(tracing_subscriber::filter::LevelFilter::DEBUG)
                .with_ansi(false)
                .init();
        }
        let program = env::var(PROGRAM).unwrap();
        if program == "recursion" {
            println!("{}", recurse().await?);
            return Ok(());
        }
        let cloud = faast::local().concurrency(2).deploy().await?;
        match program.as_str() {
            "hello" => println!("{}", cloud.run(hello::call("world")).await?),
            "busy" => drop(cloud.map((0..10).map(|_| busy::call())).collect().await),
            "steps" => steps(&cloud).await?,
            "renews" => renews(&cloud).await?,
            "resumes" => resumes(&cloud).await?,
            "fails" => println!("{}", cloud.run(fails::call()).await?),
            "lossy" => {
                let note = Note { text: "a".into(), author: "b".into() };
                println!("{}", cloud.run(forgetful::call(note)).await?);
            }
            "moves" => {
                env::set_current_dir("/").unwrap();
                for folder in cloud.map((0..2).map(|_| folder::call())).try_collect().await? {
                    println!("{folder}");
                }
            }
            "asks" => step("deployed"),
            "clings" => {
                let _clings = Clings;
                println!("deployed");
                std::future::pending::<()>().await;
            }
            other => panic!("no program `{other}`"),
        }
        cloud.cleanup().await
    }
}

/// A program with a `main` of its own that asks for Ctrl-C to clean up.
pub(crate) fn listens() {
    faast::worker::init();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let cloud = runtime.block_on(faast::local().on_signal().deploy()).unwrap();
    step("deployed");
    drop(cloud);
}

/// A program that forgot to look whether it is a worker.
pub(crate) fn bare() {
    println!("started");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let error = runtime.block_on(faast::local().deploy()).unwrap_err();
    panic!("{error:?}");
}
