//! From an instance's certificate to its session token: `POST /v1/x509`.

use std::{collections::BTreeMap, fmt::Write, sync::Arc};

use axum::response::Response;
use base64::{Engine, engine::general_purpose::STANDARD};
use carnet_oci::trust::{
    Checked, Principal,
    principal::{PTYPE_INSTANCE, Proof},
    signature::{KeyId, Options, Signer, X509Digest},
};
use carnet_trust::Refusal;
use carnet_x509::{Certificate, verify_chain};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{NAME, SessionGrant, session_jwk, session_key};
use crate::{
    call::Call,
    reply::{ApiError, ok},
    seed,
    state::unknown_key,
};

/// Life of an instance principal's token: `exp - iat` in the public samples.
const LIFETIME: SignedDuration = SignedDuration::from_secs(1200);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Federation {
    certificate: String,
    public_key: String,
    #[serde(default)]
    intermediate_certificates: Vec<String>,
}

pub(super) fn federate(call: &Call) -> Result<Response, ApiError> {
    let body: Federation = call.json()?;
    let leaf = certificate("certificate", &body.certificate)?;
    let intermediates = body
        .intermediate_certificates
        .iter()
        .map(|text| certificate("intermediateCertificates", text).map(|found| found.der().to_vec()))
        .collect::<Result<Vec<_>, _>>()?;
    let authorities = call.state.compute().authorities().map_err(|error| ApiError::internal(&error))?;
    let mut fingerprint = String::new();
    let principal = call
        .state
        .authenticate_with(NAME, &call.parts, &call.body, &Options::AUTH_SERVICE, |key_id, now| {
            require_fingerprint(&leaf, key_id)?;
            key_id_text(key_id).clone_into(&mut fingerprint);
            require_times(&leaf, now)?;
            verify_chain(leaf.der(), &intermediates, &[authorities.root().to_vec()], now).map_err(|error| {
                refuse("chain", error.to_string(), "a certificate that leads to the platform's root", FIX_CERTIFICATE)
            })?;
            let principal = principal(&leaf, key_id)?;
            let key = leaf
                .public_key()
                .map_err(|error| refuse("key", error.to_string(), "a certificate with an RSA key", FIX_CERTIFICATE))?;
            Ok(Signer { principal: Arc::new(principal), key: Arc::new(key) })
        })
        .map_err(ApiError::not_authenticated)?;
    call.remember(&principal);
    let key = session_jwk(&session_key("publicKey", &body.public_key)?, Some(&fingerprint));
    let mut claims = Map::new();
    for (name, value) in [
        ("sub", principal.id.as_str()),
        ("ptype", PTYPE_INSTANCE),
        ("ttype", "x509"),
        ("opc-certtype", "instance"),
        ("opc-instance", &principal.id),
        ("opc-compartment", principal.compartment.as_deref().unwrap_or_default()),
        ("opc-tenant", &principal.tenancy),
        ("tenant", &principal.tenancy),
        ("fprint", &fingerprint),
        ("opc-tag", &format!("V3,{},AAAAAQAAAAA=,AAAAAQAAAAA=", principal.tenancy)),
    ] {
        claims.insert(name.to_owned(), Value::from(value));
    }
    let grant = SessionGrant { service: NAME, claims, key: &key, lifetime: LIFETIME };
    let token = call.state.auth().mint_session(grant).map_err(|error| ApiError::internal(&error))?;
    Ok(ok(&json!({ "token": token.expose() })))
}

const FIX_CERTIFICATE: &str = "fetch certificate, key and intermediate from the instance metadata again; they are \
                               replaced several times a day";

fn certificate(field: &str, text: &str) -> Result<Certificate, ApiError> {
    let bad = || ApiError::invalid(format!("{field} must be base64 of a DER certificate, without PEM armour"));
    let der = STANDARD.decode(text).map_err(|_ignored| bad())?;
    Certificate::from_der(&der).map_err(|_ignored| bad())
}

/// The fingerprint in `keyId`, which must be that of the certificate in the body. Clients differ in its case.
fn require_fingerprint(leaf: &Certificate, key_id: &KeyId<'_>) -> Checked<()> {
    let KeyId::X509 { digest, fingerprint, .. } = key_id else {
        return Err(unknown_key(format!("{key_id:?}"), "TENANCY/fed-x509-sha256/FINGERPRINT"));
    };
    let actual = match digest {
        X509Digest::Sha1 => colons(&leaf.sha1()),
        X509Digest::Sha256 => colons(&leaf.sha256()),
    };
    if fingerprint.eq_ignore_ascii_case(&actual) {
        return Ok(());
    }
    Err(refuse("fingerprint", key_id_text(key_id).to_owned(), actual, FIX_CERTIFICATE))
}

fn key_id_text<'a>(key_id: &KeyId<'a>) -> &'a str {
    match key_id {
        KeyId::X509 { fingerprint, .. } => fingerprint,
        _ => "",
    }
}

fn require_times(leaf: &Certificate, now: Timestamp) -> Checked<()> {
    let wanted = format!("a certificate that counts at {now}");
    if now < leaf.not_before() {
        return Err(refuse("not-yet", format!("not before {}", leaf.not_before()), wanted, "set the clock"));
    }
    if leaf.not_after() < now {
        return Err(refuse("expired", format!("not after {}", leaf.not_after()), wanted, FIX_CERTIFICATE));
    }
    Ok(())
}

/// Who the certificate speaks of. The tenancy in `keyId` must be its own.
fn principal(leaf: &Certificate, key_id: &KeyId<'_>) -> Checked<Principal> {
    let values = leaf.subject_values();
    let unit = |name: &str| {
        values.iter().find_map(|value| value.strip_prefix(name).and_then(|rest| rest.strip_prefix(':'))).ok_or_else(
            || {
                refuse(
                    "certificate",
                    format!("no {name} in the subject"),
                    "a certificate of an instance",
                    FIX_CERTIFICATE,
                )
            },
        )
    };
    let tenancy = unit("opc-tenant")?;
    let named = match key_id {
        KeyId::X509 { tenancy, .. } => *tenancy,
        _ => "",
    };
    if named != tenancy || tenancy != seed::TENANCY {
        return Err(refuse(
            "tenancy",
            format!("{} in keyId and {tenancy} in the certificate", named.chars().take(100).collect::<String>()),
            seed::TENANCY,
            "take the tenancy for keyId from the certificate, opc-tenant in its subject",
        ));
    }
    Ok(Principal {
        kind: PTYPE_INSTANCE.to_owned(),
        id: unit("opc-instance")?.to_owned(),
        tenancy: tenancy.to_owned(),
        name: None,
        compartment: Some(unit("opc-compartment")?.to_owned()),
        attributes: BTreeMap::new(),
        proof: Proof::X509,
        claims: BTreeMap::new(),
    })
}

fn refuse(
    clause: &'static str,
    seen: impl Into<String>,
    wanted: impl Into<String>,
    fix: impl Into<String>,
) -> Box<Refusal> {
    Box::new(Refusal::new(clause, seen, wanted, "NotAuthenticated", fix))
}

/// Hexadecimal pairs joined by colons.
fn colons(bytes: &[u8]) -> String {
    bytes.iter().enumerate().fold(String::new(), |mut text, (at, byte)| {
        let separator = if at == 0 { "" } else { ":" };
        // Writing to a string cannot fail.
        let _ = write!(text, "{separator}{byte:02x}");
        text
    })
}
