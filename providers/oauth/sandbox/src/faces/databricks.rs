//! Databricks, workspace and account: "Configure a federation policy" and "Exchange"
//! (docs.databricks.com/aws/dev-tools/auth/oauth-federation-exchange, …/oauth-federation-policy): request, algorithms,
//! that a policy without audiences wants the account's id. `invalid_client` and `error_id` are seen in
//! databricks/terraform-provider-databricks, issue 3757. UNCONFIRMED: `invalid_grant`, the words, the life (derived
//! from the token shown).

use carnet_sandbox_kit::Host;
use serde_json::{Value, json};

use super::{SUBJECT_TOKEN_TYPE, TOKEN_EXCHANGE, USUAL_ALGORITHMS, exchanged, grant_type, manner, whose_it_is};
use crate::{
    face::{
        Body, Entrance, Face, Fixed, Given, Key, Life, Lookup, Reason, Refuse, Replay, Resource, Shown, USUAL, refuse,
    },
    reply::{Failure, Style},
    resource::{Served, Visit},
    tokens::Session,
};

const SCOPE: Fixed = Fixed { name: "scope", values: &["all-apis"], required: true, otherwise: Reason::Scope };
const FIXED: &[Fixed] = &[grant_type(&[TOKEN_EXCHANGE]), SUBJECT_TOKEN_TYPE, SCOPE];

pub(crate) static WORKSPACE: Face = Face {
    name: "databricks",
    service: "oauth-databricks",
    hosts: &[Host::Between("", ".cloud.databricks.com"), Host::Between("", ".gcp.databricks.com")],
    entrance: entrance("/oidc/v1/token"),
    // Without a client it is a policy of the account that counts.
    key: Key::Members(&["client_id"]),
    resources: &[me("/api/2.0/preview/scim/v2/Me")],
    lookup: Lookup::Trust,
    algorithms: USUAL_ALGORITHMS,
    kid: true,
    needed: &["iss", "sub", "aud", "exp"],
    manner: manner(None),
    audience_first: false,
    replay: Replay::Any,
    life: Life { usual: 3600, longest: 3600, ends_with_token: true },
    prefix: "dkea",
    success: 200,
    answer,
    style: Style::OauthWithId,
    refuse: words,
    documents: &[],
};

pub(crate) static ACCOUNT: Face = Face {
    name: "databricks-account",
    service: "oauth-databricks-account",
    hosts: &[Host::Exact("accounts.cloud.databricks.com"), Host::Exact("accounts.gcp.databricks.com")],
    entrance: entrance("/oidc/accounts/{account_id}/v1/token"),
    key: Key::Members(&["account_id", "client_id"]),
    resources: &[me("/api/2.0/accounts/{account_id}/scim/v2/Me")],
    lookup: Lookup::Trust,
    algorithms: USUAL_ALGORITHMS,
    kid: true,
    needed: &["iss", "sub", "aud", "exp"],
    manner: manner(None),
    audience_first: false,
    replay: Replay::Any,
    life: Life { usual: 3600, longest: 3600, ends_with_token: true },
    prefix: "dkea",
    success: 200,
    answer,
    style: Style::OauthWithId,
    refuse: words,
    documents: &[],
};

const fn entrance(path: &'static str) -> Entrance {
    Entrance {
        method: "POST",
        path,
        bodies: &[Body::Form],
        token: Shown::Member("subject_token"),
        fixed: FIXED,
        required: &[],
        most: USUAL,
    }
}

/// Who asks, as a user of SCIM (RFC 7643, 4.1): "Get current user" (docs.databricks.com/api/workspace/currentuser/me).
const fn me(path: &'static str) -> Resource {
    Resource { serve: current_user, ..whose_it_is(path, Style::OauthWithId) }
}

#[expect(clippy::unnecessary_wraps, reason = "the resources of others refuse")]
fn current_user(visit: &Visit<'_>) -> Result<Served, Failure> {
    let Session { party, principal, .. } = visit.session;
    let schemas = ["urn:ietf:params:scim:schemas:core:2.0:User"];
    Ok(Served::body(json!({
        "schemas": schemas, "userName": principal, "active": true, "party": party, "principal": principal,
    })))
}

fn answer(given: &Given<'_>) -> Value {
    exchanged(given, "all-apis")
}

fn words(reason: Reason) -> Refuse {
    match reason {
        Reason::Body | Reason::Missing | Reason::Value => refuse(400, "invalid_request", "Malformed request"),
        Reason::TooLarge => refuse(413, "invalid_request", "Request too large"),
        Reason::Grant => refuse(400, "unsupported_grant_type", "Unsupported grant type"),
        Reason::Scope => refuse(400, "invalid_scope", "Invalid scope"),
        Reason::Target | Reason::NoTrust => refuse(401, "invalid_client", "Client authentication failed"),
        Reason::Keys => refuse(503, "temporarily_unavailable", "The issuer's keys could not be read"),
        _ => refuse(400, "invalid_grant", "No federation policy matches the subject token"),
    }
}
