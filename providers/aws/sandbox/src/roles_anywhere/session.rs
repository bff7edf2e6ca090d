//! `CreateSession`: from a certificate to keys of a role.

use std::collections::{BTreeMap, BTreeSet};

use carnet_aws::trust::{Context, RequestFacts, is_session_name};
use carnet_trust::Grant;
use carnet_x509::Certificate;
use http::StatusCode;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{
    Profile, SERVICE, TrustAnchor,
    certificate::{self, Signer, denied},
    invalid, not_found,
};
use crate::{
    call::Call,
    principal::RoleSession,
    reply::{Answer, ApiError, json_reply, seconds},
    seed, sessions,
    state::{RoleEntry, State},
};

/// The principal that trust policies name.
const PRINCIPAL: (&str, &str) = ("Service", "rolesanywhere.amazonaws.com");

/// What a request names.
struct Wish {
    anchor: TrustAnchor,
    profile: Profile,
    role_arn: String,
    role: Option<RoleEntry>,
}

pub(super) fn create(state: &State, call: &Call, region: Option<&str>) -> Answer {
    let now = state.world.now(SERVICE);
    let signer = certificate::read(call, region, now)?;
    let body = call.json()?;
    let wish = wish(state, call, &body, &signer.region)?;
    signer.check(&wish.anchor, now)?;
    let seconds_asked = match body.get("durationSeconds").filter(|value| !value.is_null()) {
        None => wish.profile.duration,
        Some(value) => {
            let asked = value.as_i64().filter(|seconds| (900..=43_200).contains(seconds));
            asked.ok_or_else(|| invalid("durationSeconds must be 900 to 43200"))?
        }
    };
    let name = session_name(&body, &wish.profile, &signer)?;
    if wish.profile.require_instance_properties && !body.get("instanceProperties").is_some_and(Value::is_object) {
        return Err(invalid("The profile requires instanceProperties"));
    }
    let tags = tags(&signer.leaf);
    let source = source_identity(&signer);
    let entry = decide(state, call.facts(&signer.region), &wish, &tags, &source, &name)?;
    let lifetime = SignedDuration::from_secs(seconds_asked.min(wish.profile.duration)).min(entry.role.longest());
    let arn = entry.role.session_arn(&name);
    let mut attributes: BTreeMap<String, String> =
        tags.iter().map(|(key, value)| (format!("tag/{key}"), carnet_core::safe_text(value))).collect();
    attributes.insert("serial".to_owned(), signer.serial.clone());
    let held = vec!["signature", "anchor", "profile", "chain", "policy"];
    let grant = Grant { principal: arn.clone(), lifetime: Some(lifetime), attributes, held, ..Grant::default() };
    state.world.decisions.allowed(SERVICE, &grant);
    let session = RoleSession {
        role_arn: entry.role.arn.clone(),
        role_id: entry.id.clone(),
        arn,
        name,
        tags,
        transitive: BTreeSet::new(),
        source_identity: Some(source.clone()),
        policies: wish.profile.policy.iter().map(|(_, policy)| policy.clone()).collect(),
        facts: vec![("aws:SourceArn".to_owned(), wish.anchor.arn.clone())],
        instance: None,
    };
    let issued = sessions::issue(state, SERVICE, &call.path, session, lifetime);
    let subject = format!("arn:aws:rolesanywhere:{}:{}:subject/{}", signer.region, seed::ACCOUNT, subject_id(&signer));
    let body = json!({
        "credentialSet": [{
            "assumedRoleUser": { "arn": issued.session.arn, "assumedRoleId": issued.session.user_id() },
            "credentials": {
                "accessKeyId": issued.key_id,
                "secretAccessKey": issued.secret.expose(),
                "sessionToken": issued.token.expose(),
                "expiration": seconds(issued.expires),
            },
            "packedPolicySize": 10,
            "roleArn": issued.session.role_arn,
            "sourceIdentity": source,
        }],
        "subjectArn": subject,
    });
    Ok(json_reply(StatusCode::CREATED, &body))
}

/// What stands in the query; some clients put it into the body.
fn wish(state: &State, call: &Call, body: &Value, region: &str) -> Result<Wish, ApiError> {
    let named = |name: &str| {
        let of_body = || body.get(name).and_then(Value::as_str).map(str::to_owned);
        call.parameter(name).or_else(of_body).ok_or_else(|| invalid(format!("{name} is missing")))
    };
    let (anchor, profile, role_arn) = (named("trustAnchorArn")?, named("profileArn")?, named("roleArn")?);
    let of_region = format!("arn:aws:rolesanywhere:{region}:");
    for arn in [&anchor, &profile] {
        if !arn.starts_with(&of_region) {
            let text = format!("The ARN is not of the region {region}: {}", carnet_core::safe_text(arn));
            return Err(invalid(text));
        }
    }
    let inner = state.lock();
    let anchor = inner.anchors.get(&anchor).ok_or_else(|| not_found("TrustAnchor"))?;
    let profile = inner.profiles.get(&profile).ok_or_else(|| not_found("Profile"))?;
    if !anchor.enabled {
        return Err(denied("anchor", "a trust anchor that is disabled", "one that is enabled"));
    }
    if !profile.enabled {
        return Err(denied("profile", "a profile that is disabled", "one that is enabled"));
    }
    if !profile.roles.contains(&role_arn) {
        return Err(denied("profile", &format!("the profile does not name {role_arn}"), &profile.roles.join(", ")));
    }
    let role = inner.role(&role_arn).cloned();
    Ok(Wish { anchor: anchor.clone(), profile: profile.clone(), role_arn, role })
}

fn session_name(body: &Value, profile: &Profile, signer: &Signer) -> Result<String, ApiError> {
    let given =
        ["roleSessionName", "sessionName"].iter().find_map(|name| body.get(*name).filter(|name| !name.is_null()));
    let given = given.map(|name| name.as_str().ok_or_else(|| invalid("roleSessionName must be a text"))).transpose()?;
    let Some(name) = given.filter(|name| !name.is_empty()) else {
        // The serial number in hexadecimal is what sessions are called by default.
        let serial = carnet_core::hex(signer.leaf.serial());
        return Ok(serial.chars().take(64).collect());
    };
    if !profile.accept_session_name {
        return Err(denied("session-name", name, "none: the profile does not accept role session names"));
    }
    if !is_session_name(name) {
        return Err(invalid("roleSessionName must be 2 to 64 of letters, digits and _+=,.@-"));
    }
    Ok(name.to_owned())
}

fn decide(
    state: &State,
    facts: RequestFacts<'_>,
    wish: &Wish,
    tags: &BTreeMap<String, String>,
    source: &str,
    name: &str,
) -> Result<RoleEntry, ApiError> {
    let no_role = || denied("policy", &format!("no such role: {}", wish.role_arn), "a role");
    let entry = wish.role.clone().ok_or_else(no_role)?;
    let now = state.world.now(SERVICE);
    let mut context = Context::default()
        .with_request(&facts)
        .with("aws:SourceArn", [wish.anchor.arn.clone()])
        .with("aws:SourceAccount", [seed::ACCOUNT])
        .with("sts:SourceIdentity", [source])
        .with("sts:RoleSessionName", [name])
        .with("aws:CurrentTime", [now.to_string()])
        .with("aws:EpochTime", [now.as_second().to_string()])
        .with("aws:TagKeys", tags.keys().cloned());
    for (key, value) in tags {
        // Trust policies of Roles Anywhere are written with the first; the second is what TagSession knows.
        context = context
            .with(&format!("aws:PrincipalTag/{key}"), [value.clone()])
            .with(&format!("aws:RequestTag/{key}"), [value.clone()]);
    }
    for action in ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"] {
        entry
            .role
            .trust
            .allows(action, PRINCIPAL, &context)
            .map_err(|no| denied("policy", &format!("{action}: {}", no.seen), &no.wanted))?;
    }
    Ok(entry)
}

/// The tags of a certificate ("Trust model", Roles Anywhere user guide). Of several values the first counts.
fn tags(leaf: &Certificate) -> BTreeMap<String, String> {
    let mut tags = BTreeMap::new();
    let mut add = |key: String, value: &str| {
        if !value.is_empty() && value.chars().count() <= 256 {
            tags.entry(key).or_insert_with(|| value.to_owned());
        }
    };
    for (prefix, name) in [("x509Subject", leaf.subject()), ("x509Issuer", leaf.issuer())] {
        for (attribute, value) in name {
            add(format!("{prefix}/{attribute}"), value);
        }
    }
    if let Some(uri) = leaf.uris().first() {
        add("x509SAN/URI".to_owned(), uri);
    }
    if let Some(dns) = leaf.dns_names().first() {
        add("x509SAN/DNS".to_owned(), dns);
    }
    tags
}

/// `CN=name`, or the serial number of a certificate without one, such as an X.509-SVID. UNCONFIRMED for the latter.
fn source_identity(signer: &Signer) -> String {
    let common = signer.leaf.subject().iter().find_map(|(name, value)| (name == "CN").then_some(value));
    let text = common.map_or_else(|| signer.serial.clone(), |value| format!("CN={value}"));
    text.chars().filter(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(*c)).take(64).collect()
}

/// The same for the same certificate's subject, in the form of a UUID.
fn subject_id(signer: &Signer) -> String {
    let names: Vec<&str> = signer.leaf.subject().iter().map(|(_, value)| value.as_str()).collect();
    let digest = crate::sigv4::digest(format!("{names:?}{:?}", signer.leaf.uris()).as_bytes());
    let part = |from: usize, to: usize| digest.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-8{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}
