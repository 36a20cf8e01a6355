//! What a seed means: the calls of a job, the faults on the line, and the trouble of the machine.

use std::time::Duration;

use faast_testkit::fault::Faults;
use fastrand::Rng;

/// What happens to the machine or the processes while the job runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Only the line is bad.
    None,
    /// Workers are killed with SIGKILL.
    KillWorkers,
    /// Workers are stopped with SIGSTOP, and never go on.
    StopWorkers,
    /// The client is stopped with SIGSTOP and goes on.
    PauseClient,
    /// The client is killed with SIGKILL.
    KillClient,
    /// Nothing more can be written below `FAAST_HOME`: no space is left on its file system.
    DiskFull,
    /// Files can't grow above a size.
    FileSize,
    /// The process may open no more files, from the deployment on.
    Descriptors,
    /// Workers have little memory, and some calls take it all.
    Memory,
}

impl Trouble {
    pub(crate) const ALL: &[Self] = &[
        Self::None,
        Self::KillWorkers,
        Self::StopWorkers,
        Self::PauseClient,
        Self::KillClient,
        Self::DiskFull,
        Self::FileSize,
        Self::Descriptors,
        Self::Memory,
    ];
}

/// The names under which clients report faults; each has to come in an ordinary run.
pub(crate) const EVERY_FAULT: &[&str] = &[
    "lost requests",
    "lost answers",
    "refused with 429",
    "refused with 503",
    "broken connections",
    "deaths in mid request",
    "duplicate answers",
    "delayed answers",
    "late answers",
    "answers out of order",
    "workers killed",
    "workers stopped",
    "clients paused",
    "clients killed",
    "writes to a full disk",
    "descriptors exhausted",
    "memory exhausted",
];

/// One call of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    Double { n: u64, millis: u64 },
    Bytes { len: usize },
    Once { n: u64 },
    Prints { n: u64 },
    Declines,
    Panics,
    Crashes { how: u64 },
    Hogs,
}

/// Everything that a seed decides.
#[derive(Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) trouble: Trouble,
    pub(crate) faults: Faults,
    /// Something is never answered: only the caller's clock ends it.
    pub(crate) lossy: bool,
    pub(crate) concurrency: usize,
    pub(crate) tasks: Vec<Task>,
    /// Lengths of generators.
    pub(crate) streams: Vec<u64>,
    /// Pauses between what is done to processes.
    pub(crate) moments: Vec<Duration>,
}

impl Plan {
    pub(crate) fn of(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed ^ 0x00fa_a57f_a117);
        let count = Trouble::ALL.len() as u64;
        let trouble = Trouble::ALL[usize::try_from(seed % count).unwrap()];
        let lossy = trouble == Trouble::StopWorkers || (trouble == Trouble::None && rng.bool());
        let mut rate = |most: f64| most * rng.f64();
        let faults = Faults::seed(seed)
            .loss(if trouble == Trouble::None && lossy { 0.2 } else { 0.0 })
            .delay(rate(0.2), Duration::from_millis(15))
            .duplicates(rate(0.2))
            .throttling(rate(0.2))
            .unavailable(rate(0.2))
            .worker_death(rate(0.1));
        let tasks = (0..rng.u64(30..90)).map(|n| Task::of(n, trouble, &mut rng)).collect();
        let longest = if trouble == Trouble::KillClient { 250 } else { 30 };
        Self {
            seed,
            trouble,
            faults,
            lossy,
            // What is lost is waited for, many seconds each.
            concurrency: if lossy { rng.usize(6..10) } else { rng.usize(1..5) },
            tasks,
            streams: (0..3).map(|_| rng.u64(0..400)).collect(),
            moments: (0..rng.usize(1..7)).map(|_| Duration::from_micros(rng.u64(500..longest * 1000))).collect(),
        }
    }

    /// The time of an attempt: short only where it has to be waited for.
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(if self.lossy { 3 } else { 120 })
    }
}

impl Task {
    fn of(n: u64, trouble: Trouble, rng: &mut Rng) -> Self {
        match rng.u8(0..24) {
            0..=9 => Self::Double { n, millis: 0 },
            10..=12 => Self::Double { n, millis: rng.u64(0..12) },
            13 | 14 => Self::Bytes { len: rng.usize(0..40_000) },
            15 => Self::Bytes { len: rng.usize(0..1_500_000) },
            16..=18 => Self::Once { n },
            19 => Self::Prints { n },
            20 if [Trouble::DiskFull, Trouble::FileSize].contains(&trouble) => Self::Prints { n },
            20 => Self::Declines,
            21 => Self::Panics,
            22 => Self::Crashes { how: n },
            _ if trouble == Trouble::Memory => Self::Hogs,
            _ => Self::Double { n, millis: 1 },
        }
    }
}
