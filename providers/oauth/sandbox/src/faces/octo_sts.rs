//! octo-sts, `pkg/octosts/octosts.go` and `trust_policy.go` of octo-sts/app, `docs/token-exchange.md`: order, codes and
//! words. A policy that is switched off plays GitHub giving no token. UNCONFIRMED: the form over HTTP, that of gRPC's
//! gateway. What it gives is GitHub's: "List repositories accessible to the app installation" and "Get a repository"
//! (docs.github.com/rest), where what a token may not see is not found ("Troubleshooting the REST API"). Patterns are
//! not regular expressions here but have `*`.

use carnet_oauth::trust::{Check, Manner, Matching};
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
    name: "octo-sts",
    service: "oauth-octo-sts",
    hosts: &[Host::Exact("octo-sts.dev"), Host::Exact("api.github.com")],
    entrance: Entrance {
        method: "GET",
        path: "/sts/exchange",
        bodies: &[Body::Query],
        token: Shown::Bearer,
        fixed: &[],
        required: &["scope", "identity"],
        most: USUAL,
    },
    lookup: Lookup::AnyIssuer,
    key: Key::Members(&["scope", "identity"]),
    algorithms: USUAL_ALGORITHMS,
    kid: false,
    needed: &[],
    manner: Manner {
        matching: Matching::Glob,
        order: [Check::Subject, Check::Audience, Check::Claims],
        ..manner(Some("octo-sts.dev"))
    },
    audience_first: false,
    replay: Replay::Any,
    life: Life { usual: 3600, longest: 3600, ends_with_token: false },
    prefix: "ghs_",
    success: 200,
    answer,
    style: Style::Grpc,
    refuse: words,
    resources: &[at_github("/installation/repositories", repositories), at_github("/repos/{owner}/{name}", repository)],
    documents: &[],
};

const fn at_github(path: &'static str, serve: Serve) -> Resource {
    Resource { method: "GET", path, presented: Presented::Bearer, style: Style::Github, serve }
}

#[expect(clippy::unnecessary_wraps, reason = "the resources of others refuse")]
fn repositories(visit: &Visit<'_>) -> Result<Served, Failure> {
    Ok(Served::body(json!({ "total_count": 1, "repositories": [shown(visit.said("scope"))] })))
}

/// Where the token leads to no repository of this name, none is there.
fn repository(visit: &Visit<'_>) -> Result<Served, Failure> {
    let (asked, own) = (format!("{}/{}", visit.member("owner"), visit.member("name")), visit.said("scope"));
    if !asked.eq_ignore_ascii_case(own) {
        return Err(Failure::policy(refuse(404, "", "Not Found"), &asked, own));
    }
    Ok(Served::body(shown(own)))
}

fn shown(full_name: &str) -> Value {
    let (owner, name) = full_name.split_once('/').unwrap_or((full_name, ""));
    json!({ "full_name": full_name, "name": name, "owner": { "login": owner }, "private": true })
}

fn answer(given: &Given<'_>) -> Value {
    json!({ "token": given.token })
}

fn words(reason: Reason) -> Refuse {
    match reason {
        Reason::NoToken => refuse(401, "16", "expected exactly one authorization header"),
        Reason::Form | Reason::Body | Reason::Value => refuse(400, "3", "invalid bearer token"),
        Reason::Keys => refuse(400, "3", "unable to fetch or create the provider"),
        Reason::TooLarge => refuse(413, "3", "request too large"),
        // Without scope or identity there is no policy of that name.
        Reason::Missing | Reason::NoTrust => refuse(404, "5", "unable to find trust policy for \"{seen}\""),
        Reason::Target => refuse(404, "5", "no installation found for \"{seen}\""),
        Reason::Issuer => refuse(403, "7", "trust policy: issuer \"{seen}\" did not match \"{wanted}\""),
        Reason::Subject => refuse(403, "7", "trust policy: subject \"{seen}\" did not match \"{wanted}\""),
        Reason::Audience => refuse(403, "7", "trust policy: audience \"{wanted}\" did not match any of [\"{seen}\"]"),
        Reason::Claims | Reason::Members => refuse(403, "7", "trust policy: claim {seen} did not match \"{wanted}\""),
        Reason::Disabled | Reason::Pending => refuse(500, "13", "failed to get token"),
        _ => refuse(401, "16", "unable to verify bearer token"),
    }
}
