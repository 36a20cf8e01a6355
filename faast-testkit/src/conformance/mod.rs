//! The conformance suite: one named test for each promise of the provider contract.
//!
//! [`conformance!`](crate::conformance!) expands into the tests that a provider has to pass; each promise is also a
//! function here and can be called singly, with [`check`]. There is a mandatory set; what else there is to promise
//! depends on what the [`Workers`] are. A promise that depends on a capability is kept by a provider that has it, and is
//! a refusal without a side effect in one that has not. No test is ever skipped.
//!
//! Concurrency and order are computed from what workers saw, never from the dispatcher's own counters.

// A promise that is not kept is a panic: that is how tests fail.
#![expect(clippy::missing_panics_doc, reason = "every promise panics when it is not kept")]

mod capability;
mod factory;
mod failure;
mod lifecycle;
mod process;
mod result;
mod spy;
mod stream;
mod witness;

pub use self::capability::*;
pub use self::factory::{Defaults, Factory, Workers, check};
pub use self::failure::*;
pub use self::lifecycle::*;
pub use self::process::*;
pub use self::result::*;
pub use self::stream::*;

/// One named test for each promise, for a provider.
///
/// `provider` is an expression that makes it, afresh for each deployment; `workers` is `threads`, `processes` or
/// `remote`, see [`Workers`](crate::conformance::Workers); `mode` and `defaults` are optional. Several instances in one file go into
/// modules of their own.
///
/// ```
/// # #![allow(unused_imports)]
/// mod in_memory {
///     use faast_testkit::memory::Memory;
///
///     faast_testkit::conformance!(provider: Memory::new(), workers: threads);
/// }
/// ```
#[macro_export]
macro_rules! conformance {
    (provider: $provider:expr, workers: $workers:ident $(, mode: $mode:expr)? $(, defaults: $defaults:expr)? $(,)?) => {
        $crate::test_worker!();

        fn conformance_factory() -> $crate::conformance::Factory {
            $crate::conformance::Factory::new($crate::promises!(@workers $workers), || $provider)
                $(.mode($mode))?
                $(.defaults($defaults))?
        }

        $crate::promises!(mandatory);
        $crate::promises!($workers);
    };
}

/// The entry through which a process becomes a worker of a test binary, as `faast::test_worker!()` makes it.
#[macro_export]
macro_rules! test_worker {
    () => {
        #[test]
        fn faast_test_worker() {
            $crate::__private::test_worker();
        }

        $crate::__private::inventory::submit! {
            $crate::__private::TestWorker(concat!(module_path!(), "::faast_test_worker"))
        }
    };
}

/// The promises, by who has to keep them.
#[doc(hidden)]
#[macro_export]
macro_rules! promises {
    (@workers threads) => { $crate::conformance::Workers::Threads };
    (@workers processes) => { $crate::conformance::Workers::Processes };
    (@workers remote) => { $crate::conformance::Workers::Remote };

    (@tests $($name:ident)+) => {$(
        #[test]
        fn $name() {
            $crate::conformance::check(&conformance_factory(), $crate::conformance::$name);
        }
    )+};

    // What every provider promises.
    (mandatory) => { $crate::promises! { @tests
        a_function_returns_its_value
        an_async_function_returns_its_value
        values_cross_exactly
        results_come_in_completion_order_with_their_index
        every_result_arrives_once_under_its_index
        results_can_be_had_in_input_order
        an_empty_map_ends_at_once
        one_map_can_mix_functions
        results_come_with_the_callers_key

        errors_come_back_as_their_type
        a_panic_fails_its_own_call_with_message_and_place
        failures_of_user_code_are_not_retried_by_themselves
        retries_are_made_when_asked_for
        a_timeout_ends_an_endless_loop
        unknown_functions_are_named
        a_stale_signature_is_refused
        a_worker_of_another_build_is_refused
        arguments_that_fail_to_decode_fail_their_own_call
        arguments_that_fail_to_encode_are_never_sent
        try_collect_ends_with_the_first_error
        log_urls_are_in_errors_and_details

        concurrency_is_reached_and_never_exceeded
        detail_names_the_instance
        statistics_count_what_ended
        every_attempt_is_metered
        cleanup_is_idempotent
        cleanup_leaves_nothing
        cleanup_settles_pending_calls_as_canceled
        calls_after_cleanup_are_refused
        canceling_a_call_gives_its_place_back
        canceling_a_map_leaves_the_deployment_usable
        two_deployments_do_not_touch_each_other

        a_generator_yields_items_as_they_are_made
        a_generator_that_fails_delivers_its_items_first
        a_generator_that_hangs_delivers_its_items_first
        a_mode_works_or_is_refused
        a_batch_answers_each_call
        one_poisoned_call_of_a_batch_fails_alone
        large_arguments_and_results_cross
        limits_of_time_and_memory_are_kept
        a_duplicate_answer_is_counted_and_dropped
    } };

    // What can be seen only on a disk that client and workers share.
    (@witnessed) => { $crate::promises! { @tests
        breaking_a_stream_off_stops_the_worker
        canceling_a_call_does_what_the_capability_says
        non_idempotent_functions_run_once
    } };

    // What a process of its own makes possible, and what can happen to it.
    (@process) => { $crate::promises! { @tests
        an_exit_fails_its_own_call
        an_abort_fails_its_own_call
        a_segfault_fails_its_own_call
        a_stack_overflow_fails_its_own_call
        of_a_request_that_crashes_only_the_started_call_is_lost
        crashes_among_many_calls_lose_nothing
        memory_above_the_limit_fails_its_own_call
        env_reaches_workers
        included_files_are_there
    } };

    // What can be told apart only on the client's machine.
    (@nearby) => { $crate::promises! { @tests
        a_killed_worker_is_replaced_and_its_call_retried
        a_worker_serves_many_calls
        the_log_of_a_failure_has_its_words
    } };

    (threads) => {
        $crate::promises!(@witnessed);
        $crate::promises! { @tests what_threads_can_not_have_is_refused }
    };
    (processes) => {
        $crate::promises!(@witnessed);
        $crate::promises!(@process);
        $crate::promises!(@nearby);
    };
    (remote) => { $crate::promises!(@process); };
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_promise_is_in_the_macro() {
        let list = include_str!("mod.rs");
        let sources = [
            include_str!("capability.rs"),
            include_str!("failure.rs"),
            include_str!("lifecycle.rs"),
            include_str!("process.rs"),
            include_str!("result.rs"),
            include_str!("stream.rs"),
        ];
        for name in sources.iter().flat_map(|source| source.split("\npub async fn ").skip(1)) {
            let name = name.split('(').next().unwrap();
            let listed = list.lines().any(|line| line.split_whitespace().any(|word| word == name));
            assert!(listed, "`{name}` is in no list of `promises!`");
        }
    }
}
