//! `GetWebIdentityToken`, and the issuer whose tokens they are.

use carnet_aws_sandbox::seed;
use carnet_jose::{Algorithm, KeySet, Rules, UnverifiedJwt, verify_jwt};
use jiff::SignedDuration;
use serde_json::json;

use crate::support::{Call, NOW, Reply, Sandbox, builder};

async fn ask(sandbox: &Sandbox, more: &[(&str, &str)]) -> Reply {
    let mut fields = vec![
        ("Action", "GetWebIdentityToken"),
        ("Version", "2011-06-15"),
        ("Audience.member.1", "api://AzureADTokenExchange"),
        ("SigningAlgorithm", "RS256"),
    ];
    for &(name, value) in more {
        fields.retain(|(own, _)| *own != name);
        fields.push((name, value));
    }
    let keys = sandbox.reader().await;
    sandbox.query(&keys, "aws-sts", &fields).await
}

fn documents(path: &str) -> Call {
    let host = seed::OUTBOUND_ISSUER.strip_prefix("https://").unwrap();
    Call::new("aws-issuer", "", "GET", path).header("host", host)
}

#[tokio::test]
async fn the_token_verifies_with_the_published_keys() {
    let sandbox = Sandbox::new();
    let document = sandbox.send(documents("/.well-known/openid-configuration")).await.ok().json();
    assert_eq!(document["issuer"], seed::OUTBOUND_ISSUER);
    assert_eq!(document["jwks_uri"], format!("{}/.well-known/jwks.json", seed::OUTBOUND_ISSUER));
    let keys = sandbox.send(documents("/.well-known/jwks.json")).await.ok();
    let keys = KeySet::from_json(&keys.body).unwrap();
    for (name, algorithm) in [("RS256", Algorithm::Rs256), ("ES384", Algorithm::Es384)] {
        let more = [("SigningAlgorithm", name), ("Tags.member.1.Key", "job"), ("Tags.member.1.Value", "42")];
        let reply = ask(&sandbox, &more).await.ok();
        assert_eq!(reply.xml("Expiration"), "2026-11-21T12:05:00Z");
        let token = UnverifiedJwt::parse(&reply.xml("WebIdentityToken")).unwrap();
        let rules = Rules {
            issuer: Some(seed::OUTBOUND_ISSUER),
            audiences: Some(&["api://AzureADTokenExchange"]),
            algorithms: &[algorithm],
            leeway: SignedDuration::ZERO,
            require_expiry: true,
            max_lifetime: None,
            types: &[],
        };
        let verified = verify_jwt(&token, &keys, &rules, sandbox.world.now("tests")).unwrap();
        let claims = verified.claims();
        assert_eq!(claims.str("sub"), Some(seed::ROLE));
        assert_eq!(claims.get("exp"), Some(&json!(NOW + 300)));
        let own = &claims.get("https://sts.amazonaws.com/").unwrap();
        assert_eq!(own["aws_account"], seed::ACCOUNT);
        assert_eq!(own["source_region"], seed::REGION);
        assert_eq!(own["request_tags"], json!({ "job": "42" }));
    }
}

#[tokio::test]
async fn several_audiences_are_a_list() {
    let sandbox = Sandbox::new();
    let token = ask(&sandbox, &[("Audience.member.2", "vault")]).await.ok().xml("WebIdentityToken");
    let claims = UnverifiedJwt::parse(&token).unwrap().unverified_claims().clone();
    assert_eq!(claims.get("aud"), Some(&json!(["api://AzureADTokenExchange", "vault"])));
}

#[tokio::test]
async fn parameters_keep_to_their_rules() {
    let sandbox = Sandbox::new();
    let long = "a".repeat(1001);
    let many: Vec<(String, &str)> = (2..=11).map(|at| (format!("Audience.member.{at}"), "a")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    ask(&sandbox, &many).await.refused(400, "ValidationError", "Value null at 'audience'");
    ask(&sandbox, &many[..9]).await.ok();
    ask(&sandbox, &[("Audience.member.2", &long[1..])]).await.ok();
    for (name, value, part) in [
        ("Audience.member.1", "", "'audience.member' failed to satisfy constraint: Member must have length greater"),
        ("Audience.member.2", "", "'audience.member' failed to satisfy constraint: Member must have length greater"),
        ("Audience.member.2", long.as_str(), "Member must have length less than or equal to 1000"),
        ("SigningAlgorithm", "", "signingAlgorithm"),
        ("SigningAlgorithm", "ES256", "signingAlgorithm"),
        ("DurationSeconds", "59", "durationSeconds"),
        ("DurationSeconds", "3601", "durationSeconds"),
    ] {
        ask(&sandbox, &[(name, value)]).await.refused(400, "ValidationError", part);
    }
}

#[tokio::test]
async fn rejects_a_request_that_names_no_audience() {
    let fields = [("Action", "GetWebIdentityToken"), ("Version", "2011-06-15"), ("SigningAlgorithm", "RS256")];
    let reply = Sandbox::new().query(&builder(), "aws-sts", &fields).await;
    reply.refused(400, "ValidationError", "Value null at 'audience'");
}

#[tokio::test]
async fn rejects_token_while_the_switch_is_off() {
    let sandbox = Sandbox::new();
    sandbox.iam(&[("Action", "DisableOutboundWebIdentityFederation")]).await.ok();
    ask(&sandbox, &[]).await.refused(403, "OutboundWebIdentityFederationDisabledException", "not enabled");
    assert_eq!(sandbox.send(documents("/.well-known/jwks.json")).await.status, 404);
    let info = [("Action", "GetOutboundWebIdentityFederationInfo")];
    sandbox.iam(&info).await.refused(404, "FeatureDisabled", "");
    sandbox.iam(&[("Action", "EnableOutboundWebIdentityFederation")]).await.ok();
    assert_eq!(sandbox.iam(&info).await.ok().xml("IssuerIdentifier"), seed::OUTBOUND_ISSUER);
    let again = [("Action", "EnableOutboundWebIdentityFederation")];
    sandbox.iam(&again).await.refused(409, "FeatureEnabled", "");
    ask(&sandbox, &[]).await.ok();
}

#[tokio::test]
async fn rejects_token_that_would_outlive_the_session() {
    let sandbox = Sandbox::new();
    let keys = sandbox.web_identity(&sandbox.job(json!({})), &[("DurationSeconds", "900")]).await.ok().keys();
    let fields = [
        ("Action", "GetWebIdentityToken"),
        ("Version", "2011-06-15"),
        ("Audience.member.1", "a"),
        ("SigningAlgorithm", "ES384"),
        ("DurationSeconds", "901"),
    ];
    let reply = sandbox.query(&keys, "aws-sts", &fields).await;
    reply.refused(403, "SessionDurationEscalationException", "original expiration time");
}

#[tokio::test]
async fn rejects_claims_that_are_too_large() {
    let sandbox = Sandbox::new();
    let value = "v".repeat(250);
    let names: Vec<(String, String)> =
        (1..=40).map(|at| (format!("Tags.member.{at}.Key"), format!("Tags.member.{at}.Value"))).collect();
    let keys: Vec<String> = (1..=40).map(|at| format!("key-{at}")).collect();
    let mut more: Vec<(&str, &str)> = Vec::new();
    for ((key, of), name) in names.iter().zip(&keys) {
        more.extend([(key.as_str(), name.as_str()), (of.as_str(), value.as_str())]);
    }
    ask(&sandbox, &more).await.refused(400, "JWTPayloadSizeExceededException", "exceeds");
}

#[tokio::test]
async fn rejects_caller_without_the_permission_and_the_global_address() {
    let sandbox = Sandbox::new();
    let fields = [("Action", "DeleteRolePolicy"), ("RoleName", "reader"), ("PolicyName", "carnet")];
    sandbox.iam(&fields).await.ok();
    ask(&sandbox, &[]).await.refused(403, "AccessDenied", "sts:GetWebIdentityToken");
    let fields = [("Action", "GetWebIdentityToken"), ("Version", "2011-06-15")];
    let call = Call { region: "us-east-1", ..Call::form("aws-sts", "sts", &fields) };
    let call = call.header("host", "sts.amazonaws.com").sign(&builder());
    sandbox.send(call).await.refused(400, "InvalidAction", "GetWebIdentityToken");
}

#[tokio::test]
async fn aws_does_not_take_its_own_tokens() {
    let sandbox = Sandbox::new();
    let fields = [
        ("Action", "CreateOpenIDConnectProvider"),
        ("Url", seed::OUTBOUND_ISSUER),
        ("ClientIDList.member.1", seed::AUDIENCE),
    ];
    sandbox.iam(&fields).await.ok();
    let token = ask(&sandbox, &[("Audience.member.1", seed::AUDIENCE)]).await.ok().xml("WebIdentityToken");
    let reply = sandbox.web_identity(&token, &[]).await;
    reply.refused(400, "InvalidIdentityToken", "No OpenIDConnect provider found");
}
