//! Providers, roles and policies, by the query protocol.

use carnet_aws_sandbox::seed;
use serde_json::json;

use crate::support::{Reply, Sandbox};

const URL: &str = "https://issuer.example/a";
const ARN: &str = "arn:aws:iam::123456789012:oidc-provider/issuer.example/a";

async fn create(sandbox: &Sandbox, more: &[(&str, &str)]) -> Reply {
    let mut fields = vec![
        ("Action", "CreateOpenIDConnectProvider"),
        ("Version", "2010-05-08"),
        ("Url", URL),
        ("ClientIDList.member.1", "client"),
    ];
    for &(name, value) in more {
        fields.retain(|(own, _)| *own != name);
        fields.push((name, value));
    }
    sandbox.iam(&fields).await
}

async fn of(sandbox: &Sandbox, action: &str, more: &[(&str, &str)]) -> Reply {
    let fields = [&[("Action", action), ("OpenIDConnectProviderArn", ARN)], more].concat();
    sandbox.iam(&fields).await
}

#[tokio::test]
async fn a_provider_is_made_shown_changed_and_deleted() {
    let sandbox = Sandbox::new();
    assert_eq!(create(&sandbox, &[]).await.ok().xml("OpenIDConnectProviderArn"), ARN);
    let shown = of(&sandbox, "GetOpenIDConnectProvider", &[]).await.ok();
    assert_eq!(shown.xml("Url"), "issuer.example/a");
    assert_eq!(shown.xml("ClientIDList"), "<member>client</member>");
    assert_eq!(shown.xml("CreateDate"), "2026-11-21T12:00:00Z");
    let list = sandbox.iam(&[("Action", "ListOpenIDConnectProviders")]).await.ok();
    assert!(list.text().contains(&format!("<member><Arn>{ARN}</Arn></member>")), "{}", list.text());
    of(&sandbox, "AddClientIDToOpenIDConnectProvider", &[("ClientID", "other")]).await.ok();
    of(&sandbox, "RemoveClientIDFromOpenIDConnectProvider", &[("ClientID", "client")]).await.ok();
    let shown = of(&sandbox, "GetOpenIDConnectProvider", &[]).await.ok();
    assert_eq!(shown.xml("ClientIDList"), "<member>other</member>");
    of(&sandbox, "DeleteOpenIDConnectProvider", &[]).await.ok();
    of(&sandbox, "GetOpenIDConnectProvider", &[]).await.refused(404, "NoSuchEntity", "cannot be found");
}

#[tokio::test]
async fn rejects_provider_that_is_there_already() {
    let sandbox = Sandbox::new();
    create(&sandbox, &[]).await.ok();
    create(&sandbox, &[]).await.refused(409, "EntityAlreadyExists", "already exists");
}

#[tokio::test]
async fn a_provider_keeps_the_slash_at_its_end() {
    let sandbox = Sandbox::new();
    create(&sandbox, &[("Url", "https://issuer.example/a/")]).await.ok();
    let (arn, issuer) = (format!("{ARN}/"), "issuer.example/a/");
    let shown = sandbox.iam(&[("Action", "GetOpenIDConnectProvider"), ("OpenIDConnectProviderArn", &arn)]).await.ok();
    assert_eq!(shown.xml("Url"), issuer);
    sandbox.publish("https://issuer.example/a", &[&sandbox.github]);
    sandbox.name_issuer("https://issuer.example/a", "https://issuer.example/a/");
    let document = trust(issuer, &json!({ "StringEquals": { format!("{issuer}:aud"): "client" } }));
    role(&sandbox, "CreateRole", &[("AssumeRolePolicyDocument", &document)]).await.ok();
    let new = [("RoleArn", "arn:aws:iam::123456789012:role/new")];
    let token = |issuer: &str| sandbox.job(json!({ "iss": issuer, "aud": "client" }));
    sandbox.web_identity(&token("https://issuer.example/a/"), &new).await.ok();
    let text = "No OpenIDConnect provider found in your account for https://issuer.example/a";
    let reply = sandbox.web_identity(&token("https://issuer.example/a"), &new).await;
    reply.refused(400, "InvalidIdentityToken", text);
}

#[tokio::test]
async fn rejects_providers_bent_in_one_place() {
    let sandbox = Sandbox::new();
    let long = format!("https://issuer.example/{}", "a".repeat(250));
    for (name, value, code) in [
        ("Url", "http://issuer.example", "InvalidInput"),
        ("Url", "https://issuer.example:8443", "InvalidInput"),
        ("Url", "https://issuer.example:443", "InvalidInput"),
        ("Url", "https://user:password@issuer.example/", "InvalidInput"),
        ("Url", "https://user@issuer.example/a", "InvalidInput"),
        ("Url", "https://other.example\\@issuer.example/a", "InvalidInput"),
        ("Url", "https:///a", "InvalidInput"),
        ("Url", "https://issuer.example#a", "InvalidInput"),
        ("Url", "https://issuer.example?a=b", "InvalidInput"),
        ("Url", "issuer.example", "InvalidInput"),
        ("Url", long.as_str(), "ValidationError"),
        ("ThumbprintList.member.1", "abc", "InvalidInput"),
    ] {
        create(&sandbox, &[(name, value)]).await.refused(400, code, "");
    }
}

fn trust(issuer: &str, condition: &serde_json::Value) -> String {
    json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow",
        "Principal": { "Federated": format!("arn:aws:iam::123456789012:oidc-provider/{issuer}") },
        "Action": "sts:AssumeRoleWithWebIdentity", "Condition": condition }] })
    .to_string()
}

async fn role(sandbox: &Sandbox, action: &str, more: &[(&str, &str)]) -> Reply {
    sandbox.iam(&[&[("Action", action), ("RoleName", "new")], more].concat()).await
}

#[tokio::test]
async fn a_role_is_made_used_and_deleted() {
    let sandbox = Sandbox::new();
    let issuer = &seed::GITHUB_ISSUER[8..];
    let document = trust(issuer, &json!({ "StringLike": { format!("{issuer}:sub"): "repo:carnet-sandbox/*" } }));
    let more = [("Path", "/x/"), ("MaxSessionDuration", "7200"), ("AssumeRolePolicyDocument", document.as_str())];
    let made = role(&sandbox, "CreateRole", &more).await.ok();
    assert_eq!(made.xml("Arn"), "arn:aws:iam::123456789012:role/x/new");
    assert!(made.xml("RoleId").starts_with("AROA") && made.xml("RoleId").len() == 21);
    assert_eq!(made.xml("MaxSessionDuration"), "7200");
    assert!(made.xml("AssumeRolePolicyDocument").starts_with("%7B%22"));
    role(&sandbox, "CreateRole", &more).await.refused(409, "EntityAlreadyExists", "Role with name new");
    let asked = [("RoleArn", "arn:aws:iam::123456789012:role/x/new"), ("DurationSeconds", "7200")];
    let keys = sandbox.web_identity(&sandbox.job(json!({})), &asked).await.ok().keys();
    let list = || crate::support::Call::new("aws-s3", "s3", "GET", "/");
    sandbox.send(list().sign(&keys)).await.refused(403, "AccessDenied", "s3:ListAllMyBuckets");
    let allow =
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:ListAllMyBuckets","Resource":"*"}}"#;
    let put = [("PolicyName", "p"), ("PolicyDocument", allow)];
    role(&sandbox, "PutRolePolicy", &put).await.ok();
    sandbox.send(list().sign(&keys)).await.ok();
    assert!(role(&sandbox, "GetRolePolicy", &put[..1]).await.ok().xml("PolicyDocument").starts_with("%7B"));
    assert_eq!(role(&sandbox, "ListRolePolicies", &[]).await.ok().xml("PolicyNames"), "<member>p</member>");
    role(&sandbox, "DeleteRole", &[]).await.refused(409, "DeleteConflict", "must delete policies first");
    role(&sandbox, "DeleteRolePolicy", &put[..1]).await.ok();
    role(&sandbox, "DeleteRole", &[]).await.ok();
    role(&sandbox, "GetRole", &[]).await.refused(404, "NoSuchEntity", "The role with name new cannot be found");
}

#[tokio::test]
async fn a_role_made_anew_grants_old_sessions_nothing() {
    let sandbox = Sandbox::new();
    let keys = sandbox.reader().await;
    let document = trust("issuer.example", &json!({}));
    for (action, more) in [
        ("DeleteRolePolicy", vec![("PolicyName", "carnet")]),
        ("DeleteRole", vec![]),
        ("CreateRole", vec![("Path", "/carnet/"), ("AssumeRolePolicyDocument", document.as_str())]),
        (
            "PutRolePolicy",
            vec![
                ("PolicyName", "p"),
                ("PolicyDocument", r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#),
            ],
        ),
    ] {
        sandbox.iam(&[&[("Action", action), ("RoleName", "reader")], more.as_slice()].concat()).await.ok();
    }
    let reply = sandbox.send(crate::support::Call::new("aws-s3", "s3", "GET", "/").sign(&keys)).await;
    reply.refused(403, "AccessDenied", "s3:ListAllMyBuckets");
}

#[tokio::test]
async fn rejects_trust_in_a_shared_issuer_without_subject() {
    let sandbox = Sandbox::new();
    let issuer = &seed::GITHUB_ISSUER[8..];
    for condition in [
        json!({}),
        json!({ "StringEquals": { format!("{issuer}:aud"): "sts.amazonaws.com" } }),
        json!({ "StringLike": { format!("{issuer}:sub"): "*" } }),
        json!({ "StringLike": { format!("{issuer}:sub"): "*:*" } }),
        json!({ "StringLike": { format!("{issuer}:sub"): "repo:*" } }),
        json!({ "StringLike": { format!("{issuer}:sub"): "repo:*/app:*" } }),
        json!({ "StringLike": { format!("{issuer}:sub"): "repo:org*" } }),
        json!({ "StringLike": { format!("{issuer}:sub"): "repo:${aws:RequestTag/owner}/*" } }),
        json!({ "StringLike": { format!("{issuer}:sub"): ["repo:o/r:*", "*"] } }),
        json!({ "StringLike": { format!("{issuer}:sub"): ["repo:o/r:*", "repo:*"] } }),
        json!({ "StringEquals": { format!("{issuer}:sub"): format!("${{{issuer}:sub}}") } }),
        json!({ "ForAllValues:StringEquals": { format!("{issuer}:sub"): "repo:o/r" } }),
        json!({ "StringNotEquals": { format!("{issuer}:sub"): "repo:other" } }),
        json!({ "StringEqualsIfExists": { format!("{issuer}:sub"): "repo:o/r" } }),
    ] {
        let document = trust(issuer, &condition);
        let reply = role(&sandbox, "CreateRole", &[("AssumeRolePolicyDocument", document.as_str())]).await;
        reply.refused(400, "MalformedPolicyDocument", "token.actions.githubusercontent.com:sub");
    }
}

#[tokio::test]
async fn a_shared_issuer_is_trusted_for_tenants_that_are_named() {
    let sandbox = Sandbox::new();
    let issuer = &seed::GITHUB_ISSUER[8..];
    for condition in [
        json!({ "StringLike": { format!("{issuer}:sub"): ["repo:o/r:*", "repo:p/*"] } }),
        json!({ "StringEquals": { format!("{issuer}:sub"): "repo:o/r:ref:refs/heads/main" } }),
        json!({ "StringEqualsIgnoreCase": { format!("{issuer}:sub"): "repo:o/r:environment:prod" } }),
    ] {
        let document = trust(issuer, &condition);
        role(&sandbox, "CreateRole", &[("AssumeRolePolicyDocument", &document)]).await.ok();
        role(&sandbox, "DeleteRole", &[]).await.ok();
    }
}

#[tokio::test]
async fn rejects_documents_that_are_no_policies() {
    let sandbox = Sandbox::new();
    for document in ["{", "{}", r#"{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole"}}"#] {
        let reply = role(&sandbox, "CreateRole", &[("AssumeRolePolicyDocument", document)]).await;
        reply.refused(400, "MalformedPolicyDocument", "");
    }
    let put = [("Action", "PutRolePolicy"), ("RoleName", "reader"), ("PolicyName", "p"), ("PolicyDocument", "{}")];
    sandbox.iam(&put).await.refused(400, "MalformedPolicyDocument", "Syntax errors in policy.");
}

#[tokio::test]
async fn rejects_parameters_and_callers_outside_the_rules() {
    let sandbox = Sandbox::new();
    role(&sandbox, "CreateRole", &[("MaxSessionDuration", "60")]).await.refused(
        400,
        "ValidationError",
        "maxSessionDuration",
    );
    role(&sandbox, "CreateRole", &[("Path", "x")]).await.refused(400, "ValidationError", "path");
    sandbox.iam(&[("Action", "GetRole"), ("RoleName", "a b")]).await.refused(400, "ValidationError", "roleName");
    let keys = sandbox.reader().await;
    let reply = sandbox.query(&keys, "aws-iam", &[("Action", "ListRoles")]).await;
    reply.refused(403, "AccessDenied", "not authorized to perform: iam:ListRoles");
}

#[tokio::test]
async fn a_long_list_comes_in_pages() {
    let sandbox = Sandbox::new();
    let first = sandbox.iam(&[("Action", "ListRoles"), ("MaxItems", "3")]).await.ok();
    assert_eq!((first.xml("IsTruncated").as_str(), first.xml("Marker").as_str()), ("true", "reader"));
    let rest = [("Action", "ListRoles"), ("MaxItems", "3"), ("Marker", "reader")];
    let rest = sandbox.iam(&rest).await.ok();
    assert_eq!((rest.xml("IsTruncated").as_str(), rest.xml("RoleName").as_str()), ("false", "writer"));
}
