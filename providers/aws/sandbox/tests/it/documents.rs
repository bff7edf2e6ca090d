//! Policy documents that IAM does not take, wherever one is given: one that is good, bent in one place.

use carnet_aws_sandbox::seed;
use http::StatusCode;
use serde_json::json;

use crate::support::{Call, Sandbox, builder};

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"One","Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},
    "Action":"sts:AssumeRole","Condition":{"StringEquals":{"aws:SourceAccount":"1"}}},
    {"Sid":"Two","Effect":"Deny","Principal":"*","Action":"sts:TagSession"}]}"#;
const PERMISSION: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"One","Effect":"Allow","Action":"s3:GetObject",
    "Resource":"*","Condition":{"StringEquals":{"aws:username":"x"}}},
    {"Sid":"Two","Effect":"Deny","Action":"s3:PutObject","Resource":"*"}]}"#;
const NAMES: &str = "Statement IDs (SID) must be alpha-numeric.";
const UNIQUE: &str = "Statement IDs (SID) in a single policy must be unique.";

/// Each twin, statement ids of both kinds, no statement; and a part of what AWS says of it in a trust policy and elsewhere.
const BENT: [(&str, &str, &str, &str); 8] = [
    ("\"Version\":", "\"Version\":\"2012-10-17\",\"Version\":", "twice", "Syntax errors"),
    ("\"Effect\":", "\"Effect\":\"Allow\",\"Effect\":", "twice", "Syntax errors"),
    ("\"Action\":", "\"Action\":\"*\",\"Action\":", "twice", "Syntax errors"),
    ("\"StringEquals\":", "\"StringEquals\":{\"aws:userid\":\"y\"},\"StringEquals\":", "twice", "Syntax errors"),
    ("{\"aws:", "{\"aws:userid\":\"y\",\"aws:userid\":\"z\",\"aws:", "twice", "Syntax errors"),
    ("\"Two\"", "\"One\"", UNIQUE, UNIQUE),
    ("\"Two\"", "\"a b!\"", NAMES, NAMES),
    ("\"Statement\":[", "\"Statement\":[],\"Id\":[", "empty", "Syntax errors"),
];

#[tokio::test]
async fn rejects_bent_trust_policies() {
    let sandbox = Sandbox::new();
    let create = async |document: &str| {
        let fields = [("Action", "CreateRole"), ("RoleName", "new"), ("AssumeRolePolicyDocument", document)];
        sandbox.iam(&fields).await
    };
    let update = async |document: &str| {
        let fields = [("Action", "UpdateAssumeRolePolicy"), ("RoleName", "new"), ("PolicyDocument", document)];
        sandbox.iam(&fields).await
    };
    create(TRUST).await.ok();
    update(TRUST).await.ok();
    for (from, to, says, _) in BENT {
        let bent = TRUST.replacen(from, to, 1);
        assert_ne!(bent, TRUST, "{from}");
        create(&bent).await.refused(400, "MalformedPolicyDocument", says);
        update(&bent).await.refused(400, "MalformedPolicyDocument", says);
    }
    let bent = TRUST.replacen("\"Principal\":\"*\"", "\"NotPrincipal\":{\"AWS\":\"123456789012\"}", 1);
    create(&bent).await.refused(400, "MalformedPolicyDocument", "Has prohibited field NotPrincipal");
}

#[tokio::test]
async fn rejects_bent_permission_policies_and_notes_what_was_seen() {
    let sandbox = Sandbox::new();
    let put = async |document: &str| {
        let fields =
            [("Action", "PutRolePolicy"), ("RoleName", "reader"), ("PolicyName", "p"), ("PolicyDocument", document)];
        sandbox.iam(&fields).await
    };
    put(PERMISSION).await.ok();
    for (from, to, seen, says) in BENT {
        let bent = PERMISSION.replacen(from, to, 1);
        assert_ne!(bent, PERMISSION, "{from}");
        put(&bent).await.refused(400, "MalformedPolicyDocument", says);
        let decisions = sandbox.world.decisions.since(0);
        let refusal = decisions.last().unwrap().decision.refusal().unwrap();
        assert!(refusal.seen.contains(seen), "{refusal:?}");
    }
}

#[tokio::test]
async fn rejects_bent_session_policies_of_roles_and_tokens() {
    let sandbox = Sandbox::new();
    let assume = async |document: &str| {
        let fields = [
            ("Action", "AssumeRole"),
            ("Version", "2011-06-15"),
            ("RoleArn", seed::NEXT_ROLE),
            ("RoleSessionName", "next"),
            ("ExternalId", seed::EXTERNAL_ID),
            ("Policy", document),
        ];
        sandbox.query(&builder(), "aws-sts", &fields).await
    };
    let token = sandbox.job(json!({}));
    assume(PERMISSION).await.ok();
    sandbox.web_identity(&token, &[("Policy", PERMISSION)]).await.ok();
    for (from, to, _, says) in BENT {
        let bent = PERMISSION.replacen(from, to, 1);
        assume(&bent).await.refused(400, "MalformedPolicyDocument", says);
        sandbox.web_identity(&token, &[("Policy", &bent)]).await.refused(400, "MalformedPolicyDocument", says);
    }
}

#[tokio::test]
async fn rejects_bent_session_policies_of_profiles() {
    let sandbox = Sandbox::new();
    let create = async |document: &str| {
        let body = json!({ "name": "p", "roleArns": [seed::CERTIFICATE_ROLE], "sessionPolicy": document }).to_string();
        let call = Call::new("aws-roles-anywhere", "rolesanywhere", "POST", "/profiles").body(body);
        sandbox.send(call.header("content-type", "application/json").sign(&builder())).await
    };
    assert_eq!(create(PERMISSION).await.status, StatusCode::CREATED);
    for (from, to, _, says) in BENT {
        let reply = create(&PERMISSION.replacen(from, to, 1)).await;
        reply.refused_json(400, "ValidationException");
        assert!(reply.text().contains(says), "{}", reply.text());
    }
}
