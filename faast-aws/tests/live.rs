//! The conformance suite in a real account; `cargo xtask test-aws` starts it and sweeps afterwards.
//!
//! Nothing is made before the account has said that it is the one that was named. Every deployment has its share of the
//! run's budget, so that the run as a whole can't cost more.

#![expect(clippy::panic, reason = "helpers of tests fail as tests do")]

use std::sync::LazyLock;
use std::time::Duration;

use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use faast_aws::{Aws, AwsOptions as _};
use faast_testkit::conformance::Defaults;

/// More than the suite makes.
const DEPLOYMENTS: f64 = 150.0;

fn told(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `cargo xtask test-aws`"))
}

/// The account, once it has said who it is. A thread of its own: the test that comes first has a runtime already.
static ACCOUNT: LazyLock<Result<String, String>> = LazyLock::new(|| {
    let ask = || {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|it| it.to_string())?;
        runtime.block_on(async {
            let https = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
            let config = aws_config::defaults(aws_config::BehaviorVersion::latest()).http_client(https).load().await;
            let answer = aws_sdk_sts::Client::new(&config).get_caller_identity().send().await;
            let answer = answer.map_err(|error| format!("{}", aws_sdk_sts::error::DisplayErrorContext(error)))?;
            Ok(answer.account.unwrap_or_default())
        })
    };
    std::thread::spawn(ask).join().unwrap_or_else(|_| Err("asking for it panicked".to_owned()))
});

/// Refuses every account but the one that was named.
fn allowed() {
    let named = told("FAAST_TEST_AWS_ACCOUNT");
    match &*ACCOUNT {
        Ok(account) if *account == named => {}
        Ok(account) => panic!("the credentials are of the account {account}, and {named} is the one that was named"),
        Err(error) => panic!("the account does not say who it is: {error}"),
    }
}

fn aws() -> Aws {
    allowed();
    let mut builder =
        faast_core::Builder::new(Aws::new()).least_privilege().tag("faast-test-run", told("FAAST_TEST_AWS_RUN"));
    builder.provider_mut().clone()
}

fn defaults() -> Defaults {
    let budget: f64 = told("FAAST_TEST_AWS_BUDGET_USD").parse().expect("xtask has checked it");
    // Small and short, so that a call's worst case fits into the share many times.
    Defaults::default().memory_mb(256).timeout(Duration::from_secs(20)).budget_usd(budget / DEPLOYMENTS)
}

faast_testkit::conformance!(provider: aws(), workers: remote, defaults: defaults());
