//! The services with forms of their own: Tailscale, Snowflake, octo-sts, Infisical, HCP.

use carnet_oauth::trust::Stage;

use super::{GRPC, Places, Row, expired, no_keys, not_yet, other_trust, refuses, signed, strange_issuer};
use crate::support::Signed;

const MESSAGE: Places = ("/code", "/message");
const INFISICAL: Places = ("/error", "/message");

#[tokio::test]
async fn tailscale_says_unauthorized_with_403() {
    let rows: &[Row] = &[
        ("no client", |_, asked| asked.without("client_id"), 400, "", "invalid request"),
        ("unknown client", |_, asked| asked.set("client_id", "x"), 401, "", "API token invalid"),
        ("no JWT", |_, asked| asked.token = Some("x".to_owned()), 403, "", "Unauthorized"),
        ("other issuer", strange_issuer, 403, "", "Unauthorized"),
        ("forged", |_, asked| signed(asked, Signed::Forged), 403, "", "Unauthorized"),
        ("expired", expired, 403, "", "Unauthorized"),
        ("other audience", |_, asked| asked.claim("aud", "x"), 403, "", "Unauthorized"),
        ("other subject", |_, asked| asked.claim("sub", "x"), 403, "", "Unauthorized"),
        (
            "switched off",
            |sandbox, asked| other_trust(sandbox, asked, "client_id", Stage::Disabled),
            401,
            "",
            "invalid",
        ),
        ("no keys", no_keys, 502, "", "keys"),
    ];
    refuses("tailscale", MESSAGE, rows).await;
}

#[tokio::test]
async fn snowflake_refuses_other_prefixes_headers_and_tokens() {
    const NO: &str = "Invalid OAuth access token";
    let rows: &[Row] = &[
        ("no statement", |_, asked| asked.without("statement"), 400, "391902", "malformed"),
        ("no header", |_, asked| asked.headers.push(("x-snowflake-authorization-token-type", None)), 401, "390303", NO),
        (
            "another type",
            |_, asked| asked.headers.push(("x-snowflake-authorization-token-type", Some("OAUTH".to_owned()))),
            401,
            "390303",
            NO,
        ),
        ("another prefix", |_, asked| asked.wire.prefix = "WIF.AWS.", 401, "390303", NO),
        ("no prefix", |_, asked| asked.wire.prefix = "", 401, "390303", NO),
        ("no token", |_, asked| asked.headers.push(("authorization", None)), 401, "390303", NO),
        ("other issuer", strange_issuer, 401, "390303", NO),
        ("forged", |_, asked| signed(asked, Signed::Forged), 401, "390303", NO),
        ("other audience", |_, asked| asked.claim("aud", "x"), 401, "390303", NO),
        ("other subject", |_, asked| asked.claim("sub", "x"), 401, "390303", NO),
        ("expired", expired, 401, "390318", "expired"),
        ("no keys", no_keys, 503, "390000", "keys"),
    ];
    refuses("snowflake", MESSAGE, rows).await;
}

#[tokio::test]
async fn octo_sts_has_the_codes_of_grpc() {
    let rows: &[Row] = &[
        ("no token", |_, asked| asked.headers.push(("authorization", None)), 401, "16", "exactly one authorization"),
        ("no JWT", |_, asked| asked.token = Some("x".to_owned()), 400, "3", "invalid bearer token"),
        (
            "unknown issuer",
            |_, asked| asked.claim("iss", "https://nobody.example"),
            400,
            "3",
            "unable to fetch or create the provider",
        ),
        ("unknown key", |_, asked| signed(asked, Signed::ByAStranger), 401, "16", "unable to verify"),
        ("forged", |_, asked| signed(asked, Signed::Forged), 401, "16", "unable to verify"),
        ("expired", expired, 401, "16", "unable to verify"),
        ("no installation", |_, asked| asked.set("scope", "x/y"), 404, "5", "no installation found for \"x/y\""),
        ("no policy", |_, asked| asked.set("identity", "x"), 404, "5", "unable to find trust policy for \"x\""),
        ("other issuer", strange_issuer, 403, "7", "issuer \"https://stranger.example\" did not match"),
        ("other subject", |_, asked| asked.claim("sub", "x"), 403, "7", "subject \"x\" did not match"),
        ("other audience", |_, asked| asked.claim("aud", "x"), 403, "7", "audience \"octo-sts.dev\" did not match"),
        (
            "other claim",
            |sandbox, asked| {
                sandbox.trust("octo-sts", &[("identity", &["claims"])], |trust| {
                    trust.claims.insert("job_workflow_ref".to_owned(), vec!["x".to_owned()]);
                });
                asked.set("identity", "claims");
            },
            403,
            "7",
            "claim no `job_workflow_ref` did not match",
        ),
        (
            "no token of GitHub",
            |sandbox, asked| other_trust(sandbox, asked, "identity", Stage::Disabled),
            500,
            "13",
            "failed to get token",
        ),
    ];
    refuses("octo-sts", GRPC, rows).await;
}

#[tokio::test]
async fn infisical_has_the_texts_of_its_source() {
    const NO: &str = "UnauthorizedError";
    let rows: &[Row] = &[
        ("no identity", |_, asked| asked.without("identityId"), 422, "ValidationFailure", "Required"),
        ("unknown identity", |_, asked| asked.set("identityId", "x"), 404, "NotFound", "did you configure OIDC auth?"),
        ("no JWT", |_, asked| asked.token = Some("x".to_owned()), 401, NO, "Invalid JWT"),
        ("other issuer", strange_issuer, 401, NO, "jwt issuer invalid. expected: https://token.actions"),
        ("unknown key", |_, asked| signed(asked, Signed::ByAStranger), 401, NO, "signing key was not found"),
        ("forged", |_, asked| signed(asked, Signed::Forged), 401, NO, "invalid signature"),
        (
            "expired just now",
            |sandbox, asked| asked.claim("exp", sandbox.world.now("tests").as_second()),
            401,
            NO,
            "jwt expired",
        ),
        ("not yet", not_yet, 401, NO, "jwt not active"),
        ("other subject", |_, asked| asked.claim("sub", "x"), 403, "ForbiddenError", "OIDC subject not allowed"),
        (
            "other subject and audience",
            |_, asked| {
                asked.claim("sub", "x");
                asked.claim("aud", "x");
            },
            403,
            "ForbiddenError",
            "OIDC subject not allowed",
        ),
        ("other audience", |_, asked| asked.claim("aud", "x"), 401, NO, "OIDC audience not allowed"),
        (
            "other claim",
            |sandbox, asked| {
                sandbox.trust("infisical", &[("identityId", &["claims"])], |trust| {
                    trust.claims.insert("repository".to_owned(), vec!["else/where".to_owned()]);
                });
                asked.set("identityId", "claims");
            },
            401,
            NO,
            "OIDC claim not allowed",
        ),
        (
            "no keys, whatever the token",
            |sandbox, asked| {
                no_keys(sandbox, asked);
                asked.token = Some("x".to_owned());
            },
            401,
            NO,
            "Failed to fetch OIDC discovery document from https://token.actions",
        ),
    ];
    refuses("infisical", INFISICAL, rows).await;
}

#[tokio::test]
async fn hcp_has_the_codes_of_grpc() {
    let rows: &[Row] = &[
        ("no JSON", |_, asked| asked.body = Some("x".to_owned()), 400, "3", "invalid argument"),
        ("no token", |_, asked| asked.body = Some("{}".to_owned()), 400, "3", "invalid argument"),
        ("unknown provider", |_, asked| asked.set("provider", "iam/project/x"), 404, "5", "not found"),
        ("no JWT", |_, asked| asked.token = Some("x".to_owned()), 401, "16", "could not be verified"),
        ("other issuer", strange_issuer, 401, "16", "could not be verified"),
        ("forged", |_, asked| signed(asked, Signed::Forged), 401, "16", "could not be verified"),
        ("expired", expired, 401, "16", "could not be verified"),
        ("other audience", |_, asked| asked.claim("aud", "x"), 401, "16", "could not be verified"),
        ("other subject", |_, asked| asked.claim("sub", "x"), 403, "7", "conditional access"),
        ("no keys", no_keys, 503, "14", "keys"),
    ];
    refuses("hcp", GRPC, rows).await;
}
