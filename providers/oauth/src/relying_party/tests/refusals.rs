//! What each refusal becomes, and what is wrong with answers that are none.

use carnet_core::{ErrorKind, HttpErrorKind, chain};

use super::*;
use crate::testing::forms;

fn refused(name: &str, status: u16, answer: &Value) -> Error {
    let (made, world) = ask(name, status, answer);
    assert_eq!(world.http.requests().len(), 1, "nothing is sent twice");
    made.unwrap_err()
}

fn oauth(code: &str) -> Value {
    json!({"error": code, "error_description": "as it says"})
}

fn grpc(code: i64) -> Value {
    json!({"code": code, "message": "as it says", "details": []})
}

fn crates_io(detail: &str) -> Value {
    json!({"errors": [{"detail": detail}]})
}

fn pypi(code: &str) -> Value {
    json!({"message": "Token request failed", "errors": [{"code": code, "description": "as it says"}]})
}

fn message(text: &str) -> Value {
    json!({"message": text})
}

#[test]
fn each_refusal_tells_kind_clause_and_fix() {
    use ErrorKind::{Expired, Policy, Refused, Unreachable};
    let infisical = |status: u16, text: &str| json!({"statusCode": status, "message": text, "error": "Unauthorized"});
    for (name, status, answer, kind, clause, fix) in [
        ("claude", 400, oauth("invalid_grant"), Refused, "subject-token", "with the federation rule"),
        ("openai", 400, oauth("invalid_grant"), Refused, "subject-token", "an enabled mapping"),
        ("openai", 400, oauth("invalid_request"), Refused, "request", "`identity_provider_id`"),
        ("openrouter", 400, oauth("invalid_grant"), Refused, "subject-token", "ES256 or RS256"),
        ("openrouter", 400, oauth("invalid_scope"), Refused, "scope", "`inference`"),
        ("openrouter", 400, oauth("invalid_request"), Refused, "request", "missing or malformed"),
        ("openrouter", 413, oauth("invalid_request"), Refused, "request", "16 KB"),
        ("openrouter", 429, oauth("invalid_request"), Unreachable, "rate-limit", "share the token"),
        ("openrouter", 503, oauth("temporarily_unavailable"), Unreachable, "issuer", "could not read the issuer"),
        ("tailscale", 403, message("Unauthorized"), Refused, "subject-token", "the federated identity"),
        ("tailscale", 401, message("no"), Refused, "client", "check `client_id`"),
        ("databricks", 401, oauth("invalid_client"), Refused, "client", "service principal"),
        ("databricks", 400, oauth("invalid_grant"), Refused, "subject-token", "the federation policy"),
        ("databricks", 400, oauth("invalid_scope"), Refused, "scope", "all-apis"),
        ("databricks-account", 400, oauth("invalid_grant"), Refused, "subject-token", "the federation policy"),
        ("npm", 404, message("package not found"), Refused, "policy", "trusted publishers"),
        ("npm", 401, message("no"), Refused, "subject-token", "npm:registry.npmjs.org"),
        ("pypi", 422, pypi("invalid-publisher"), Refused, "policy", "environment"),
        ("pypi", 422, pypi("invalid-pending-publisher"), Refused, "policy", "exists already"),
        ("pypi", 422, pypi("invalid-token"), Refused, "subject-token", "PyPI's audience"),
        ("pypi", 422, pypi("invalid-reuse-token"), Refused, "replay", "counts once"),
        ("pypi", 422, pypi("invalid-payload"), Refused, "request", "check the address"),
        ("pypi", 422, pypi("not-enabled"), Policy, "policy", "switched off"),
        ("crates-io", 400, crates_io("JWT has already been used"), Refused, "replay", "counts once"),
        ("crates-io", 400, crates_io("Failed to decode JWT"), Refused, "subject-token", "does not say which"),
        ("crates-io", 400, crates_io("Unsupported JWT issuer: x"), Refused, "issuer", "GitLab.com"),
        ("crates-io", 400, crates_io("Missing JWT key ID"), Refused, "subject-token", "must name a key"),
        ("crates-io", 400, crates_io("No Trusted Publishing config found"), Refused, "policy", "the crate's settings"),
        ("octo-sts", 401, grpc(16), Refused, "subject-token", "could not be verified"),
        ("octo-sts", 400, grpc(3), Refused, "request", "malformed"),
        ("octo-sts", 403, grpc(7), Policy, "policy", "with the trust policy"),
        ("octo-sts", 404, grpc(5), Refused, "policy", "on the default branch"),
        ("infisical", 401, infisical(401, "Access denied: jwt expired"), Expired, "expired", "new token"),
        ("infisical", 401, infisical(401, "Failed to fetch OIDC discovery document"), Refused, "issuer", "public"),
        ("infisical", 401, infisical(401, "Access denied"), Refused, "subject-token", "bound to"),
        ("infisical", 403, infisical(403, "Access denied"), Refused, "subject-token", "does not cross"),
        ("infisical", 404, infisical(404, "not found"), Refused, "client", "`identity_id`"),
        ("infisical", 422, json!({"error": "ValidationFailure", "message": []}), Refused, "request", "the form of"),
        ("hcp", 401, grpc(16), Refused, "subject-token", "those of the provider"),
        ("hcp", 403, grpc(7), Policy, "policy", "conditional access"),
        ("hcp", 404, grpc(5), Refused, "client", "service principal and name"),
    ] {
        let error = refused(name, status, &answer);
        assert_eq!((error.kind(), error.failed_clause()), (kind, Some(clause)), "{name} {answer}: {error:?}");
        assert!(error.hints().join("\n").contains(fix), "{name} {answer}: {:?}", error.hints());
        assert!(chain(&error).iter().any(|text| text.contains(&format!("HTTP {status}"))), "{name}: {error:?}");
    }
}

#[test]
fn the_code_is_kept_and_what_was_shown_is_told() {
    let error = refused("openrouter", 400, &oauth("invalid_grant"));
    assert_eq!(error.provider_code(), Some("invalid_grant"));
    let hints = error.hints().join("\n");
    assert!(hints.contains("the token shown has iss https://issuer.example"), "{hints}");
    let nested = json!({"type": "error", "error": {"type": "invalid_grant", "message": "as it says"}});
    assert_eq!(refused("claude", 401, &nested).provider_code(), Some("invalid_grant"));
}

#[test]
fn a_service_that_is_out_of_order_is_not_believed_about_the_token() {
    for (status, clause) in [(500, "unavailable"), (503, "unavailable"), (429, "rate-limit")] {
        let error = refused("databricks", status, &oauth("invalid_grant"));
        assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Unreachable, Some(clause)), "{status}");
    }
}

#[test]
fn the_wait_that_is_asked_for_is_passed_on() {
    let http = ScriptedHttp::default().answer_with(429, &[("retry-after", "7")], oauth("invalid_request").to_string());
    let error = ask_with("openrouter", &shown(), http).0.unwrap_err();
    assert!(error.hints().join("\n").contains("asks to wait 7 s"), "{:?}", error.hints());
}

#[test]
fn refusals_that_no_rule_knows_go_by_their_status() {
    use ErrorKind::{Policy, Refused};
    for (status, kind, clause) in [(401, Refused, "subject-token"), (403, Policy, "policy"), (418, Refused, "request")]
    {
        let error = refused("openrouter", status, &oauth("of_its_own"));
        assert_eq!((error.kind(), error.failed_clause()), (kind, Some(clause)), "{status}");
    }
}

#[test]
fn rejects_what_no_service_answers() {
    for (status, hint) in [(302, "redirects are not followed"), (404, "check `origin`")] {
        let http = ScriptedHttp::default().answer(status, "<html>");
        let error = ask_with("claude", &shown(), http).0.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unreachable, "{status}");
        assert!(error.hints().join("\n").contains(hint), "{status}: {:?}", error.hints());
    }
    let http = ScriptedHttp::default().fail(HttpErrorKind::Timeout);
    let error = ask_with("claude", &shown(), http).0.unwrap_err();
    assert_eq!(error.to_string(), "exchange the token at Claude (Anthropic)");
}

#[test]
fn a_refusal_with_status_200_is_a_refusal() {
    let error = refused("claude", 200, &oauth("invalid_grant"));
    assert_eq!(error.failed_clause(), Some("subject-token"));
}

#[test]
fn rejects_answers_that_are_not_what_was_asked_for() {
    let claude = |field: &str, value: Value| {
        let mut answer = json!({"access_token": "given", "token_type": "Bearer", "expires_in": 60});
        answer[field] = value;
        answer
    };
    for (answer, says) in [
        (claude("access_token", Value::Null), "there is no token at `/access_token`"),
        (claude("access_token", "".into()), "there is no token at `/access_token`"),
        (claude("access_token", 7.into()), "there is no token at `/access_token`"),
        (claude("access_token", "two words".into()), "is not one word of visible ASCII"),
        (claude("token_type", "mac".into()), "`/token_type` is mac, not Bearer"),
        (claude("token_type", Value::Null), "`/token_type` is missing"),
        (claude("expires_in", Value::Null), "it does not say when the token ends"),
        (claude("expires_in", "soon".into()), "is not a sensible number of seconds"),
        (json!([]), "there is no token"),
    ] {
        let error = refused("claude", 200, &answer);
        assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Unreachable, Some("answer")), "{answer}");
        assert!(error.to_string().contains(says), "{answer}: {error}");
    }
    let error = refused("npm", 201, &json!({"token": "t", "expires": "tomorrow"}));
    assert!(error.to_string().contains("its end is not a time"), "{error}");
    let http = ScriptedHttp::default().answer(200, "<html>");
    let error = ask_with("claude", &shown(), http).0.unwrap_err();
    assert!(error.to_string().contains("it is not JSON"), "{error}");
}

#[test]
fn rejects_a_token_that_is_over_already() {
    let written = json!({"token": "t", "expires": "2001-01-01T00:00:00Z"});
    let counted = json!({"access_token": "t", "token_type": "Bearer", "expires_in": 0});
    for (name, answer) in [("npm", written), ("claude", counted)] {
        let error = refused(name, 200, &answer);
        assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Expired, Some("expired")), "{name}");
    }
}

#[test]
fn rejects_a_token_without_a_claim_that_is_needed_before_anything_is_sent() {
    for (name, claim) in [("claude", "sub"), ("openai", "iat"), ("crates-io", "jti"), ("snowflake", "exp")] {
        let credential = shown_with(|claims| drop(claims.as_object_mut().unwrap().remove(claim)));
        let (made, world) = ask_with(name, &credential, ScriptedHttp::default());
        let error = made.unwrap_err();
        assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Configuration, Some("claims")), "{name}");
        assert!(error.to_string().ends_with(&format!("the token has no claim {claim}")), "{error}");
        assert!(world.http.requests().is_empty());
    }
}

#[test]
fn rejects_a_token_that_has_ended_before_anything_is_sent() {
    let credential = shown_with(|claims| claims["exp"] = (NOW - 1).into());
    let (made, world) = ask_with("pypi", &credential, ScriptedHttp::default());
    assert_eq!(made.unwrap_err().kind(), ErrorKind::Expired);
    assert!(world.http.requests().is_empty());
}

#[test]
fn no_error_quotes_the_token_in_any_form() {
    let token = shown_text();
    for form in forms(&token) {
        for (name, answer) in [
            ("openrouter", json!({"error": form, "error_description": "as it says"})),
            ("openrouter", json!({"error": "invalid_grant", "error_description": form})),
            ("crates-io", crates_io(&form)),
            ("tailscale", message(&form)),
        ] {
            let error = refused(name, 400, &answer);
            let told = format!("{} {} {error:?}", chain(&error).join(" "), error.hints().join(" "));
            // Pieces of what was signed, and of what stands before it.
            assert!(!told.contains(&token[13..23]) && !told.contains(&token[25..35]), "{name}: {told}");
        }
    }
}

#[test]
fn an_error_that_quotes_the_token_has_no_description() {
    let token = shown_text();
    for (name, answer) in [
        ("openrouter", json!({"error": "invalid_grant", "error_description": format!("bad {token}")})),
        ("crates-io", crates_io(&format!("Unsupported JWT issuer: {token}"))),
        ("tailscale", message(&token)),
    ] {
        let error = refused(name, 400, &answer);
        let told = format!("{} {} {error:?}", chain(&error).join(" "), error.hints().join(" "));
        assert!(!told.contains(&token), "{name}: {told}");
        assert!(told.contains("no description"), "{name}: {told}");
    }
}
