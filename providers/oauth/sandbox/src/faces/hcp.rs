//! HashiCorp Cloud Platform: `auth/workload/provider.go` of hashicorp/hcp-sdk-go, and "Configure an OIDC provider"
//! (developer.hashicorp.com/hcp/docs/hcp/iam/service-principal/workload-identity-federation): path, members, the
//! provider's name as the audience. The resources are those of its `clients/cloud-iam` (`GetCallerIdentity`) and
//! `clients/cloud-resource-manager` (`ProjectService_Get`). UNCONFIRMED: what is answered about other projects, the
//! host, the form (gRPC's gateway), the codes, the words and the life. What is a conditional statement there is claims
//! here.

use carnet_sandbox_kit::Host;
use serde_json::{Value, json};

use super::{USUAL_ALGORITHMS, manner};
use crate::{
    face::{
        Body, Entrance, Face, Given, Key, Life, Lookup, Presented, Reason, Refuse, Replay, Resource, Shown, USUAL,
        refuse,
    },
    reply::{Failure, Style},
    resource::{Serve, Served, Visit},
};

pub(crate) static FACE: Face = Face {
    name: "hcp",
    service: "oauth-hcp",
    hosts: &[Host::Exact("api.cloud.hashicorp.com")],
    entrance: Entrance {
        method: "POST",
        path: "/2019-12-10/{provider*}/exchange-token",
        bodies: &[Body::Json],
        token: Shown::Member("jwt_token"),
        fixed: &[],
        required: &[],
        most: USUAL,
    },
    lookup: Lookup::Trust,
    key: Key::Members(&["provider"]),
    algorithms: USUAL_ALGORITHMS,
    kid: true,
    needed: &["iss", "sub", "aud", "exp"],
    manner: manner(None),
    audience_first: false,
    replay: Replay::Any,
    life: Life { usual: 3600, longest: 3600, ends_with_token: false },
    prefix: "hcp-",
    success: 200,
    answer,
    style: Style::Grpc,
    refuse: words,
    resources: &[
        hcps("/iam/2019-12-10/caller-identity", caller_identity),
        hcps("/resource-manager/2019-12-10/projects/{id}", project),
    ],
    documents: &[],
};

const fn hcps(path: &'static str, serve: Serve) -> Resource {
    Resource { method: "GET", path, presented: Presented::Bearer, style: Style::Grpc, serve }
}

#[expect(clippy::unnecessary_wraps, reason = "the resources of others refuse")]
fn caller_identity(visit: &Visit<'_>) -> Result<Served, Failure> {
    let service = json!({ "name": visit.session.principal, "project_id": own_project(visit) });
    Ok(Served::body(json!({ "principal": { "type": "PRINCIPAL_TYPE_SERVICE", "service": service } })))
}

/// A service principal of a project sees that project.
fn project(visit: &Visit<'_>) -> Result<Served, Failure> {
    let (asked, own) = (visit.member("id"), own_project(visit));
    if asked != own {
        return Err(Failure::policy(refuse(403, "7", "permission denied"), asked, own));
    }
    Ok(Served::body(json!({ "project": { "id": own, "name": "sandbox", "state": "ACTIVE" } })))
}

/// The project in the provider's name, `iam/project/ID/…`.
fn own_project<'a>(visit: &'a Visit<'_>) -> &'a str {
    visit.said("provider").split('/').nth(2).unwrap_or_default()
}

fn answer(given: &Given<'_>) -> Value {
    json!({ "access_token": given.token, "token_type": "Bearer", "expires_in": given.life })
}

fn words(reason: Reason) -> Refuse {
    match reason {
        Reason::Body | Reason::Missing | Reason::Value => refuse(400, "3", "invalid argument"),
        Reason::TooLarge => refuse(413, "3", "request too large"),
        Reason::Target | Reason::NoTrust => refuse(404, "5", "workload identity provider not found"),
        Reason::Subject | Reason::Claims | Reason::Disabled | Reason::Members => {
            refuse(403, "7", "the conditional access statement does not hold")
        }
        Reason::Keys => refuse(503, "14", "the issuer's keys could not be read"),
        _ => refuse(401, "16", "the token could not be verified"),
    }
}
