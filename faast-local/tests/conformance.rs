//! The conformance suite against worker processes, and against the in-process mode for debuggers.

use faast_local::Local;

mod worker_processes {
    use super::Local;

    faast_testkit::conformance!(provider: Local::new(), workers: processes);
}

mod queued {
    use faast_core::provider::Mode;

    use super::Local;

    faast_testkit::conformance!(provider: Local::new(), workers: processes, mode: Mode::Queue);
}

mod in_process {
    use faast_core::Builder;
    use faast_local::LocalOptions as _;

    use super::Local;

    fn threads() -> Local {
        Builder::new(Local::new()).in_process().provider_mut().clone()
    }

    faast_testkit::conformance!(provider: threads(), workers: threads);
}
