//! One port for all services: reads a request whole, finds out its service and operation, has it carried out, records it.
//!
//! The service is the one of the signature's scope, else of `X-Amz-Target`, else of the path. A request that was taken is
//! carried out to its end, also when its client is gone. What operations mean is each service's own matter.

use std::io;
use std::net::TcpListener as StdListener;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::connect_info::ConnectInfo;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Response};
use tokio::net::TcpListener;

use super::clock::http_date;
use super::fault::Fate;
use super::protocol::{ApiError, ApiRequest, Protocol, Reply, Service, new_id, pairs};
use super::state::Shared;
use super::{REGION, iam, lambda, logs, pricing, s3, sns, sqs, sts, tagging};
use crate::emulator::call::{ApiCall, Moment, Then};
use crate::emulator::connection::{Connections, Cut};

/// More than an archive that Lambda unpacks can have; Lambda's own limit for requests is below it and has its own text.
const BODY_LIMIT: usize = 300 << 20;

/// Serves until it is aborted.
pub(super) async fn serve(emulator: Shared, listener: StdListener) -> io::Result<()> {
    let listener = Connections::new(TcpListener::from_std(listener)?);
    let router = Router::new().fallback(answer).with_state(emulator);
    axum::serve(listener, router.into_make_service_with_connect_info::<Cut>()).await
}

/// Reads, recognises and records a request, and lets a task of its own carry it out.
async fn answer(
    State(emulator): State<Shared>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, BODY_LIMIT).await else { return cut.now() };
    let request = recognise(parts, body);
    let task = tokio::spawn(async move { process(&emulator, &request).await });
    match task.await {
        Ok(Some(response)) => response,
        // Dropped on purpose, or a panic that was printed.
        Ok(None) | Err(_) => cut.now(),
    }
}

/// Nothing means that the connection is to be dropped.
async fn process(emulator: &Shared, request: &ApiRequest) -> Option<Response<Body>> {
    let place = emulator.calls.begin(ApiCall {
        service: request.service.name(),
        action: request.action.clone(),
        region: request.region.clone(),
        function: lambda::function_of(request),
        at_ms: emulator.clock.now_ms(),
        status: None,
        error: None,
    });
    if emulator.calls.ask(place, Moment::Before) == Then::Drop {
        return None;
    }
    let fate = emulator.chance.fate(&request.action);
    let result = match fate {
        Fate::DropBefore => return None,
        Fate::ErrorBefore => Err(failure(request.service)),
        _ => handle(emulator, request).await,
    };
    let result = if fate == Fate::ErrorAfter { Err(failure(request.service)) } else { result };
    tagging::observe(emulator);
    let slow = if fate == Fate::Slow { emulator.chance.slow_by() } else { Duration::ZERO };
    let delay = slow + emulator.settings.latency.of(request.service.name(), &request.action);
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let (status, code) = match &result {
        Ok(reply) => (reply.status, None),
        Err(error) => (error.status, Some(error.code.clone())),
    };
    emulator.calls.end(place, status, code);
    if emulator.calls.ask(place, Moment::After) == Then::Drop || fate == Fate::DropAfter {
        return None;
    }
    let mut response = match result {
        Ok(reply) if fate == Fate::BreakOff => reply.broken_off().await.render(request),
        Ok(reply) => reply.render(request),
        Err(error) => error.render(request),
    };
    if let Ok(date) = http_date(emulator.clock.now_ms()).parse() {
        response.headers_mut().insert(axum::http::header::DATE, date);
    }
    Some(response)
}

async fn handle(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    match request.service {
        Service::Lambda => lambda::handle(emulator, request).await,
        Service::Iam => iam::handle(emulator, request),
        Service::Sts => sts::handle(emulator, request),
        Service::Sqs => sqs::handle(emulator, request).await,
        Service::Sns => sns::handle(emulator, request),
        Service::S3 => s3::handle(emulator, request),
        Service::Logs => logs::handle(emulator, request),
        Service::Tagging => tagging::handle(emulator, request),
        Service::Pricing => pricing::handle(emulator, request),
    }
}

/// How a service says that something went wrong on its side.
fn failure(service: Service) -> ApiError {
    let (status, code) = match service {
        Service::Lambda => (500, "ServiceException"),
        Service::Iam => (500, "ServiceFailure"),
        Service::S3 => (500, "InternalError"),
        Service::Logs => (503, "ServiceUnavailableException"),
        Service::Sts | Service::Sns | Service::Sqs => (500, "InternalFailure"),
        Service::Tagging => (500, "InternalServiceException"),
        Service::Pricing => (500, "InternalErrorException"),
    };
    ApiError::new(status, code, "An internal error occurred. Please retry your request.").field("Type", "Service")
}

fn recognise(parts: Parts, body: Bytes) -> ApiRequest {
    let query = pairs(parts.uri.query().unwrap_or(""));
    let scope = Scope::of(&parts.headers, &query);
    let target = text(&parts.headers, "x-amz-target");
    let service = service(&scope, target, parts.uri.path());
    let is_form = text(&parts.headers, "content-type").is_some_and(|it| it.starts_with("application/x-www-form"));
    let form = if is_form { pairs(&String::from_utf8_lossy(&body)) } else { Vec::new() };
    let target_action = target.and_then(|it| it.rsplit('.').next()).map(str::to_owned);
    let form_action = form.iter().chain(&query).find(|(name, _)| name == "Action").map(|(_, value)| value.clone());
    let mut request = ApiRequest {
        id: new_id(),
        service,
        protocol: protocol(service, target.is_some()),
        action: target_action.or(form_action).unwrap_or_default(),
        region: scope.region.unwrap_or_else(|| REGION.into()),
        access_key: scope.access_key,
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query,
        form,
        headers: parts.headers,
        body,
    };
    let by_path = match service {
        Service::Lambda => lambda::action(&request),
        Service::S3 => s3::action(&request),
        _ => None,
    };
    if let Some(action) = by_path {
        request.action = action.to_owned();
    }
    request
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn service(scope: &Scope, target: Option<&str>, path: &str) -> Service {
    let by_target = |it: &str| match it.split('.').next().unwrap_or("") {
        "AmazonSQS" => Some(Service::Sqs),
        "Logs_20140328" => Some(Service::Logs),
        "ResourceGroupsTaggingAPI_20170126" => Some(Service::Tagging),
        "AWSPriceListService" => Some(Service::Pricing),
        _ => None,
    };
    let by_path = || {
        let year = path.trim_start_matches('/').split('-').next().unwrap_or("");
        let lambda = year.len() == 4 && year.bytes().all(|it| it.is_ascii_digit());
        if lambda { Service::Lambda } else { Service::S3 }
    };
    scope.service.or_else(|| target.and_then(by_target)).unwrap_or_else(by_path)
}

fn protocol(service: Service, has_target: bool) -> Protocol {
    match service {
        Service::Lambda => Protocol::RestJson,
        Service::Iam => Protocol::Query("https://iam.amazonaws.com/doc/2010-05-08/"),
        Service::Sts => Protocol::Query("https://sts.amazonaws.com/doc/2011-06-15/"),
        Service::Sqs if has_target => Protocol::Json("application/x-amz-json-1.0"),
        Service::Sqs => Protocol::Query("http://queue.amazonaws.com/doc/2012-11-05/"),
        Service::Sns => Protocol::Query("http://sns.amazonaws.com/doc/2010-03-31/"),
        Service::S3 => Protocol::RestXml,
        Service::Logs | Service::Tagging | Service::Pricing => Protocol::Json("application/x-amz-json-1.1"),
    }
}

/// What a signature says: `Credential=AKID/20261122/us-west-2/lambda/aws4_request`.
#[derive(Default)]
struct Scope {
    access_key: Option<String>,
    region: Option<String>,
    service: Option<Service>,
}

impl Scope {
    fn of(headers: &HeaderMap, query: &[(String, String)]) -> Self {
        let header = text(headers, "authorization").and_then(|it| it.split_once("Credential="));
        let signed = header.map(|(_, rest)| rest.split([',', ' ']).next().unwrap_or(""));
        let presigned = query.iter().find(|(name, _)| name == "X-Amz-Credential").map(|(_, value)| value.as_str());
        let Some(credential) = signed.or(presigned) else { return Self::default() };
        let parts: Vec<&str> = credential.split('/').collect();
        let from_end = |n: usize| parts.len().checked_sub(n).and_then(|at| parts.get(at)).copied();
        Self {
            access_key: parts.first().map(|it| (*it).to_owned()),
            // A signature for many regions names none.
            region: from_end(3).filter(|_| parts.len() == 5).map(str::to_owned),
            service: from_end(2).and_then(Service::named),
        }
    }
}
