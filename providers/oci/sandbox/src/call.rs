//! One request to a signed service, from its raw bytes to the answer.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use carnet_oci::trust::{Principal, signature::Options};
use carnet_trust::Grant;
use http::{Method, StatusCode, header, request::Parts};
use http_body_util::{BodyExt, Limited};
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;

use crate::{
    OciState,
    audit::AuditEvent,
    reply::{ApiError, REQUEST_ID, Reason, with_header},
    seed,
};

/// Largest body that a service takes. Objects of the sandbox live in memory.
const MAX_BODY: usize = 16 << 20;

/// Regions that the tenancy is subscribed to, the home region first.
pub(crate) const REGIONS: [(&str, &str); 2] = [(seed::REGION_KEY, seed::REGION), ("PHX", "us-phoenix-1")];

/// A request.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) state: OciState,
    pub(crate) service: &'static str,
    pub(crate) parts: Parts,
    pub(crate) body: Bytes,
    principal: OnceLock<Arc<Principal>>,
    granted: Mutex<Option<Grant>>,
}

/// What a service does with a request.
pub(crate) type Handler = fn(&Call) -> Result<Response, ApiError>;

/// A router that gives every request to `handler`: paths are matched raw, because `%2F` in a name is not a slash.
pub(crate) fn router(state: &OciState, service: &'static str, handler: Handler) -> Router {
    Router::new().fallback(serve).with_state((state.clone(), service, handler))
}

async fn serve(
    State((state, service, handler)): State<(OciState, &'static str, Handler)>,
    request: Request<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let (body, whole) = match Limited::new(body, MAX_BODY).collect().await {
        Ok(body) => (body.to_bytes(), true),
        Err(_) => (Bytes::new(), false),
    };
    let call = Call { state, service, parts, body, principal: OnceLock::new(), granted: Mutex::default() };
    let answer = if whole {
        // Keys are made on first use and signatures verified: both are work for a thread that may block.
        match tokio::task::spawn_blocking(move || {
            let response = handler(&call).unwrap_or_else(ApiError::into_response);
            (call, response)
        })
        .await
        {
            Ok(answer) => answer,
            Err(_) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    } else {
        let error = ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", "The body is too large.");
        (call, error.into_response())
    };
    let (call, response) = answer;
    call.finish(response)
}

impl Call {
    /// The raw segments of the path, without the empty one at the start.
    pub(crate) fn segments(&self) -> Vec<&str> {
        let path = self.parts.uri.path();
        path.strip_prefix('/').unwrap_or(path).split('/').collect()
    }

    /// A parameter of the query, decoded; an empty one counts as absent.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        let query = self.parts.uri.query()?;
        url::form_urlencoded::parse(query.as_bytes())
            .find(|(own, value)| own == name && !value.is_empty())
            .map(|(_, value)| value.into_owned())
    }

    /// A parameter that must be there.
    pub(crate) fn need(&self, name: &str) -> Result<String, ApiError> {
        self.query(name).ok_or_else(|| ApiError::missing(name))
    }

    /// The body as JSON.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            // serde_json's words can quote a value, so only the place goes out.
            let (line, column) = (error.line(), error.column());
            if error.is_data() {
                ApiError::invalid(format!(
                    "the body lacks a field or has one of another type, line {line} column {column}"
                ))
            } else {
                ApiError::new(
                    StatusCode::BAD_REQUEST,
                    "CannotParseRequest",
                    format!("Incorrectly formatted request, line {line} column {column}."),
                )
            }
        })
    }

    /// A header as text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.parts.headers.get(name)?.to_str().ok()
    }

    /// Who signed it, or 401.
    pub(crate) fn authenticate(&self, options: &Options<'_>) -> Result<Arc<Principal>, ApiError> {
        let principal = self
            .state
            .authenticate_signed_request(self.service, &self.parts, &self.body, options)
            .map_err(ApiError::not_authenticated)?;
        self.remember(&principal);
        Ok(principal)
    }

    /// Notes who it is, for the audit.
    pub(crate) fn remember(&self, principal: &Arc<Principal>) {
        let _ = self.principal.set(Arc::clone(principal));
    }

    /// Whether the policies allow `principal` this here, or 404.
    pub(crate) fn require(&self, principal: &Principal, permission: &str, compartment: &str) -> Result<(), ApiError> {
        self.require_with(principal, permission, compartment, &BTreeMap::new())
    }

    /// As [`Self::require`], with variables of the target.
    pub(crate) fn require_with(
        &self,
        principal: &Principal,
        permission: &str,
        compartment: &str,
        variables: &BTreeMap<&'static str, String>,
    ) -> Result<(), ApiError> {
        let grant = self
            .state
            .authorize_with(self.service, principal, permission, compartment, variables)
            .map_err(ApiError::denied)?;
        self.allow(grant);
        Ok(())
    }

    /// Notes what was allowed, for the operator.
    pub(crate) fn allow(&self, grant: Grant) {
        *self.granted.lock().unwrap_or_else(PoisonError::into_inner) = Some(grant);
    }

    /// Whether it came in under the name of this region's service; IAM objects are written in the home region only.
    pub(crate) fn require_home_region(&self) -> Result<(), ApiError> {
        match region_of_host(&self.parts) {
            Some(region) if region != seed::REGION => Err(ApiError::new(
                StatusCode::FORBIDDEN,
                "NotAllowed",
                format!(
                    "Please go to your home region {} to execute CREATE, UPDATE and DELETE operations.",
                    seed::REGION_KEY
                ),
            )),
            _ => Ok(()),
        }
    }

    fn finish(self, mut response: Response) -> Response {
        let reason = response.extensions_mut().remove::<Reason>();
        let principal = self.principal.get();
        self.note(reason.as_ref(), response.status());
        self.state.audit().record(AuditEvent {
            event_time: self.state.world().now(self.service),
            source: self.service,
            action: self.parts.method.to_string(),
            path: self.parts.uri.path().to_owned(),
            principal_id: principal.map(|principal| principal.id.clone()),
            principal_type: principal.map(|principal| principal.kind.clone()),
            status: response.status().as_u16(),
            clause: reason.as_ref().map(|reason| reason.0.clause),
            reason: reason.map(|reason| format!("{}; {}", reason.0, reason.0.fix)),
        });
        let id = self.request_id();
        if self.parts.method == Method::HEAD {
            *response.body_mut() = Body::empty();
        }
        with_header(response, REQUEST_ID, &id)
    }

    /// Tells the operator what was decided: the refusal, or the last statement that allowed it.
    fn note(&self, reason: Option<&Reason>, status: StatusCode) {
        let decisions = &self.state.world().decisions;
        if let Some(Reason(refusal)) = reason {
            decisions.refused(self.service, refusal);
        } else if let Some(principal) = self.principal.get().filter(|_| status.is_success()) {
            let granted = self.granted.lock().unwrap_or_else(PoisonError::into_inner).take();
            let mut grant = granted.unwrap_or_else(|| Grant {
                principal: principal.id.clone(),
                held: vec!["signature"],
                ..Grant::default()
            });
            grant.attributes.insert("type".to_owned(), principal.kind.clone());
            decisions.allowed(self.service, &grant);
        }
    }

    /// The client's own first group when it has the usual form, then two of the service's. Object storage has its own.
    fn request_id(&self) -> String {
        let random = || self.state.world().random_hex::<16>().to_ascii_uppercase();
        if self.service == "oci-objectstorage" {
            return format!("{}-1:{}", seed::REGION_KEY.to_ascii_lowercase(), random());
        }
        let first = self
            .header(REQUEST_ID.as_str())
            .and_then(|id| id.split('/').next())
            .filter(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .map_or_else(random, str::to_owned);
        format!("{first}/{}/{}", random(), random())
    }
}

/// A segment of a path, decoded.
pub(crate) fn decode(segment: &str) -> Result<String, ApiError> {
    percent_decode_str(segment)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_ignored| ApiError::invalid("the path is not UTF-8"))
}

/// The region in a host name such as `identity.us-ashburn-1.oraclecloud.com`; `None` for loopback addresses.
pub(crate) fn region_of_host(parts: &Parts) -> Option<&str> {
    let host = parts.headers.get(header::HOST)?.to_str().ok()?;
    let host = host.split(':').next()?;
    let rest = host.strip_suffix(".oci.oraclecloud.com").or_else(|| host.strip_suffix(".oraclecloud.com"))?;
    let (service, region) = rest.split_once('.')?;
    (!service.starts_with("idcs-")).then_some(region)
}
