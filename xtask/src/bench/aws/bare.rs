//! The same calls without faast: a loop of the SDK's own client, and hyper with requests that are signed one by one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, ensure};
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::LogType;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_http_client::pool::{Client as PoolClient, ConnectionPool};
use aws_smithy_types::base64;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::super::cloud::bare::{in_flight, request, timed};
use super::{AT_ONCE, FUNCTION, REGION, WARM_UP};

/// A body as faast sends it for one call.
fn body(id: u64) -> Bytes {
    format!("\"{}\"", base64::encode(request(id))).into()
}

fn credentials() -> Credentials {
    Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None, None, "bench")
}

/// How the program is configured that faast is compared with, and faast itself.
pub(super) fn config(endpoint: &str) -> aws_config::SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(credentials()))
        .build()
}

/// A thousand tasks that call one after the other, on the SDK's client with a pool that is large enough.
pub(super) fn sdk(endpoint: &str, calls: u32) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let measured = runtime.block_on(async {
        let pool = ConnectionPool::builder()
            .max_connections_per_host(AT_ONCE)
            .tcp_keepalive(Duration::from_mins(1))
            .idle_timeout(Duration::from_secs(20))
            .build_http()?;
        let config = aws_sdk_lambda::config::Builder::from(&config(endpoint))
            .http_client(PoolClient::new(&pool)?)
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .timeout_config(TimeoutConfig::builder().connect_timeout(Duration::from_secs(10)).build())
            .build();
        let client = aws_sdk_lambda::Client::from_conf(config);
        let call = move |id: u64| {
            let client = client.clone();
            async move {
                let request = client.invoke().function_name(FUNCTION).log_type(LogType::Tail);
                let output = request.payload(Blob::new(body(id))).send().await?;
                ensure!(output.function_error.is_none() && output.log_result.is_some(), "{output:?}");
                ensure!(output.payload.is_some_and(|it| it.as_ref().len() > 2), "an empty answer");
                Ok(())
            }
        };
        timed(WARM_UP, calls, |calls| in_flight(AT_ONCE, calls, call.clone())).await
    })?;
    println!("{measured}");
    Ok(())
}

/// A thousand connections on one thread; each request is signed and sent, each answer read and nothing more.
pub(super) fn hyper(endpoint: &str, calls: u32) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    let measured = local.block_on(&runtime, async {
        let host = endpoint.strip_prefix("http://").context("no http")?;
        timed(WARM_UP, calls, |calls| connections(host, calls)).await
    })?;
    println!("{measured}");
    Ok(())
}

async fn connections(host: &str, calls: u32) -> Result<()> {
    let next = Arc::new(AtomicU32::new(0));
    let tasks: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (next, host) = (Arc::clone(&next), host.to_owned());
            tokio::task::spawn_local(async move {
                let stream = TcpStream::connect(&host).await?;
                stream.set_nodelay(true)?;
                let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
                tokio::task::spawn_local(connection);
                loop {
                    let id = next.fetch_add(1, Ordering::Relaxed);
                    if id >= calls {
                        return anyhow::Ok(());
                    }
                    sender.ready().await?;
                    let response = sender.send_request(signed(&host, body(id.into()))?).await?;
                    ensure!(response.status() == 200, "{response:?}");
                    ensure!(response.into_body().collect().await?.to_bytes().len() > 2, "an empty answer");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(())
}

fn signed(host: &str, body: Bytes) -> Result<http::Request<Full<Bytes>>> {
    let identity = credentials().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(REGION)
        .name("lambda")
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()?
        .into();
    let path = format!("/2015-03-31/functions/{FUNCTION}/invocations");
    let headers = [("host", host), ("x-amz-log-type", "Tail")];
    let url = format!("http://{host}{path}");
    let signable = SignableRequest::new("POST", &url, headers.into_iter(), SignableBody::Bytes(&body))?;
    let (instructions, _) = sign(signable, &params)?.into_parts();
    let mut request = http::Request::post(path).header("host", host).header("x-amz-log-type", "Tail");
    for (name, value) in instructions.headers() {
        request = request.header(name, value);
    }
    Ok(request.body(Full::new(body))?)
}
