//! The client of one seed: runs the job, and prints what it hears.
//!
//! Lines are `@ result <index> ok <value>`, `@ result <index> err <kind>`, the same for `stream`, `@ fault <count> <name>`
//! and, at the very end, `@ end`.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use faast::prelude::*;
use faast::{Call, Cloud, Error, ErrorKind, Local};
use faast_testkit::fault::Faulty;

use super::function;
use super::nemesis::{self, Nemesis};
use super::plan::{Plan, Task, Trouble};

/// What a function prints where the disk is to be full: more than there is room for.
const PRINTED: usize = 200 << 10;

/// How often a call goes again: no run of bad luck is that long.
const RETRIES: u32 = 40;

pub(crate) fn run(plan: &Plan) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(job(plan));
    println!("@ end");
}

/// Says how often a fault was injected.
pub(crate) fn fault(count: u64, name: &str) {
    if count > 0 {
        println!("@ fault {count} {name}");
    }
}

async fn job(plan: &Plan) {
    let provider = Faulty::new(Local::new(), plan.faults.clone());
    let Some(cloud) = deployed(plan, &provider).await else { return };
    let nemesis = Nemesis::start(plan);
    let notes = nemesis::notes().display().to_string();
    let streams: Vec<_> =
        plan.streams.iter().enumerate().map(|(at, below)| tokio::spawn(stream(cloud.clone(), at, *below))).collect();
    let mut map = cloud.map(plan.tasks.iter().map(|task| call(*task, plan, &notes))).indexed();
    let (mut latest, mut overtaken) = (0, 0);
    while let Some((index, result)) = map.next().await {
        overtaken += u64::from(index < latest);
        latest = latest.max(index);
        told("result", index, result.map(|value| value.to_string()));
    }
    for stream in streams {
        stream.await.unwrap();
    }
    drop(nemesis);
    fault(overtaken, "answers out of order");
    let seen = provider.injected();
    for (count, name) in [
        (seen.lost_requests, "lost requests"),
        (seen.lost_answers, "lost answers"),
        (seen.throttled, "refused with 429"),
        (seen.refused, "refused with 503"),
        (seen.broken, "broken connections"),
        (seen.deaths, "deaths in mid request"),
        (seen.duplicated, "duplicate answers"),
        (seen.delayed, "delayed answers"),
        (seen.late, "late answers"),
    ] {
        fault(count, name);
    }
    if [Trouble::DiskFull, Trouble::FileSize].contains(&plan.trouble) {
        // No room was left, or nothing was survived.
        fault(u64::from(fs::write(nemesis::home().join("probe"), vec![0; 1 << 20]).is_err()), "writes to a full disk");
    }
    cloud.cleanup().await.unwrap();
}

/// Deploys; where descriptors are short, at first without success perhaps, and then with it.
async fn deployed(plan: &Plan, provider: &Faulty<Local>) -> Option<Cloud> {
    let builder = || {
        let builder = faast::with_provider(provider.clone()).concurrency(plan.concurrency).retries(RETRIES);
        let builder = builder.timeout(plan.timeout()).keep_logs();
        match plan.trouble {
            Trouble::Memory => builder.memory_mb(48),
            Trouble::DiskFull | Trouble::FileSize => builder.record(),
            _ => builder,
        }
    };
    if plan.trouble == Trouble::Descriptors {
        let few = nemesis::Descriptors::few(plan.seed % 24);
        match builder().deploy().await {
            Ok(cloud) => {
                // Calls need workers, and workers need descriptors: the first of them are started within the shortage.
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(150)).await;
                    drop(few);
                });
                fault(1, "descriptors exhausted");
                return Some(cloud);
            }
            Err(error) => {
                println!("@ deploy {:?}", error.kind());
                fault(1, "descriptors exhausted");
            }
        }
    }
    match builder().deploy().await {
        Ok(cloud) => Some(cloud),
        Err(error) => {
            println!("@ failed {error:?}");
            None
        }
    }
}

fn call(task: Task, plan: &Plan, notes: &str) -> Call<u64> {
    let again = plan.lossy;
    match task {
        Task::Double { n, millis } => {
            function::double::call(n, millis).retry_if(move |error: &Error| again && error.is_timeout())
        }
        Task::Bytes { len } => {
            let expected: Arc<[u8]> = bytes(len + 1).into();
            let call = function::next_bytes::call(bytes(len)).map(move |got| u64::from(got[..] == expected[1..]));
            call.retry_if(move |error: &Error| again && error.is_timeout())
        }
        Task::Once { n } => function::once::call(notes, n),
        Task::Prints { n } => function::prints::call(n, PRINTED),
        Task::Declines => function::declines::call(1),
        Task::Panics => function::panics::call(1),
        Task::Crashes { how } => function::crashes::call(how),
        Task::Hogs => function::hogs::call(),
    }
}

/// Bytes that count up.
fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|at| u8::try_from(at % 256).unwrap()).collect()
}

/// Reads a generator to its end, and says how many items came in order.
async fn stream(cloud: Cloud, at: usize, below: u64) {
    let mut items = cloud.stream(function::numbers::call(below));
    let mut next = 0;
    while let Some(item) = items.next().await {
        match item {
            Ok(number) if number == next => next += 1,
            Ok(_) => return told("stream", at as u64, Ok("out of order".into())),
            Err(error) => return told("stream", at as u64, Err(error)),
        }
    }
    told("stream", at as u64, Ok(next.to_string()));
}

fn told(what: &str, index: u64, result: Result<String, Error>) {
    match result {
        Ok(value) => println!("@ {what} {index} ok {value}"),
        Err(error) => {
            println!("@ {what} {index} err {:?}", error.kind());
            if error.kind() == ErrorKind::OutOfMemory {
                fault(1, "memory exhausted");
            }
            // For whoever has to find out why it was wrong.
            println!("  {error:?}");
        }
    }
}
