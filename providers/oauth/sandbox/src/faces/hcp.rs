//! HashiCorp Cloud Platform: `auth/workload/provider.go` of hashicorp/hcp-sdk-go, and "Configure an OIDC provider"
//! (developer.hashicorp.com/hcp/docs/hcp/iam/service-principal/workload-identity-federation): path, members, the
//! provider's name as the audience. UNCONFIRMED: the host, the form (gRPC's gateway), the codes, the words and the
//! life. What is a conditional statement there is claims here.

use carnet_sandbox_kit::Host;
use serde_json::{Value, json};

use super::{USUAL_ALGORITHMS, manner};
use crate::{
    face::{
        Body, Entrance, Face, Given, Key, Life, Lookup, Presented, Reason, Refuse, Replay, Resource, Shown, USUAL,
        refuse,
    },
    reply::Style,
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
    resource: Some(Resource { method: "GET", path: "/iam/2019-12-10/caller-identity", presented: Presented::Bearer }),
    documents: &[],
};

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
