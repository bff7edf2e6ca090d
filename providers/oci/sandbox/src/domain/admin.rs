//! The administration API: routes and answers.

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use carnet_trust::Refusal;
use http::{HeaderValue, Method, Request, StatusCode, header, request::Parts};
use serde_json::Value;

use super::{
    Domain, SERVICE,
    resources::Precondition,
    types::{ADMINISTRATOR_ROLE, ALL, APPS, SETTINGS},
    wire::{self, Unreadable},
};
use crate::scim::{MEDIA_TYPE, Patch, Projection, Query, Resource, ResourceType, ScimError, text, version};

/// Before every path of this API.
const PREFIX: &str = "/admin/v1/";

/// Media types that a body may have.
const MEDIA_TYPES: [&str; 2] = ["application/json", MEDIA_TYPE];

/// Everything that is neither the token endpoint nor discovery.
pub(super) async fn endpoint(State(domain): State<Domain>, request: Request<Body>) -> Response {
    let (parts, body) = match wire::read(request).await {
        Ok(read) => read,
        Err(Unreadable::TooLarge) => return too_large().into_response(),
        Err(Unreadable::Broken) => return ScimError::invalid_syntax("The body cannot be read.").into_response(),
    };
    let answer = answer(&domain, &parts, &body).inspect_err(|error| {
        if error.status == StatusCode::FORBIDDEN {
            let fix = "grant the role to the app or user, and ask for a new access token";
            let refusal = Refusal::new("role", parts.uri.path(), ADMINISTRATOR_ROLE, error.message_id, fix);
            domain.state().world().decisions.refused(SERVICE, &refusal);
        }
    });
    let mut response = answer.unwrap_or_else(ScimError::into_response);
    let id = parts.headers.get("opc-request-id").cloned();
    let id = id.or_else(|| HeaderValue::from_str(&domain.state().world().random_hex::<16>()).ok());
    if let Some(id) = id {
        response.headers_mut().insert("opc-request-id", id);
    }
    response
}

fn answer(domain: &Domain, parts: &Parts, body: &[u8]) -> Result<Response, ScimError> {
    let path = parts.uri.path().strip_prefix(PREFIX).ok_or_else(no_such_path)?;
    let segments: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    match segments.as_slice() {
        ["SigningCert", "jwk"] if parts.method == Method::GET => {
            // Protected until the domain's settings open it (documentation, "Configuring Access to the Signing Certificate").
            if !domain.signing_keys_are_public() {
                domain.caller(parts, body)?;
            }
            Ok(json_response(StatusCode::OK, &domain.signing_keys()?))
        }
        ["AppStatusChanger", id] if parts.method == Method::PUT => {
            let caller = domain.caller(parts, body)?;
            caller.may(&APPS, true)?;
            let status = domain.change_status(id, &read_body(parts, body)?, &caller.author())?;
            Ok(json_response(StatusCode::OK, &status))
        }
        ["SigningCert", "jwk"] | ["AppStatusChanger", _] => Err(method_not_allowed()),
        [endpoint] => collection(domain, find(endpoint)?, parts, body),
        [endpoint, ".search"] => search(domain, find(endpoint)?, parts, body),
        [endpoint, id] => single(domain, find(endpoint)?, id, parts, body),
        _ => Err(no_such_path()),
    }
}

fn collection(domain: &Domain, kind: &'static ResourceType, parts: &Parts, body: &[u8]) -> Result<Response, ScimError> {
    let caller = domain.caller(parts, body)?;
    match parts.method {
        Method::GET => {
            caller.may(kind, false)?;
            let query = Query::from_pairs(&wire::query(parts))?;
            Ok(json_response(StatusCode::OK, &query.run(kind, domain.store().all(kind))))
        }
        // There is one resource of settings, and there is always one.
        Method::POST if kind.endpoint != SETTINGS.endpoint => {
            caller.may(kind, true)?;
            let projection = Projection::from_pairs(&wire::query(parts))?;
            let created = domain.create(kind, read_resource(kind, parts, body)?, &caller.author())?;
            let mut response = resource_response(domain, StatusCode::CREATED, kind, &projection, &created, true);
            let location = created.get("meta").and_then(|meta| meta.get("location")).and_then(Value::as_str);
            if let Some(location) = location.and_then(|location| HeaderValue::from_str(location).ok()) {
                response.headers_mut().insert(header::LOCATION, location);
            }
            Ok(response)
        }
        _ => Err(method_not_allowed()),
    }
}

/// The body of a whole resource, which has to say what it is (RFC 7643, 3).
fn read_resource(kind: &ResourceType, parts: &Parts, body: &[u8]) -> Result<Resource, ScimError> {
    let resource = read_body(parts, body)?;
    let Some(schemas) = resource.iter().find(|(name, _)| name.eq_ignore_ascii_case("schemas")) else {
        return Err(ScimError::missing(&["schemas"]));
    };
    let named = |schema: &Value| schema.as_str().is_some_and(|schema| schema.eq_ignore_ascii_case(kind.schema));
    if schemas.1.as_array().is_some_and(|schemas| schemas.iter().any(named)) {
        return Ok(resource);
    }
    Err(ScimError::invalid_value("schemas", format!("it does not contain {}", kind.schema)))
}

fn search(domain: &Domain, kind: &'static ResourceType, parts: &Parts, body: &[u8]) -> Result<Response, ScimError> {
    if parts.method != Method::POST {
        return Err(method_not_allowed());
    }
    domain.caller(parts, body)?.may(kind, false)?;
    let request = read_body(parts, body)?;
    let schemas = request.get("schemas").and_then(Value::as_array);
    let wanted = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
    if !schemas.is_some_and(|schemas| schemas.iter().any(|schema| schema.as_str() == Some(wanted))) {
        return Err(ScimError::invalid_syntax(format!("schemas must contain {wanted}.")));
    }
    let query = Query::from_object(&request)?;
    Ok(json_response(StatusCode::OK, &query.run(kind, domain.store().all(kind))))
}

fn single(
    domain: &Domain,
    kind: &'static ResourceType,
    id: &str,
    parts: &Parts,
    body: &[u8],
) -> Result<Response, ScimError> {
    let caller = domain.caller(parts, body)?;
    let projection = Projection::from_pairs(&wire::query(parts))?;
    let precondition = Precondition(wire::text(&parts.headers, header::IF_MATCH.as_str()));
    let changed = match parts.method {
        Method::GET => {
            caller.may(kind, false)?;
            let store = domain.store();
            let found = store.find(kind, id).ok_or_else(|| ScimError::not_found(kind.name, id))?;
            return Ok(resource_response(domain, StatusCode::OK, kind, &projection, found, false));
        }
        Method::PUT => {
            caller.may(kind, true)?;
            domain.replace(kind, id, read_resource(kind, parts, body)?, &caller.author(), precondition)?
        }
        Method::PATCH => {
            caller.may(kind, true)?;
            let patch = Patch::from_object(&read_body(parts, body)?)?;
            domain.patch(kind, id, &patch, &caller.author(), precondition)?
        }
        Method::DELETE if kind.endpoint != SETTINGS.endpoint => {
            caller.may(kind, true)?;
            domain.delete(kind, id, precondition)?;
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        _ => return Err(method_not_allowed()),
    };
    Ok(resource_response(domain, StatusCode::OK, kind, &projection, &changed, true))
}

/// A resource with its entity tag. The answer to a change of an app shows its client secret.
///
/// UNCONFIRMED: whether a GET shows it too (the schema says "returned: default"). It does not here, so that whoever
/// needs it keeps it from the answer in which the published set-up script finds it.
fn resource_response(
    domain: &Domain,
    status: StatusCode,
    kind: &ResourceType,
    projection: &Projection,
    resource: &Resource,
    after_change: bool,
) -> Response {
    let mut shown = projection.apply(kind, resource);
    if after_change && kind.endpoint == APPS.endpoint {
        let secret = text(resource, "id").and_then(|id| domain.secret(id));
        if let Some(secret) = secret {
            shown.insert("clientSecret".to_owned(), secret.expose().into());
        }
    }
    let mut response = json_response(status, &Value::Object(shown));
    if let Ok(tag) = HeaderValue::from_str(version(resource)) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

fn read_body(parts: &Parts, body: &[u8]) -> Result<Resource, ScimError> {
    let media_type = wire::media_type(&parts.headers);
    if !MEDIA_TYPES.contains(&media_type.as_str()) {
        return Err(ScimError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "error.common.common.unsupportedMediaType",
            format!("The body must be one of {}.", MEDIA_TYPES.join(", ")),
        ));
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(ScimError::invalid_syntax("The body must be a JSON object.")),
        Err(error) => Err(ScimError::invalid_syntax(format!(
            "The body is not JSON: line {}, column {}.",
            error.line(),
            error.column()
        ))),
    }
}

fn find(endpoint: &str) -> Result<&'static ResourceType, ScimError> {
    ALL.into_iter().find(|kind| kind.endpoint == endpoint).ok_or_else(no_such_path)
}

fn json_response(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, MEDIA_TYPE)], body.to_string()).into_response()
}

fn no_such_path() -> ScimError {
    ScimError::new(StatusCode::NOT_FOUND, "error.common.common.invalidEndpoint", "There is no such endpoint.")
}

fn method_not_allowed() -> ScimError {
    let detail = "The method is not allowed for this endpoint.";
    ScimError::new(StatusCode::METHOD_NOT_ALLOWED, "error.common.common.methodNotAllowed", detail)
}

fn too_large() -> ScimError {
    let detail = "The body is larger than 1 MiB.";
    ScimError::new(StatusCode::PAYLOAD_TOO_LARGE, "error.common.common.payloadTooLarge", detail)
}
