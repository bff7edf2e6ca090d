//! npm, "Exchange OIDC token" (api-docs.npmjs.com): path, audience, 201 with times, statuses 400, 401, 404 and 500. The
//! words of 401 and 404 are seen in npm/cli, issues 8678 and 9969, and gjsify/gjsify, pull request 512. That a
//! publication without permission is answered 404 `Not found` is seen in npm/cli, issue 8976, and scalar/scalar, pull
//! request 9941. UNCONFIRMED: that this is so for a token of another package, what is answered to one that published,
//! which reason leads to which status, that no user agent is asked for (gjsify says that npm's own is), and
//! the life.

use carnet_oauth::trust::{Manner, Matching};
use carnet_sandbox_kit::Host;
use serde_json::{Value, json};

use super::{USUAL_ALGORITHMS, manner};
use crate::{
    face::{
        Body, Entrance, Face, Given, Key, Life, Lookup, Presented, Reason, Refuse, Replay, Resource, Shown, USUAL,
        refuse,
    },
    reply::{Failure, Style},
    resource::{Served, Visit},
};

pub(crate) static FACE: Face = Face {
    name: "npm",
    service: "oauth-npm",
    hosts: &[Host::Exact("registry.npmjs.org")],
    entrance: Entrance {
        method: "POST",
        path: "/-/npm/v1/oidc/token/exchange/package/{package}",
        bodies: &[Body::Nothing],
        token: Shown::Bearer,
        fixed: &[],
        required: &[],
        most: USUAL,
    },
    lookup: Lookup::Trust,
    key: Key::Members(&["package"]),
    algorithms: USUAL_ALGORITHMS,
    kid: true,
    needed: &["iss", "sub", "aud", "exp"],
    manner: Manner { matching: Matching::Glob, ..manner(Some("npm:registry.npmjs.org")) },
    audience_first: true,
    replay: Replay::Any,
    life: Life { usual: 3600, longest: 3600, ends_with_token: false },
    prefix: "npm_",
    success: 201,
    answer,
    style: Style::Message,
    refuse: words,
    resources: &[Resource {
        method: "PUT",
        path: "/{package}",
        presented: Presented::Bearer,
        style: Style::Registry,
        serve: publish,
    }],
    documents: &[],
};

/// A token that was given for one package publishes no other: the registry then knows none of that name.
fn publish(visit: &Visit<'_>) -> Result<Served, Failure> {
    let (asked, own) = (visit.member("package"), visit.said("package"));
    if asked != own {
        return Err(Failure::policy(refuse(404, "", "Not found"), asked, own));
    }
    Ok(Served::body(json!({ "success": true })))
}

fn answer(given: &Given<'_>) -> Value {
    json!({
        "token_type": "oidc",
        "token": given.token,
        "created": given.now.to_string(),
        "expires": given.expires.to_string(),
    })
}

fn words(reason: Reason) -> Refuse {
    match reason {
        Reason::Form | Reason::Body | Reason::Value | Reason::Missing | Reason::NoToken => {
            refuse(400, "", "OIDC token exchange error - bad request")
        }
        Reason::TooLarge => refuse(413, "", "OIDC token exchange error - too large"),
        Reason::Target | Reason::NoTrust | Reason::Members | Reason::Subject | Reason::Claims | Reason::Disabled => {
            refuse(404, "", "OIDC token exchange error - package not found")
        }
        Reason::Keys => refuse(500, "", "OIDC token exchange error - internal server error"),
        _ => refuse(401, "", "OIDC token exchange error - unauthorized"),
    }
}
