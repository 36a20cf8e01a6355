//! Where Lambda is: the endpoint of the region, or the one that the configuration names.

use aws_config::SdkConfig;
use aws_sdk_lambda::config::endpoint::{DefaultResolver, Params, ResolveEndpoint as _};
use aws_types::service_config::ServiceConfigKey;
use faast_core::{Error, ErrorKind, Result};
use futures_util::FutureExt as _;
use http::Uri;

/// As the SDK's own client would find it.
///
/// # Errors
///
/// [`Config`](ErrorKind::Config) without a region, or for an endpoint that is no URL.
pub(crate) fn of_lambda(sdk: &SdkConfig) -> Result<Uri> {
    let url = match configured(sdk) {
        Some(url) => url,
        None => of_region(sdk)?,
    };
    let invalid = |why: &str| {
        Error::new(ErrorKind::Config, format!("the endpoint `{url}` is invalid: {why}"))
            .with_hint("it has to look like `https://lambda.us-west-2.amazonaws.com`")
    };
    let uri: Uri = url.parse().map_err(|error| invalid("it is no URL").with_source(error))?;
    match uri.scheme_str() {
        Some("http" | "https") if uri.host().is_some() => Ok(uri),
        _ => Err(invalid("it has neither `http://` nor `https://`")),
    }
}

/// What the program, the environment or the profile says.
fn configured(sdk: &SdkConfig) -> Option<String> {
    let general = sdk.endpoint_url().map(str::to_owned);
    if sdk.get_origin("endpoint_url").is_client_config() {
        return general;
    }
    let key = ServiceConfigKey::builder().service_id("Lambda").env("AWS_ENDPOINT_URL").profile("endpoint_url").build();
    let of_lambda = sdk.service_config().zip(key.ok()).and_then(|(config, key)| config.load_config(key));
    of_lambda.or(general)
}

fn of_region(sdk: &SdkConfig) -> Result<String> {
    let no_endpoint = |source: Box<dyn std::error::Error + Send + Sync>| {
        Error::new(ErrorKind::Config, "the endpoint of Lambda can't be told")
            .with_hint("set a region: `.region(..)` on the builder, or `AWS_REGION`")
            .with_source(source)
    };
    let params = Params::builder()
        .set_region(sdk.region().map(ToString::to_string))
        .set_use_fips(sdk.use_fips())
        .set_use_dual_stack(sdk.use_dual_stack())
        .build()
        .map_err(|error| no_endpoint(error.into()))?;
    // A table: never has to be waited for.
    let endpoint = DefaultResolver::new().resolve_endpoint(&params).now_or_never();
    let endpoint = endpoint.ok_or_else(|| no_endpoint("it is not in the table".into()))?;
    endpoint.map(|endpoint| endpoint.url().to_owned()).map_err(no_endpoint)
}

#[cfg(test)]
mod tests {
    use aws_config::Region;

    use super::*;

    fn of(config: aws_types::sdk_config::Builder) -> String {
        of_lambda(&config.build()).unwrap().to_string()
    }

    #[test]
    fn a_region_has_its_endpoint() {
        let config = |region| SdkConfig::builder().region(Region::new(region));
        assert_eq!(of(config("eu-west-1")), "https://lambda.eu-west-1.amazonaws.com/");
        assert_eq!(of(config("us-gov-west-1").use_fips(true)), "https://lambda-fips.us-gov-west-1.amazonaws.com/");
        assert_eq!(of(config("us-east-1").use_dual_stack(true)), "https://lambda.us-east-1.api.aws/");
    }

    #[test]
    fn a_configured_endpoint_is_taken_as_it_is() {
        assert_eq!(of(SdkConfig::builder().endpoint_url("http://127.0.0.1:4566")), "http://127.0.0.1:4566/");
    }

    #[test]
    fn no_region_and_no_url_are_refused_with_what_to_do() {
        let error = of_lambda(&SdkConfig::builder().build()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.hint().unwrap().contains("AWS_REGION"), "{error:?}");
        for url in ["localhost:4566", "ftp://host", "http://"] {
            let error = of_lambda(&SdkConfig::builder().endpoint_url(url).build()).unwrap_err();
            assert!(error.message().contains(url), "{error:?}");
        }
    }
}
