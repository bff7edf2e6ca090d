//! Ten thousand trusts in one account: the one that is asked is found as fast as the only one.

use carnet_jose::{Algorithm, SigningKey};
use serde_json::json;

use crate::support::{NOW, Sandbox, sign};

const MANY: usize = 10_000;

#[tokio::test]
async fn each_of_ten_thousand_trusts_is_found() {
    let sandbox = Sandbox::new();
    let key = SigningKey::generate(Algorithm::Es256).unwrap().with_kid("many");
    for at in 0..MANY {
        let (url, name) = (format!("https://issuer-{at}.example"), format!("role-{at}"));
        let fields =
            [("Action", "CreateOpenIDConnectProvider"), ("Url", url.as_str()), ("ClientIDList.member.1", "client")];
        sandbox.iam(&fields).await.ok();
        let trust = json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow",
            "Principal": { "Federated": format!("arn:aws:iam::123456789012:oidc-provider/issuer-{at}.example") },
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": { "StringEquals": { format!("issuer-{at}.example:sub"): format!("subject-{at}") } } }] })
        .to_string();
        let fields =
            [("Action", "CreateRole"), ("RoleName", name.as_str()), ("AssumeRolePolicyDocument", trust.as_str())];
        sandbox.iam(&fields).await.ok();
    }
    for at in [0, MANY / 2, MANY - 1] {
        let issuer = format!("https://issuer-{at}.example");
        sandbox.publish(&issuer, &[&key]);
        let claims =
            json!({ "iss": issuer, "sub": format!("subject-{at}"), "aud": "client", "iat": NOW, "exp": NOW + 60 });
        let arn = format!("arn:aws:iam::123456789012:role/role-{at}");
        let reply = sandbox.web_identity(&sign(&key, &claims), &[("RoleArn", &arn)]).await.ok();
        assert_eq!(reply.xml("Provider"), format!("arn:aws:iam::123456789012:oidc-provider/issuer-{at}.example"));
        let neighbour = format!("arn:aws:iam::123456789012:role/role-{}", (at + 1) % MANY);
        let reply = sandbox.web_identity(&sign(&key, &claims), &[("RoleArn", &neighbour)]).await;
        reply.refused(403, "AccessDenied", "Not authorized");
    }
}
