//! What the SDK does, on the channel `faast:awssdk`: a line for each attempt, without anything that was sent or came back.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::FinalizerInterceptorContextRef;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::retries::RequestAttempts;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use faast_core::log::Channel;

/// Hangs in each client of the control plane.
#[derive(Debug, Clone, Copy)]
pub(super) struct Narration;

impl Intercept for Narration {
    fn name(&self) -> &'static str {
        "Narration"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if !faast_core::log::enabled(Channel::AwsSdk) {
            return Ok(());
        }
        let (service, operation) =
            config.load::<Metadata>().map_or(("?", "?"), |metadata| (metadata.service(), metadata.name()));
        let attempt = config.load::<RequestAttempts>().map_or(1, RequestAttempts::attempts);
        let status = context.response().map(|response| response.status().to_string());
        let status = status.as_deref().unwrap_or("no answer");
        faast_core::log!(Channel::AwsSdk, "{service}.{operation}, attempt {attempt}: {status}");
        Ok(())
    }
}
