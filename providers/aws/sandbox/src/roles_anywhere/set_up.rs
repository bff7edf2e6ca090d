//! Trust anchors and profiles (Roles Anywhere API reference).

use std::sync::Arc;

use axum::response::Response;
use carnet_aws::trust::Context;
use carnet_x509::{Certificate, pem_to_der};
use http::StatusCode;
use serde_json::{Value, json};

use super::{Profile, SERVICE, TrustAnchor, invalid, not_found};
use crate::{
    access,
    call::Call,
    policy::PolicyDocument,
    reply::{Answer, ApiError, json_reply, seconds},
    seed,
    sigv4::{Payload, Verified, verify},
    state::{Inner, MAX_ENTRIES, State},
};

/// Most certificates in a bundle. UNCONFIRMED for bundles; two is the quota of certificates for each anchor.
const MAX_ROOTS: usize = 10;

/// Which of the two.
#[derive(Clone, Copy)]
enum Kind {
    Anchor,
    Profile,
}

struct Ask<'a> {
    state: &'a State,
    call: &'a Call,
    verified: Verified,
    region: String,
}

pub(super) fn answer(state: &Arc<State>, call: &Call, method: &str, parts: &[&str], region: Option<&str>) -> Answer {
    let verified = verify(state, call, SERVICE, "rolesanywhere", region, Payload::Body).map_err(|fault| {
        let (status, code) = fault.json();
        ApiError::new(status, code, fault.message).because(fault.refusal)
    })?;
    let region = region.unwrap_or(&verified.authorization.region).to_owned();
    let ask = Ask { state, call, verified, region };
    match (method, parts) {
        ("POST", ["trustanchors"]) => create_anchor(&ask),
        ("GET", ["trustanchors"]) => list(&ask, Kind::Anchor),
        ("POST", ["profiles"]) => create_profile(&ask),
        ("GET", ["profiles"]) => list(&ask, Kind::Profile),
        ("GET", ["trustanchor", id]) => one(&ask, Kind::Anchor, id, "Get"),
        ("GET", ["profile", id]) => one(&ask, Kind::Profile, id, "Get"),
        ("DELETE", ["trustanchor", id]) => one(&ask, Kind::Anchor, id, "Delete"),
        ("DELETE", ["profile", id]) => one(&ask, Kind::Profile, id, "Delete"),
        ("POST", ["trustanchor", id, "enable"]) => one(&ask, Kind::Anchor, id, "Enable"),
        ("POST", ["trustanchor", id, "disable"]) => one(&ask, Kind::Anchor, id, "Disable"),
        ("POST", ["profile", id, "enable"]) => one(&ask, Kind::Profile, id, "Enable"),
        ("POST", ["profile", id, "disable"]) => one(&ask, Kind::Profile, id, "Disable"),
        _ => Err(ApiError::new(404, "UnknownOperationException", "There is no such operation")),
    }
}

impl Ask<'_> {
    fn permit(&self, action: &str, resource: &str) -> Result<(), ApiError> {
        let action = format!("rolesanywhere:{action}");
        let asked = |context: Context| context.with_request(&self.call.facts(&self.region));
        access::permit(self.state, SERVICE, &self.verified.access, &action, resource, asked).map_err(|refusal| {
            let who = self.verified.access.principal.arn();
            let text = format!("User: {who} is not authorized to perform: {action}");
            ApiError::new(403, "AccessDeniedException", text).because(refusal)
        })
    }

    fn arn(&self, kind: Kind, id: &str) -> String {
        let kind = match kind {
            Kind::Anchor => "trust-anchor",
            Kind::Profile => "profile",
        };
        format!("arn:aws:rolesanywhere:{}:{}:{kind}/{id}", self.region, seed::ACCOUNT)
    }
}

fn create_anchor(ask: &Ask<'_>) -> Answer {
    let body = ask.call.json()?;
    let name = name(&body)?;
    let source = body.get("source").cloned().unwrap_or_default();
    match source.get("sourceType").and_then(Value::as_str) {
        Some("CERTIFICATE_BUNDLE") => {}
        Some("AWS_ACM_PCA" | "SELF_SIGNED_REPOSITORY") => {
            return Err(ApiError::not_emulated("A trust anchor of this source type"));
        }
        _ => return Err(invalid("source.sourceType must be CERTIFICATE_BUNDLE")),
    }
    let pem = source.pointer("/sourceData/x509CertificateData").and_then(Value::as_str).unwrap_or_default();
    let roots = pem_to_der(pem.as_bytes()).map_err(|error| invalid(format!("x509CertificateData: {error}")))?;
    if roots.is_empty() || roots.len() > MAX_ROOTS {
        return Err(invalid(format!("x509CertificateData must hold 1 to {MAX_ROOTS} certificates")));
    }
    for root in &roots {
        let root = Certificate::from_der(root).map_err(|error| invalid(format!("x509CertificateData: {error}")))?;
        if !root.is_authority() {
            return Err(invalid("Incorrect basic constraints for CA certificate"));
        }
    }
    let id = ask.state.uuid();
    let arn = ask.arn(Kind::Anchor, &id);
    ask.permit("CreateTrustAnchor", &ask.arn(Kind::Anchor, "*"))?;
    let created = ask.state.world.now(SERVICE);
    let enabled = body.get("enabled").and_then(Value::as_bool).unwrap_or(false);
    let anchor = TrustAnchor { id, arn, name, enabled, created, pem: pem.to_owned(), roots };
    let mut inner = ask.state.lock();
    check_room(inner.anchors.len())?;
    let told = json!({ "trustAnchor": tell_anchor(&anchor) });
    inner.anchors.insert(anchor.arn.clone(), anchor);
    Ok(json_reply(StatusCode::CREATED, &told))
}

fn create_profile(ask: &Ask<'_>) -> Answer {
    let body = ask.call.json()?;
    let name = name(&body)?;
    let roles: Vec<String> = body
        .get("roleArns")
        .and_then(Value::as_array)
        .map_or_else(Vec::new, |arns| arns.iter().filter_map(Value::as_str).map(str::to_owned).collect());
    if roles.is_empty() || roles.len() > 250 {
        return Err(invalid("roleArns must hold 1 to 250 ARNs"));
    }
    if body.get("managedPolicyArns").and_then(Value::as_array).is_some_and(|arns| !arns.is_empty()) {
        return Err(ApiError::not_emulated("A profile with managed policies"));
    }
    let duration = body.get("durationSeconds").map_or(Some(3600), Value::as_i64);
    let duration = duration.filter(|seconds| (900..=43_200).contains(seconds));
    let duration = duration.ok_or_else(|| invalid("durationSeconds must be 900 to 43200"))?;
    let policy = match body.get("sessionPolicy").and_then(Value::as_str).filter(|policy| !policy.is_empty()) {
        None => None,
        Some(document) => {
            let policy =
                PolicyDocument::parse(document).map_err(|mistake| invalid(format!("sessionPolicy: {mistake}")))?;
            Some((document.to_owned(), policy))
        }
    };
    let flag = |name: &str| body.get(name).and_then(Value::as_bool).unwrap_or(false);
    let id = ask.state.uuid();
    let profile = Profile {
        arn: ask.arn(Kind::Profile, &id),
        id,
        name,
        enabled: flag("enabled"),
        created: ask.state.world.now(SERVICE),
        roles,
        duration,
        accept_session_name: flag("acceptRoleSessionName"),
        require_instance_properties: flag("requireInstanceProperties"),
        policy,
    };
    ask.permit("CreateProfile", &ask.arn(Kind::Profile, "*"))?;
    let mut inner = ask.state.lock();
    check_room(inner.profiles.len())?;
    let told = json!({ "profile": tell_profile(&profile) });
    inner.profiles.insert(profile.arn.clone(), profile);
    Ok(json_reply(StatusCode::CREATED, &told))
}

fn list(ask: &Ask<'_>, kind: Kind) -> Answer {
    let action = match kind {
        Kind::Anchor => "ListTrustAnchors",
        Kind::Profile => "ListProfiles",
    };
    ask.permit(action, &ask.arn(kind, "*"))?;
    let start = ask.arn(kind, "");
    let inner = ask.state.lock();
    let body = match kind {
        Kind::Anchor => {
            let anchors = inner.anchors.values().filter(|anchor| anchor.arn.starts_with(&start)).map(tell_anchor);
            json!({ "trustAnchors": anchors.collect::<Vec<_>>() })
        }
        Kind::Profile => {
            let profiles = inner.profiles.values().filter(|profile| profile.arn.starts_with(&start)).map(tell_profile);
            json!({ "profiles": profiles.collect::<Vec<_>>() })
        }
    };
    Ok(json_reply(StatusCode::OK, &body))
}

/// Shows, deletes, enables or disables one.
fn one(ask: &Ask<'_>, kind: Kind, id: &str, verb: &str) -> Answer {
    let arn = ask.arn(kind, id);
    let what = match kind {
        Kind::Anchor => "TrustAnchor",
        Kind::Profile => "Profile",
    };
    ask.permit(&format!("{verb}{what}"), &arn)?;
    let mut inner = ask.state.lock();
    let told = change(&mut inner, kind, &arn, verb).ok_or_else(|| not_found(what))?;
    Ok(reply(&told))
}

fn reply(told: &Value) -> Response {
    json_reply(StatusCode::OK, told)
}

fn change(inner: &mut Inner, kind: Kind, arn: &str, verb: &str) -> Option<Value> {
    let enabled = match verb {
        "Enable" => Some(true),
        "Disable" => Some(false),
        _ => None,
    };
    let told = match kind {
        Kind::Anchor => {
            let anchor = inner.anchors.get_mut(arn)?;
            anchor.enabled = enabled.unwrap_or(anchor.enabled);
            json!({ "trustAnchor": tell_anchor(anchor) })
        }
        Kind::Profile => {
            let profile = inner.profiles.get_mut(arn)?;
            profile.enabled = enabled.unwrap_or(profile.enabled);
            json!({ "profile": tell_profile(profile) })
        }
    };
    if verb == "Delete" {
        inner.anchors.remove(arn);
        inner.profiles.remove(arn);
    }
    Some(told)
}

fn tell_anchor(anchor: &TrustAnchor) -> Value {
    json!({
        "trustAnchorId": anchor.id,
        "trustAnchorArn": anchor.arn,
        "name": anchor.name,
        "enabled": anchor.enabled,
        "createdAt": seconds(anchor.created),
        "updatedAt": seconds(anchor.created),
        "source": { "sourceType": "CERTIFICATE_BUNDLE", "sourceData": { "x509CertificateData": anchor.pem } },
    })
}

fn tell_profile(profile: &Profile) -> Value {
    json!({
        "profileId": profile.id,
        "profileArn": profile.arn,
        "name": profile.name,
        "enabled": profile.enabled,
        "createdAt": seconds(profile.created),
        "updatedAt": seconds(profile.created),
        "createdBy": format!("arn:aws:iam::{}:root", seed::ACCOUNT),
        "roleArns": profile.roles,
        "managedPolicyArns": [],
        "durationSeconds": profile.duration,
        "acceptRoleSessionName": profile.accept_session_name,
        "requireInstanceProperties": profile.require_instance_properties,
        "sessionPolicy": profile.policy.as_ref().map(|(document, _)| document),
    })
}

fn name(body: &Value) -> Result<String, ApiError> {
    let name = body.get("name").and_then(Value::as_str).unwrap_or_default();
    let fits = |c: char| c.is_ascii_alphanumeric() || " -_".contains(c);
    if name.is_empty() || name.len() > 255 || !name.chars().all(fits) {
        return Err(invalid("name must be 1 to 255 of letters, digits, blanks, hyphens and underscores"));
    }
    Ok(name.to_owned())
}

fn check_room(count: usize) -> Result<(), ApiError> {
    if count < MAX_ENTRIES {
        return Ok(());
    }
    Err(ApiError::new(402, "ServiceQuotaExceededException", format!("There are {MAX_ENTRIES} already")))
}
