//! Operations that take longer than a call: waiting until they are done.
//!
//! The SDK's own wait doubles its pauses up to a minute, and would be late by half a minute where a service takes twenty
//! seconds; and it knows nothing of a deployment that is given up.

use std::time::Duration;

use faast_core::CancelToken;
use faast_core::control::{Backoff, Ended, Pauses, RealTime, Step, wait};
use fastrand::Rng;
use reqwest::Method;
use serde_json::Value;

use crate::classify::control::{Refusal, Told};
use crate::clients::Clients;
use crate::endpoint::Service;

/// Pauses between two looks: a repository takes some seconds, a service ten to thirty.
const PAUSES: Backoff = Backoff {
    first: Duration::from_millis(400),
    factor: 1.4,
    most: Duration::from_secs(3),
    total: Duration::from_mins(6),
};

/// What an operation came to: `None` while it is not done.
pub(crate) type Outcome<T> = Option<Result<T, Refusal>>;

/// Looks until the operation is done. A look that fails in passing says nothing about the operation.
pub(crate) async fn until_done<T, F>(
    clients: &Clients,
    halt: &CancelToken,
    action: &'static str,
    mut look: impl FnMut() -> F,
) -> Result<T, Ended<Refusal>>
where
    F: Future<Output = Result<Outcome<T>, Refusal>>,
{
    let mut pauses = PAUSES;
    if clients.patience.pauses.first < pauses.first {
        // Whoever wants shorter pauses has a server that is as fast.
        pauses.first = clients.patience.pauses.first;
        pauses.most = pauses.first * 8;
    }
    wait(&RealTime::start(), Pauses::new(pauses, Rng::new()), halt, || {
        let looked = look();
        async move {
            match looked.await {
                Ok(Some(Ok(done))) => Step::Done(done),
                Ok(Some(Err(failed))) => Step::Failed(failed),
                Ok(None) => Step::NotYet(Refusal::unreachable(action, "it was not done in time", false)),
                Err(refusal) if refusal.passes() => Step::NotYet(refusal),
                Err(refusal) => Step::Failed(refusal),
            }
        }
    })
    .await
}

/// Waits for an operation that a plain call has begun, and gives its response.
pub(crate) async fn of_rest(
    clients: &Clients,
    halt: &CancelToken,
    action: &'static str,
    service: Service,
    begun: Value,
) -> Result<Value, Ended<Refusal>> {
    let path = match outcome(action, &begun) {
        Some(done) => return done.map_err(Ended::Failed),
        None => format!("/v1/{}", begun.get("name").and_then(Value::as_str).unwrap_or_default()),
    };
    until_done(clients, halt, action, || async {
        let state = clients.rest.call(action, Method::GET, service, &path).send_json().await?;
        Ok(outcome(action, &state))
    })
    .await
}

/// An answer that is no operation at all stands for one that is done.
fn outcome(action: &'static str, state: &Value) -> Outcome<Value> {
    if let Some(error) = state.get("error") {
        return Some(Err(Refusal::told(action, Told::read(0, error.to_string().as_bytes()))));
    }
    let is_operation = state.get("name").and_then(Value::as_str).is_some_and(|name| name.contains("/operations/"));
    let done = !is_operation || state.get("done").and_then(Value::as_bool).unwrap_or(false);
    done.then(|| Ok(state.get("response").cloned().unwrap_or_default()))
}

/// Why a wait for something that is to go, or that nobody gives up, ended.
pub(crate) fn refusal(ended: Ended<Refusal>, action: &'static str) -> Refusal {
    match ended {
        Ended::Failed(refusal) | Ended::TimeUp(refusal) => refusal,
        Ended::Halted => Refusal::unreachable(action, "it was given up", false),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::classify::control::Cause;

    #[test]
    fn an_operation_is_done_when_it_says_so() {
        let name = "projects/p/locations/r/operations/1";
        assert!(outcome("x", &json!({"name": name})).is_none());
        assert!(outcome("x", &json!({"name": name, "done": false})).is_none());
        let done = outcome("x", &json!({"name": name, "done": true, "response": {"a": 1}}));
        assert_eq!(done.and_then(Result::ok), Some(json!({"a": 1})));
        assert!(matches!(outcome("x", &json!({})), Some(Ok(_))), "nothing to wait for");
    }

    /// The trap: the SDK's own pauses grow to a minute.
    #[test]
    fn an_operation_of_half_a_minute_is_noticed_within_seconds() {
        for seed in 0..100 {
            let mut pauses = Pauses::new(PAUSES, Rng::with_seed(seed));
            let (took, mut elapsed, mut looks) = (Duration::from_secs(30), Duration::ZERO, 0);
            while elapsed < took {
                elapsed += pauses.next(elapsed).unwrap();
                looks += 1;
            }
            assert!(elapsed < took + PAUSES.most && looks < 40, "seed {seed}: {elapsed:?} after {looks} looks");
        }
    }

    #[test]
    fn an_operation_that_failed_says_why() {
        let state = json!({"name": "operations/1", "done": true, "error": {"code": 6, "message": "it exists"}});
        let Some(Err(refusal)) = outcome("artifactregistry.repositories.create", &state) else { panic!("not failed") };
        assert_eq!((refusal.cause(), refusal.text()), (Cause::Exists, "it exists"));
    }
}
