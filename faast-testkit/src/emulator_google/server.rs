//! One port for all services: reads a request whole, finds out its service and operation, has it carried out, records it.
//!
//! A request to an API that was taken is carried out to its end, also when its client is gone. One to an app ends with
//! its client's connection, as in Cloud Run.

use std::io;
use std::net::TcpListener as StdListener;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::connect_info::ConnectInfo;
use axum::extract::{Request, State};
use axum::http::Response;
use tokio::net::TcpListener;

use super::fault::Fate;
use super::protocol::{ApiError, ApiRequest, Reply};
use super::route::{Service, route};
use super::state::Shared;
use super::{access, app, billing, logging, metadata, oauth, project, pubsub, registry, repository, run, storage};
use crate::emulator::call::{ApiCall, Moment, Then};
use crate::emulator::clock::http_date;
use crate::emulator::connection::{Connections, Cut};
use crate::emulator::web::pairs;

/// More than the largest layer that tests push.
const BODY_LIMIT: usize = 2 << 30;

/// The largest request that Cloud Run takes with HTTP/1.
const APP_BODY_LIMIT: usize = 32 << 20;

/// Serves until it is aborted.
pub(super) async fn serve(emulator: Shared, listener: StdListener) -> io::Result<()> {
    let listener = Connections::new(TcpListener::from_std(listener)?);
    let router = Router::new().fallback(answer).with_state(emulator);
    axum::serve(listener, router.into_make_service_with_connect_info::<Cut>()).await
}

/// Reads and recognises a request, and has it carried out.
async fn answer(
    State(emulator): State<Shared>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let query = pairs(parts.uri.query().unwrap_or(""));
    let project = query.iter().find(|(name, _)| name == "project").map(|(_, value)| value.as_str());
    let route = route(&parts.method, parts.uri.path(), project);
    let method = parts.method.clone();
    let is_app = route.service == Service::App;
    let limit = if is_app { APP_BODY_LIMIT } else { BODY_LIMIT };
    let Ok(body) = to_bytes(body, limit).await else {
        return if is_app { app::too_large().reply().render(&method) } else { cut.now() };
    };
    let request = ApiRequest {
        route,
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query_string: parts.uri.query().map(str::to_owned),
        query,
        headers: parts.headers,
        body,
    };
    let reply = if is_app {
        process(&emulator, &request).await
    } else {
        // Dropped on purpose, or a panic that was printed.
        tokio::spawn(async move { process(&emulator, &request).await }).await.ok().flatten()
    };
    reply.map_or_else(|| cut.now(), |reply| reply.render(&method))
}

/// Nothing means that the connection is to be dropped.
async fn process(emulator: &Shared, request: &ApiRequest) -> Option<Reply> {
    let route = &request.route;
    let place = emulator.calls.begin(ApiCall {
        service: route.service.name(),
        action: route.action.to_owned(),
        region: route.location.clone(),
        function: (!route.name.is_empty()).then(|| route.name.clone()),
        at_ms: emulator.clock.now_ms(),
        status: None,
        error: None,
    });
    if emulator.calls.ask(place, Moment::Before) == Then::Drop {
        return None;
    }
    let fate = emulator.chance.fate(route.service, route.action);
    let result = match fate {
        Fate::DropBefore => return None,
        Fate::ErrorBefore => Err(failure(route.service, true)),
        Fate::Throttled => Err(throttled(route.service)),
        _ => handle(emulator, request).await,
    };
    let result = if fate == Fate::ErrorAfter { Err(failure(route.service, false)) } else { result };
    let slow = if fate == Fate::Slow { emulator.chance.slow_by() } else { Duration::ZERO };
    let delay = slow + emulator.settings.latency.of(route.service.name(), route.action);
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
    let reply = match result {
        Ok(reply) if fate == Fate::BreakOff => reply.broken_off(),
        Ok(reply) => reply,
        Err(error) => error.reply(),
    };
    Some(reply.header("date", http_date(emulator.clock.now_ms())))
}

async fn handle(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    access::check(emulator, request)?;
    match request.route.service {
        Service::App => app::handle(emulator, request).await,
        Service::ArtifactRegistry => repository::handle(emulator, request).await,
        Service::Billing => billing::handle(request),
        Service::Logging => logging::handle(emulator, request),
        Service::Metadata => metadata::handle(emulator, request),
        Service::OAuth => oauth::handle(emulator, request),
        Service::PubSub => pubsub::handle(emulator, request).await,
        Service::Registry => registry::handle(emulator, request),
        Service::ResourceManager | Service::Usage => project::handle(emulator, request),
        Service::Run => run::handle(emulator, request).await,
        Service::Storage => storage::handle(emulator, request),
        Service::Unknown => Err(ApiError::unknown()),
    }
}

/// How a service says that something went wrong on its side.
fn failure(service: Service, before: bool) -> ApiError {
    match service {
        Service::App if before => app::no_instance(),
        Service::App => app::broken(),
        Service::Storage => {
            ApiError::storage(503, "backendError", "We encountered an internal error. Please try again.")
        }
        Service::Registry => ApiError::registry(503, "UNAVAILABLE", "Service unavailable. Please try again."),
        Service::OAuth => ApiError::oauth(503, "internal_failure", "Backend Error"),
        Service::Metadata => ApiError::text(503, "Service Unavailable"),
        _ if before => ApiError::new(500, "INTERNAL", "Internal error encountered."),
        _ => ApiError::new(503, "UNAVAILABLE", "The service is currently unavailable."),
    }
}

/// How a service says that there is too much.
fn throttled(service: Service) -> ApiError {
    match service {
        Service::App => app::rate_exceeded(),
        Service::Storage => {
            let text = "The rate of change requests to the object exceeds the rate limit. Please reduce the rate.";
            ApiError::storage(429, "rateLimitExceeded", text)
        }
        Service::Registry => ApiError::registry(429, "TOOMANYREQUESTS", "Quota exceeded. Please retry later."),
        _ => ApiError::new(429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
    }
}
