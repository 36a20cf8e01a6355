//! The bill: what a deployment says that it cost, beside what the emulator has metered and what a hand computes, to a
//! billionth of a dollar.
//!
//! Google tells nobody what it bills: faast reckons with the clocks of workers, the emulator with its own. Both round up to
//! tenths of a second, so that a request can end in different steps where a machine was held up just then. Times may differ
//! in whole steps only, and what is compared to the end are runs in which no request did.

use std::time::Duration;

use faast_core::cost::CostReport;
use faast_core::provider::Mode;
use faast_core::{Cloud, Hedge};
use faast_google::GoogleOptions as _;
use faast_testkit::emulator_google::{Bill, Faults, GoogleEmulator};

use super::{noise, on, shaky, slow};

/// Prices as the emulator's catalog has them: twice the real ones.
const CPU_SECOND: f64 = 0.000_048;
const GIB_SECOND: f64 = 0.000_005;
const REQUEST: f64 = 0.000_000_8;

/// Of which the catalog has that of a TiB.
const MESSAGES_GIB: f64 = 80.0 / 1024.0;

/// It is not in the catalog.
const TRANSFER_GIB: f64 = 0.12;

/// What faast reckons for the headers of an answer, in bytes.
const HEADERS: u64 = 512;

/// Billed time goes in such steps.
const STEP_SECONDS: f64 = 0.1;

const CLOSE: f64 = 1e-9;

/// For so long nothing is added to a bill that is complete.
const QUIET: Duration = Duration::from_millis(300);

/// Both bills at one moment.
#[derive(Debug, Clone, PartialEq)]
struct Bills {
    faast: CostReport,
    google: Bill,
}

impl Bills {
    /// Waits until the last attempt has ended, the losers of hedging among them, and everything is counted.
    async fn settled(cloud: &Cloud, google: &GoogleEmulator) -> Self {
        let look = async || Self { faast: cloud.cost().await, google: google.bill() };
        let mut before = look().await;
        loop {
            tokio::time::sleep(QUIET).await;
            let now = look().await;
            if now == before && cloud.stats().in_flight == 0 {
                return now;
            }
            before = now;
        }
    }

    fn usd(&self, metric: &str) -> f64 {
        self.faast.lines.iter().find(|line| line.metric == metric).map_or(0.0, |line| line.cost_usd)
    }

    /// Dollars for a metric since then.
    fn usd_since(&self, before: &Self, metric: &str) -> f64 {
        self.usd(metric) - before.usd(metric)
    }

    /// What was metered since then.
    fn metered_since(&self, before: &Self) -> Bill {
        let (now, then) = (&self.google, &before.google);
        let mut bill = Bill::default();
        bill.requests = now.requests - then.requests;
        bill.billed_ms = now.billed_ms - then.billed_ms;
        bill.ms_mcpu = now.ms_mcpu - then.ms_mcpu;
        bill.ms_mib = now.ms_mib - then.ms_mib;
        bill.answer_bytes = now.answer_bytes - then.answer_bytes;
        bill.published_bytes = now.published_bytes - then.published_bytes;
        bill.delivered_bytes = now.delivered_bytes - then.delivered_bytes;
        bill
    }
}

fn is_close(billed: f64, metered: f64, what: &str) {
    assert!((billed - metered).abs() < CLOSE, "{what}: {billed} is not {metered}");
}

/// Compares all lines; gives the steps of time that one clock saw and the other did not.
fn compare(before: &Bills, after: &Bills, gib: f64, what: &str) -> f64 {
    let metered = after.metered_since(before);
    let transfer = (metered.answer_bytes + HEADERS * metered.requests) as f64 / f64::from(1 << 30) * TRANSFER_GIB;
    is_close(after.usd_since(before, "requests"), metered.requests as f64 * REQUEST, what);
    is_close(after.usd_since(before, "transfer out"), transfer, what);
    let (cpu, memory) = (metered.cpu_seconds() * CPU_SECOND, metered.gib_seconds() * GIB_SECOND);
    let steps = ((after.usd_since(before, "vCPU") - cpu) / (STEP_SECONDS * CPU_SECOND)).round();
    is_close(after.usd_since(before, "vCPU"), cpu + steps * STEP_SECONDS * CPU_SECOND, what);
    is_close(after.usd_since(before, "memory"), memory + steps * STEP_SECONDS * gib * GIB_SECOND, what);
    assert!(steps.abs() <= metered.requests as f64, "{what}: {steps} steps in {} requests", metered.requests);
    steps
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_retries_and_hedges_cost_what_the_emulator_meters() {
    const CALLS: u32 = 40;
    // Two clocks, each rounded up to steps: on a busy machine it takes some seeds until they agree in every request.
    for seed in 0.. {
        let faults = Faults { throttled: 0.05, ..Faults::default() };
        let google = GoogleEmulator::builder().faults(faults).seed(seed).start();
        let cloud = on(&google.endpoint()).memory_mb(512).cpu(1.0).concurrency(4).hedge(Hedge::On);
        let cloud = cloud.timeout(Duration::from_secs(20)).deploy().await.unwrap();
        // Starts of instances are on the bill of their first requests, and what is compared begins behind them.
        cloud.map((0..8).map(|n| slow::call(n, 300))).try_collect().await.unwrap();
        let before = Bills::settled(&cloud, &google).await;
        let calls = (0..CALLS).map(|n| shaky::call(n, seed).retry_if(|_| true));
        let sum: u32 = cloud.map(calls).try_collect().await.unwrap().iter().sum();
        assert_eq!(sum, CALLS * (CALLS - 1) / 2);

        let after = Bills::settled(&cloud, &google).await;
        let stats = cloud.stats();
        let runs = after.metered_since(&before).requests;
        assert!(stats.retried >= 4 && stats.hedged >= 1, "{stats:?}");
        assert!(runs >= u64::from(CALLS) + stats.hedged, "{runs} runs");
        let steps = compare(&before, &after, 0.5, &format!("seed {seed}"));
        let (retried, hedged) = (stats.retried, stats.hedged);
        println!("seed {seed}: {CALLS} calls, {retried} retried, {hedged} hedged, {runs} runs, {steps} steps apart");
        println!("{}", after.faast);
        cloud.cleanup().await.unwrap();
        if steps == 0.0 {
            return;
        }
    }
}

/// Calls of a quarter of a second, on half a processor and 512 MiB, one after the other: three steps each.
#[tokio::test(flavor = "multi_thread")]
async fn a_bill_is_the_one_that_a_hand_computes() {
    const CALLS: u32 = 4;
    let google = GoogleEmulator::start();
    let cloud = on(&google.endpoint()).memory_mb(512).cpu(0.5).concurrency(1).hedge(Hedge::Off).deploy().await.unwrap();
    cloud.run(slow::call(0, 0)).await.unwrap();
    loop {
        let before = Bills::settled(&cloud, &google).await;
        for n in 0..CALLS {
            assert_eq!(cloud.run(slow::call(n, 250)).await.unwrap(), n);
        }
        let after = Bills::settled(&cloud, &google).await;
        let metered = after.metered_since(&before);
        let steps = compare(&before, &after, 0.5, "by hand");
        println!("{CALLS} calls, {} ms billed, {steps} steps apart", metered.billed_ms);
        // A call that took longer, because the machine was held up, is not the one that was reckoned with.
        if metered.billed_ms == 1_200 && steps == 0.0 {
            let total = |bills: &Bills| bills.faast.total_usd() - bills.usd("transfer out");
            // 4 × 0.3 s × (0.5 × $0.000048 + 0.5 GiB × $0.000005) + 4 × $0.0000008
            is_close(total(&after) - total(&before), 0.000_035, "by hand");
            break;
        }
    }
    cloud.cleanup().await.unwrap();
}

/// Every message of a job through Pub/Sub, whichever way it goes, is metered by the emulator as it is on faast's bill.
#[tokio::test(flavor = "multi_thread")]
async fn in_queue_mode_every_byte_of_a_message_is_on_the_bill_once() {
    const CALLS: u32 = 20;
    let google = GoogleEmulator::start();
    let cloud = on(&google.endpoint()).mode(Mode::Queue).memory_mb(512).concurrency(4).deploy().await.unwrap();
    cloud.run(slow::call(0, 0)).await.unwrap();
    let before = Bills::settled(&cloud, &google).await;
    let calls = (0..CALLS).map(|n| noise::call(n.into(), if n % 2 == 0 { 10 } else { 20_000 }));
    assert_eq!(cloud.map(calls).try_collect().await.unwrap().len(), CALLS as usize);
    let after = Bills::settled(&cloud, &google).await;
    let metered = after.metered_since(&before);
    assert_eq!(metered.requests, u64::from(CALLS), "none is delivered twice");
    let (published, delivered) = (metered.published_bytes, metered.delivered_bytes);
    // A request and two answers each, one of which is large for every second call.
    assert!((250_000..260_000).contains(&published), "{published}");
    let usd = (published + delivered) as f64 / f64::from(1 << 30) * MESSAGES_GIB;
    is_close(after.usd_since(&before, "messages"), usd, "messages");
    is_close(after.usd_since(&before, "requests"), f64::from(CALLS) * REQUEST, "requests");
    println!("{CALLS} calls: {published} bytes published, {delivered} delivered, ${usd:.9}");
    cloud.cleanup().await.unwrap();
}
