//! The conformance suite under AWS's own runtime code: the worker in aws-lambda-rie, the client's real data plane.
//!
//! RIE is one execution environment with one invocation at a time. What stands in front of environments in Lambda (a
//! name, scaling, the header that marks an error) is `front.rs`; there is no control plane, and no streamed answer, so
//! that the provider here says that it has none.

mod environment;
mod front;
mod provider;

mod suite {
    use super::provider::Rie;

    faast_testkit::conformance!(provider: Rie, workers: remote);
}
