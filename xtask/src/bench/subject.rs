//! The side with faast: a program as a user would write it, chosen by its arguments. It prints one JSON value.

use anyhow::{Result, bail};

use super::{balance, death, journal, latency, payload, record, run, scale, startup, throughput};

/// Runs the subject that the arguments name.
#[faast::main]
pub(super) async fn main() -> Result<()> {
    let words = run::subject_arguments();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let answer = match words.as_slice() {
        ["hello"] => return startup::hello_world().await,
        ["phases"] => startup::phases().await?,
        ["latency", calls, place] => latency::sequence(calls.parse()?, place).await?,
        ["map", calls, workers] => throughput::map(calls.parse()?, workers.parse()?).await?,
        ["record", calls, recorded] => record::map(calls.parse()?, *recorded == "yes").await?,
        ["futures", rounds] => throughput::futures(rounds.parse()?).await?,
        ["strings", count, text] => payload::strings(count.parse()?, text).await?,
        ["bytes", rounds] => payload::bytes(rounds.parse()?).await?,
        ["even"] => balance::even().await?,
        ["mixed", shape] => balance::mixed(shape).await?,
        ["timeout", rounds] => death::timeout(rounds.parse()?).await?,
        ["kill", rounds] => death::kill(rounds.parse()?).await?,
        ["victim", workers] => return death::victim(workers.parse()?).await,
        ["journal", calls, turns] => journal::compare(calls.parse()?, turns.parse()?).await?,
        ["scale", workers] => scale::ready(workers.parse()?).await?,
        #[cfg(feature = "bench-aws")]
        ["aws-pack"] => super::aws::packing()?,
        #[cfg(feature = "bench-aws")]
        ["aws-first", endpoint] => super::aws::first_result(endpoint).await?,
        #[cfg(feature = "bench-aws")]
        ["aws-batch", endpoint, calls, batch] => super::aws::batched(endpoint, calls.parse()?, batch.parse()?).await?,
        #[cfg(feature = "bench-aws")]
        ["aws", endpoint, calls] => super::aws::map(endpoint, calls.parse()?).await?,
        #[cfg(feature = "bench-google")]
        ["google", endpoint, calls] => super::google::map(endpoint, calls.parse()?).await?,
        other => bail!("no subject {other:?}"),
    };
    println!("{answer}");
    Ok(())
}
