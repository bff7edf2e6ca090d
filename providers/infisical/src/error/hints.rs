//! What to do about a refusal.

use super::Attempt;
use crate::config::Method;

/// The fixes for a clause.
pub(super) fn of(clause: &str, attempt: &Attempt<'_>) -> Vec<String> {
    let Attempt { identity, audience, issuer, subject, .. } = attempt;
    let identity = identity.unwrap_or("the identity");
    let (audience, issuer, subject) =
        (audience.unwrap_or("not known"), issuer.unwrap_or("not known"), subject.unwrap_or("not known"));
    let one = |text: &str| vec![text.to_owned()];
    match clause {
        "method" => vec![format!(
            "check the id ({identity}) and the server; the identity needs this auth method (Organisation, Machine Identities)"
        )],
        "address" => one(
            "the auth method does not take calls from this network: see `accessTokenTrustedIps`, for client secrets `clientSecretTrustedIps`",
        ),
        "locked" => {
            one("too many wrong secrets: wait (by default five minutes) or clear the lockout, then use the right one")
        }
        "secret" => one("client id and client secret belong together; make a new secret if it was lost"),
        "uses" => one("the token or secret was used as often as its limit allows: log in again, or raise the limit"),
        "max-ttl" => one("the token cannot be renewed any more: log in again"),
        "revoked" => {
            one("somebody revoked the token, its auth method or its identity: log in again if that was not meant")
        }
        "expired" => vec![
            "get a new token or secret just before the login".to_owned(),
            "compare the clocks of issuer and server: nothing is tolerated there".to_owned(),
        ],
        "not-yet" => {
            one("the token counts from a time in the future: compare the clock of the issuer with the server's")
        }
        "keys" => {
            vec![format!("the server cannot read the keys of {issuer}: it needs a way there and the right roots")]
        }
        "key" | "signature" => {
            vec![format!("the auth method has no key that verifies this token: its keys must be those of {issuer}")]
        }
        "issuer" => vec![format!(
            "the token's issuer is {issuer}: `boundIssuer` must be the same, character by character; a slash at the end counts"
        )],
        "audience" => vec![format!(
            "the token's audience is {audience}: it must be one that the auth method takes (`boundAudiences`, `allowedAudience`, \
             `allowedAudiences`, `resource`; for GCP the id of the identity); set it there, or in `audience` of the exchange"
        )],
        "subject" => vec![format!(
            "the token's subject is {subject}: compare it with `boundSubject`; `*` does not stand for `/` there, `**` as a whole segment does"
        )],
        "bound-claims" | "claim-missing" => one(
            "compare the token's claims (`carnet inspect`) with `boundClaims`: `*` does not stand for `/`, and `false`, `0` and an empty text count as absent",
        ),
        "namespace" | "name" => {
            vec![format!(
                "the service account ({subject}) must be in `allowedNamespaces` and `allowedNames` of the auth method"
            )]
        }
        "review" => one(
            "the cluster's API server does not know the token: it must be of that cluster, in time, and its pod still there",
        ),
        "account" | "principal" => one(
            "the caller is not on a list of the auth method: for AWS `allowedAccountIds` and `allowedPrincipalArns` (the role, without its path), for Azure `allowedServicePrincipalIds` (object ids)",
        ),
        "service-account" | "project" | "zone" => {
            one("see `allowedServiceAccounts`, `allowedProjects` and `allowedZones` of the auth method")
        }
        "tenant" | "tenancy" => one("the auth method is for another tenant or tenancy than the credential's"),
        "user-name" => {
            one("add the user's name to `allowedUsernames`; case counts, and federated users cannot be listed")
        }
        "host" | "region" => one("name a region of the commercial partition in `region`: others are not asked there"),
        "organization" => one("check `organization_slug`, and whether the identity is a member of that organisation"),
        "form" => one("send the token as its issuer gave it"),
        "permission" => one(
            "the identity's role in the project does not grant this: add the identity to the project, with a role that may read secrets",
        ),
        "path" => one("check project, environment, folder and name of the secret"),
        "token" => one("log in again: the token is not (or no longer) one of this server"),
        "request" => one(
            "compare the fields of the section with what the server says; it may be older or newer than carnet knows",
        ),
        _ => vec![format!("compare the auth method of {identity} with what was shown")],
    }
}

/// What an answer 500 may mean at a login.
pub(super) fn upstream(method: Method) -> Vec<String> {
    let asks = match method {
        Method::Aws => "AWS STS did not take the signature (clock, region, keys that were revoked)",
        Method::Oci => "Oracle did not take the signature (clock, key that was removed, user that may not read itself)",
        Method::Gcp => "Google's library did not take the token (audience: the identity's id; issuer; end)",
        Method::GcpIam => "Google has no keys of that service account",
        Method::Azure => "the token is not of the auth method's tenant",
        Method::Jwt => "the key set does not have the token's key, or cannot be reached",
        Method::Kubernetes => "the token is not that of a service account",
        Method::Oidc | Method::Spiffe | Method::Universal => "something that it depends on failed",
    };
    vec![
        format!("Infisical answers so to a bad proof as well: {asks}"),
        "if it is an outage, the same request may succeed later".to_owned(),
    ]
}
