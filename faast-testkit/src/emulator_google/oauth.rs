//! OAuth: access and identity tokens, given out for refresh tokens and for assertions of service accounts.
//!
//! What was given out is known here until it expires, by the emulator's clock. Signatures are not checked: who holds the
//! other half of a test's key is nobody's secret.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::protocol::{ApiError, ApiRequest, Reply};
use super::state::{Shared, State};
use crate::emulator::clock::iso;
use crate::emulator::web::pairs;

/// How long tokens are good.
pub(super) const LIFE_SECONDS: u64 = 3599;

/// Who a refresh token is for.
const USER: &str = "developer@example.com";

/// Who a token of another provider is for.
const FEDERATED: &str = "principal://iam.googleapis.com/projects/123456789012/subject/workload";

/// All tokens that were given out. Written by the token endpoints, read by everyone who checks.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    known: BTreeMap<String, Token>,
    expired_before_ms: u64,
    last_ms: u64,
}

/// What a token says.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) email: String,
    /// Of an identity token.
    pub(super) audience: Option<String>,
    expires_ms: u64,
    issued_ms: u64,
}

impl Tokens {
    /// A new access token.
    pub(super) fn access(&mut self, email: &str, now_ms: u64) -> String {
        let token = format!("ya29.c.{:032x}{:032x}", fastrand::u128(..), fastrand::u128(..));
        self.add(token, email, None, now_ms)
    }

    /// A new identity token for an audience.
    pub(super) fn identity(&mut self, email: &str, audience: &str, now_ms: u64) -> String {
        let now = now_ms / 1000;
        let claims = json!({
            "iss": "https://accounts.google.com",
            "aud": audience,
            "azp": email,
            "sub": "117000000000000000001",
            "email": email,
            "email_verified": true,
            "iat": now,
            "exp": now + LIFE_SECONDS,
        });
        let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let header = json!({ "alg": "RS256", "kid": "emulator", "typ": "JWT" });
        let signature = BASE64_URL_SAFE_NO_PAD.encode(fastrand::u128(..).to_le_bytes());
        let token = format!("{}.{}.{signature}", part(&header), part(&claims));
        self.add(token, email, Some(audience.to_owned()), now_ms)
    }

    fn add(&mut self, token: String, email: &str, audience: Option<String>, now_ms: u64) -> String {
        let expires_ms = now_ms + LIFE_SECONDS * 1000;
        let entry = Token { email: email.to_owned(), audience, expires_ms, issued_ms: now_ms };
        self.known.insert(token.clone(), entry);
        self.last_ms = now_ms;
        token
    }

    /// A token that was given out here; an error is one that is good no more.
    pub(super) fn find(&self, token: &str, now_ms: u64) -> Result<Option<&Token>, ()> {
        match self.known.get(token) {
            Some(token) if token.expires_ms <= now_ms || token.issued_ms < self.expired_before_ms => Err(()),
            found => Ok(found),
        }
    }

    /// Who an access token stands for: one that was given out, or a service account's own assertion.
    pub(super) fn principal(&self, token: &str, now_ms: u64) -> Result<Option<String>, ()> {
        if let Some(found) = self.find(token, now_ms)? {
            return if found.audience.is_none() { Ok(Some(found.email.clone())) } else { Err(()) };
        }
        let Some(claims) = claims(token) else { return Ok(None) };
        let is_good = claims["exp"].as_u64().is_some_and(|it| it * 1000 > now_ms);
        if is_good { Ok(claims["iss"].as_str().map(str::to_owned)) } else { Err(()) }
    }

    /// Every token so far is good no more.
    pub(super) fn expire_all(&mut self) {
        self.known.values_mut().for_each(|token| token.expires_ms = 0);
        self.expired_before_ms = self.last_ms;
    }
}

/// The claims of a JSON Web Token.
fn claims(token: &str) -> Option<Value> {
    let middle = token.split('.').nth(1)?;
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(middle.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&bytes).ok().filter(Value::is_object)
}

/// The token in basic credentials of a registry: `oauth2accesstoken:token`.
pub(super) fn basic_token(encoded: &str) -> Option<String> {
    let text = String::from_utf8(BASE64_STANDARD.decode(encoded).ok()?).ok()?;
    text.strip_prefix("oauth2accesstoken:").map(str::to_owned)
}

/// The token endpoint.
pub(super) fn handle(emulator: &Shared, request: &ApiRequest) -> Result<Reply, ApiError> {
    let body = String::from_utf8_lossy(&request.body);
    // Some clients send a form, some JSON.
    let fields = match serde_json::from_str::<Value>(&body) {
        Ok(Value::Object(fields)) => {
            fields.into_iter().map(|(key, value)| (key, value.as_str().unwrap_or("").to_owned())).collect()
        }
        _ => pairs(&body),
    };
    let field = |name: &str| fields.iter().find(|(it, _)| it == name).map_or("", |(_, value)| value.as_str());
    let now_ms = emulator.clock.now_ms();
    let mut state = emulator.state();
    let account = &request.route.name;
    match request.route.action {
        "GenerateAccessToken" => {
            let expires = format!("{}Z", iso(now_ms + LIFE_SECONDS * 1000));
            let token = state.tokens.access(account, now_ms);
            return Ok(Reply::json(&json!({ "accessToken": token, "expireTime": expires })));
        }
        "GenerateIdToken" => {
            let token = state.tokens.identity(account, field("audience"), now_ms);
            return Ok(Reply::json(&json!({ "token": token })));
        }
        "Exchange" => {
            let token = state.tokens.access(FEDERATED, now_ms);
            return Ok(Reply::json(&json!({
                "access_token": token,
                "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
                "token_type": "Bearer",
                "expires_in": LIFE_SECONDS,
            })));
        }
        _ => {}
    }
    match field("grant_type") {
        "refresh_token" => refreshed(&mut state, field("refresh_token"), field("client_id"), now_ms),
        "urn:ietf:params:oauth:grant-type:jwt-bearer" => asserted(&mut state, field("assertion"), now_ms),
        other => Err(ApiError::oauth(400, "unsupported_grant_type", format!("Invalid grant_type: {other}"))),
    }
}

fn refreshed(state: &mut State, token: &str, client: &str, now_ms: u64) -> Result<Reply, ApiError> {
    if token.is_empty() || token == "revoked" {
        return Err(ApiError::oauth(400, "invalid_grant", "Token has been expired or revoked."));
    }
    let access = state.tokens.access(USER, now_ms);
    // The audience of a user's own identity token is the client, whatever is to be called.
    let identity = state.tokens.identity(USER, client, now_ms);
    Ok(Reply::json(&json!({
        "access_token": access,
        "expires_in": LIFE_SECONDS,
        "scope": "https://www.googleapis.com/auth/cloud-platform openid",
        "token_type": "Bearer",
        "id_token": identity,
    })))
}

fn asserted(state: &mut State, assertion: &str, now_ms: u64) -> Result<Reply, ApiError> {
    let claims = claims(assertion).ok_or_else(|| ApiError::oauth(400, "invalid_grant", "Invalid JWT."))?;
    let email = claims["iss"].as_str().unwrap_or_default();
    let is_good = claims["exp"].as_u64().is_some_and(|it| it * 1000 > now_ms);
    if email.is_empty() || !is_good {
        let text = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check \
                    your iat and exp values in the JWT claim.";
        return Err(ApiError::oauth(400, "invalid_grant", text));
    }
    if let Some(audience) = claims["target_audience"].as_str() {
        return Ok(Reply::json(&json!({ "id_token": state.tokens.identity(email, audience, now_ms) })));
    }
    if claims["scope"].as_str().is_none_or(str::is_empty) {
        return Err(ApiError::oauth(400, "invalid_scope", "Invalid OAuth scope or ID token audience provided."));
    }
    let access = state.tokens.access(email, now_ms);
    Ok(Reply::json(&json!({ "access_token": access, "expires_in": LIFE_SECONDS, "token_type": "Bearer" })))
}
