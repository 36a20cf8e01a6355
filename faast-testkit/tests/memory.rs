//! The conformance suite against the provider in memory, with several sets of capabilities and in both modes.

use faast_testkit::memory::Memory;

mod everything {
    use super::Memory;

    faast_testkit::conformance!(provider: Memory::new(), workers: threads);
}

mod as_little_as_possible {
    //! Unary calls, one in a request, small payloads without a store, nothing to cancel.

    use faast_core::provider::{CancelSupport, Capabilities, Mode};

    use super::Memory;

    fn least() -> Memory {
        Memory::new()
            .capabilities(|caps| {
                caps.streams = false;
                caps.cancel = CancelSupport::None;
                caps.spill = false;
                caps.max_batch = 1;
                caps.max_request_bytes = Some(4 * 1024);
                caps.max_response_bytes = Some(4 * 1024);
                caps.max_timeout = Some(std::time::Duration::from_mins(1));
            })
            .capabilities_of(Mode::Queue, |caps| *caps = Capabilities::unsupported())
    }

    faast_testkit::conformance!(provider: least(), workers: threads);
}

mod spilling {
    //! Nearly everything goes through the store.

    use super::Memory;

    fn narrow() -> Memory {
        Memory::new().capabilities(|caps| {
            caps.max_request_bytes = Some(2 * 1024);
            caps.max_response_bytes = Some(512);
        })
    }

    faast_testkit::conformance!(provider: narrow(), workers: threads);
}

mod automatic_batches {
    //! Core fills requests with short calls by itself, as it does for local workers.

    use super::Memory;

    fn filled() -> Memory {
        Memory::new().capabilities(|caps| {
            caps.auto_batch = true;
            caps.max_batch = 4096;
        })
    }

    faast_testkit::conformance!(provider: filled(), workers: threads);
}

mod queue {
    use faast_core::provider::Mode;

    use super::Memory;

    faast_testkit::conformance!(provider: Memory::new(), workers: threads, mode: Mode::Queue);
}

mod queue_that_delivers_twice {
    use faast_core::provider::Mode;

    use super::Memory;

    fn twice() -> Memory {
        Memory::new().capabilities_of(Mode::Queue, |caps| caps.duplicates = true)
    }

    faast_testkit::conformance!(provider: twice(), workers: threads, mode: Mode::Queue);
}
