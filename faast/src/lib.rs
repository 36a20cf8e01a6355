#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

#[cfg(doctest)]
mod guide;

#[cfg(feature = "macros")]
pub use faast_macros::{function, main};

#[cfg(feature = "aws")]
pub use faast_aws::{Aws, CargoBuild};
#[doc(hidden)]
pub use faast_core::private as __private;
pub use faast_core::{
    Arch, Bound, Builder, Call, CancelToken, Cloud, CloudEvent, CloudEventKind, Context, Detail, Error, ErrorKind,
    Estimate, Events, FunctionStats, Gc, Hedge, Interval, Items, Keyed, Map, Quote, Result, Run, Stats, StreamCall,
    Timings, context, cost, journal,
};
// The packer's, as the other provider's is.
#[cfg(all(feature = "google", not(feature = "aws")))]
pub use faast_google::CargoBuild;
#[cfg(feature = "google")]
pub use faast_google::Google;
#[cfg(feature = "local")]
pub use faast_local::Local;

pub use faast_core::provider::Mode;

/// For authors of providers: the contract, and everything that is no cloud.
pub use faast_core as core;

/// A cloud of worker processes on this machine.
///
/// ```
/// # use faast::prelude::*;
/// # #[faast::function]
/// # fn double(n: u32) -> u32 {
/// #     n * 2
/// # }
/// # async fn example() -> faast::Result<()> {
/// let cloud = faast::local().concurrency(4).deploy().await?;
/// let doubled = cloud.run(double::call(21)).await?;
/// cloud.cleanup().await
/// # }
/// ```
#[cfg(feature = "local")]
pub fn local() -> Builder<Local> {
    Builder::new(Local::new())
}

/// AWS Lambda.
///
/// ```
/// # use faast::prelude::*;
/// # #[faast::function]
/// # fn double(n: u32) -> u32 {
/// #     n * 2
/// # }
/// # async fn example() -> faast::Result<()> {
/// let cloud = faast::aws().memory_mb(1024).deploy().await?;
/// let doubled = cloud.run(double::call(21)).await?;
/// cloud.cleanup().await
/// # }
/// ```
#[cfg(feature = "aws")]
pub fn aws() -> Builder<Aws> {
    Builder::new(Aws::new())
}

/// Google Cloud Run.
///
/// ```
/// # use faast::prelude::*;
/// # #[faast::function]
/// # fn double(n: u32) -> u32 {
/// #     n * 2
/// # }
/// # async fn example() -> faast::Result<()> {
/// let cloud = faast::google().memory_mb(1024).deploy().await?;
/// let doubled = cloud.run(double::call(21)).await?;
/// cloud.cleanup().await
/// # }
/// ```
#[cfg(feature = "google")]
pub fn google() -> Builder<Google> {
    Builder::new(Google::new())
}

/// A provider chosen at run time, by its name.
///
/// ```
/// # async fn example() -> faast::Result<()> {
/// let name = std::env::args().nth(1).unwrap_or_else(|| "local".into());
/// let cloud = faast::provider(&name)?.deploy().await?;
/// # cloud.cleanup().await
/// # }
/// ```
///
/// # Errors
///
/// [`ErrorKind::Config`] with the names that are known, when no such provider is linked.
pub fn provider(name: &str) -> Result<Builder<Box<dyn core::provider::CloudProvider>>> {
    Ok(Builder::new(core::provider::by_name(name)?))
}

/// A provider of one's own, or of a third party.
///
/// ```
/// # fn example(provider: impl faast::core::provider::CloudProvider) {
/// let builder = faast::with_provider(provider).concurrency(10);
/// # let _ = builder;
/// # }
/// ```
pub fn with_provider<P: core::provider::CloudProvider>(provider: P) -> Builder<P> {
    Builder::new(provider)
}

/// Being a worker, for programs with a `main` of their own.
pub mod worker {
    pub use faast_core::worker::init;
}

/// What most programs need.
///
/// ```
/// use faast::prelude::*;
/// ```
pub mod prelude {
    /// The crate itself, so that the import is never an unused one.
    #[doc(no_inline)]
    pub use crate as faast;
    #[cfg(feature = "aws")]
    pub use faast_aws::AwsOptions;
    pub use faast_core::{Call, Cloud, StreamCall};
    #[cfg(feature = "google")]
    pub use faast_google::GoogleOptions;
    #[cfg(feature = "local")]
    pub use faast_local::LocalOptions;
}

/// Lets the workers of a test binary start; write it once in each test file that deploys.
///
/// ```
/// faast::test_worker!();
/// ```
#[macro_export]
macro_rules! test_worker {
    () => {
        #[test]
        fn faast_worker() {
            $crate::__private::test_worker();
        }

        $crate::__private::inventory::submit! {
            $crate::__private::TestWorker(::core::concat!(::core::module_path!(), "::faast_worker"))
        }
    };
}
