//! `AssumeRole`: from a job's role to the next, bent in one place.

use carnet_aws_sandbox::seed;
use serde_json::{Value, json};

use crate::support::{Keys, Reply, Sandbox, builder};

async fn next(sandbox: &Sandbox, keys: &Keys, more: &[(&str, &str)]) -> Reply {
    let mut fields = vec![
        ("Action", "AssumeRole"),
        ("Version", "2011-06-15"),
        ("RoleArn", seed::NEXT_ROLE),
        ("RoleSessionName", "next"),
        ("ExternalId", seed::EXTERNAL_ID),
    ];
    for &(name, value) in more {
        fields.retain(|(own, _)| *own != name);
        fields.push((name, value));
    }
    sandbox.query(keys, "aws-sts", &fields).await
}

/// A job whose token carries these session claims.
async fn job(sandbox: &Sandbox, claims: Value) -> Keys {
    sandbox.web_identity(&sandbox.job(claims), &[]).await.ok().keys()
}

fn team(transitive: bool) -> Value {
    let keys = if transitive { json!(["team"]) } else { json!([]) };
    json!({ "https://aws.amazon.com/tags": { "principal_tags": { "team": ["red"] }, "transitive_tag_keys": keys } })
}

#[tokio::test]
async fn a_job_becomes_the_next_role() {
    let sandbox = Sandbox::new();
    let keys = sandbox.reader().await;
    let reply = next(&sandbox, &keys, &[]).await.ok();
    assert_eq!(reply.xml("Arn"), "arn:aws:sts::123456789012:assumed-role/writer/next");
    assert_eq!(reply.xml("Expiration"), "2026-11-21T13:00:00Z");
    let next = reply.keys();
    let fields = [("Action", "GetCallerIdentity"), ("Version", "2011-06-15")];
    let reply = sandbox.query(&next, "aws-sts", &fields).await.ok();
    assert_eq!(reply.xml("Arn"), "arn:aws:sts::123456789012:assumed-role/writer/next");
}

#[tokio::test]
async fn a_role_behind_a_role_lasts_one_hour_at_most() {
    let sandbox = Sandbox::new();
    let raise = [("Action", "UpdateRole"), ("RoleName", "writer"), ("MaxSessionDuration", "7200")];
    sandbox.iam(&raise).await.ok();
    let keys = sandbox.reader().await;
    let reply = next(&sandbox, &keys, &[("DurationSeconds", "3601")]).await;
    reply.refused(400, "ValidationError", "1 hour session limit for roles assumed by role chaining");
    // The user is behind no role.
    next(&sandbox, &builder(), &[("DurationSeconds", "7200")]).await.ok();
    let reply = next(&sandbox, &builder(), &[("DurationSeconds", "7201")]).await;
    reply.refused(400, "ValidationError", "exceeds the MaxSessionDuration set for this role");
}

#[tokio::test]
async fn transitive_tags_stay_and_cannot_be_set_anew() {
    let sandbox = Sandbox::new();
    let token = [
        ("Action", "GetWebIdentityToken"),
        ("Version", "2011-06-15"),
        ("Audience.member.1", "a"),
        ("SigningAlgorithm", "ES384"),
    ];
    let policy = json!({ "Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Action": "sts:GetWebIdentityToken", "Resource": "*" } })
    .to_string();
    let put =
        [("Action", "PutRolePolicy"), ("RoleName", "writer"), ("PolicyName", "t"), ("PolicyDocument", policy.as_str())];
    sandbox.iam(&put).await.ok();
    for (transitive, expected) in [(true, json!("red")), (false, Value::Null)] {
        let keys = job(&sandbox, team(transitive)).await;
        let next_keys = next(&sandbox, &keys, &[]).await.ok().keys();
        let made = sandbox.query(&next_keys, "aws-sts", &token).await.ok().xml("WebIdentityToken");
        let claims = carnet_jose::UnverifiedJwt::parse(&made).unwrap().unverified_claims().clone();
        let own = claims.get("https://sts.amazonaws.com/").unwrap();
        assert_eq!(own["principal_tags"]["team"], expected, "{own}");
    }
    let keys = job(&sandbox, team(true)).await;
    let again = [("Tags.member.1.Key", "Team"), ("Tags.member.1.Value", "blue")];
    next(&sandbox, &keys, &again).await.refused(400, "InvalidParameterValue", "transitive tag key");
}

#[tokio::test]
async fn the_source_identity_stays_and_cannot_be_changed() {
    let sandbox = Sandbox::new();
    let keys = job(&sandbox, json!({ "https://aws.amazon.com/source_identity": "alice" })).await;
    assert_eq!(next(&sandbox, &keys, &[]).await.ok().xml("SourceIdentity"), "alice");
    next(&sandbox, &keys, &[("SourceIdentity", "bob")]).await.refused(403, "AccessDenied", "sts:SetSourceIdentity");
}

#[tokio::test]
async fn rejects_other_external_id_and_says_as_little_of_a_role_that_is_not_there() {
    let sandbox = Sandbox::new();
    let keys = sandbox.reader().await;
    let text = "User: arn:aws:sts::123456789012:assumed-role/reader/job is not authorized to perform: sts:AssumeRole on resource: ";
    next(&sandbox, &keys, &[("ExternalId", "other")]).await.refused(403, "AccessDenied", text);
    let nowhere = "arn:aws:iam::123456789012:role/carnet/none";
    next(&sandbox, &keys, &[("RoleArn", nowhere)]).await.refused(403, "AccessDenied", text);
}

#[tokio::test]
async fn rejects_caller_whom_the_role_does_not_trust() {
    let sandbox = Sandbox::new();
    let keys = sandbox.reader().await;
    next(&sandbox, &keys, &[("RoleArn", seed::MACHINE_ROLE)]).await.refused(403, "AccessDenied", "sts:AssumeRole");
}

#[tokio::test]
async fn a_session_policy_bounds_what_the_role_may() {
    let sandbox = Sandbox::new();
    let policy = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#;
    let reply = sandbox.web_identity(&sandbox.job(json!({})), &[("Policy", policy)]).await.ok();
    assert_eq!(reply.xml("PackedPolicySize"), "3");
    next(&sandbox, &reply.keys(), &[]).await.refused(403, "AccessDenied", "sts:AssumeRole");
}

#[tokio::test]
async fn parameters_keep_to_their_rules() {
    let sandbox = Sandbox::new();
    let keys = sandbox.reader().await;
    for (more, code, part) in [
        (vec![("ExternalId", "x y")], "ValidationError", "externalId"),
        (vec![("SourceIdentity", "x")], "ValidationError", "sourceIdentity"),
        (vec![("DurationSeconds", "many")], "MalformedInput", "DurationSeconds"),
        (vec![("TransitiveTagKeys.member.1", "team")], "InvalidParameterValue", "transitive tag key"),
        (vec![("Tags.member.1.Key", "team")], "ValidationError", "tags"),
        (vec![("Tags.member.1.Key", "a<b"), ("Tags.member.1.Value", "x")], "ValidationError", "tags.member.key"),
        (vec![("Tags.member.1.Key", "team"), ("Tags.member.1.Value", "a\nb")], "ValidationError", "tags.member.value"),
        (
            vec![
                ("Tags.member.1.Key", "team"),
                ("Tags.member.1.Value", "red"),
                ("Tags.member.2.Key", "Team"),
                ("Tags.member.2.Value", "blue"),
            ],
            "InvalidInput",
            "case insensitive",
        ),
    ] {
        next(&sandbox, &keys, &more).await.refused(400, code, part);
    }
    next(&sandbox, &keys, &[("TokenCode", "123456")]).await.refused(403, "AccessDenied", "MultiFactorAuthentication");
}
