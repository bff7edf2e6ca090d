//! Whatever is asked, something is answered: no panic, no 500, and nothing of a secret.

use proptest::prelude::*;

use carnet_aws_sandbox::{Authorization, PolicyDocument, decode_chunks, seed};

use crate::support::{Call, Sandbox, builder};

const SERVICES: [(&str, &str); 9] = [
    ("aws-sts", "sts"),
    ("aws-iam", "iam"),
    ("aws-roles-anywhere", "rolesanywhere"),
    ("aws-s3", "s3"),
    ("aws-imds", ""),
    ("aws-container", ""),
    ("aws-pod-identity", ""),
    ("aws-eks-auth", "eks-auth"),
    ("aws-issuer", ""),
];

fn path() -> impl Strategy<Value = String> {
    let parts = prop::sample::select(vec![
        "latest",
        "api",
        "token",
        "meta-data",
        "iam",
        "security-credentials",
        "dynamic",
        "instance-identity",
        "signature",
        "v1",
        "v2",
        "credentials",
        "clusters",
        seed::CLUSTER,
        "assume-role-for-pod-identity",
        "trustanchors",
        "profiles",
        "profile",
        "sessions",
        "enable",
        "carnet-logs",
        "a%2Fb",
        "%ff",
        "..",
        "",
        ".well-known",
        "jwks.json",
        "id",
    ]);
    let query = prop::sample::select(vec![
        "",
        "?",
        "?list-type=2",
        "?continuation-token=x&list-type=2",
        "?delimiter=%2F&list-type=2&max-keys=0",
        "?X-Amz-Algorithm=AWS4-HMAC-SHA256",
        "?Action=GetCallerIdentity",
        "?location=",
        "?profileArn=x&roleArn=y&trustAnchorArn=z",
    ]);
    (prop::collection::vec(parts, 0..6), query).prop_map(|(parts, query)| format!("/{}{query}", parts.join("/")))
}

fn body() -> impl Strategy<Value = String> {
    let action = prop::sample::select(vec![
        "AssumeRole",
        "AssumeRoleWithWebIdentity",
        "GetCallerIdentity",
        "GetWebIdentityToken",
        "GetSessionToken",
        "CreateOpenIDConnectProvider",
        "GetOpenIDConnectProvider",
        "CreateRole",
        "ListRoles",
        "PutRolePolicy",
        "DeleteRole",
        "None",
    ]);
    let fields = prop::sample::select(vec![
        "",
        "&RoleArn=arn:aws:iam::123456789012:role/carnet/reader&RoleSessionName=xy&WebIdentityToken=a.b.c",
        "&RoleArn=arn:aws:iam::123456789012:role/carnet/writer&RoleSessionName=xy&Tags.member.1.Key=a",
        "&RoleName=reader&PolicyName=p&PolicyDocument=%7B%7D",
        "&Url=https%3A%2F%2Fx.example&ClientIDList.member.1=",
        "&OpenIDConnectProviderArn=arn:aws:iam::123456789012:oidc-provider/",
        "&Audience.member.1=a&SigningAlgorithm=ES384&DurationSeconds=-1",
    ]);
    let form = (action, fields).prop_map(|(action, fields)| format!("Action={action}{fields}"));
    let json = prop::sample::select(vec![
        "{}",
        "[]",
        "{\"token\":\"a.b.c\"}",
        "{\"name\":\"n\",\"roleArns\":[\"x\"]}",
        "5\r\nhello",
    ]);
    prop_oneof![form, json.prop_map(str::to_owned)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_request_is_answered(
        requests in prop::collection::vec(
            (
                prop::sample::select(SERVICES.to_vec()),
                prop::sample::select(vec!["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"]),
                path(),
                body(),
                prop::sample::select(vec!["127.0.0.1", "sts.eu-central-1.amazonaws.com", "b.s3.amazonaws.com", "[", ""]),
            ),
            1..12,
        )
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let sandbox = Sandbox::new();
            for ((service, signed_for), method, path, body, host) in requests {
                if path.parse::<http::Uri>().is_err() {
                    continue;
                }
                let call = Call::new(service, signed_for, method, &path).header("host", host).body(body);
                let reply = sandbox.send(call.sign(&builder())).await;
                let text = String::from_utf8_lossy(&reply.body);
                assert_ne!(reply.status.as_u16(), 500, "{service} {method} {path}: {text}");
                assert!(!text.contains(seed::SECRET_ACCESS_KEY), "{service} {method} {path}");
            }
        });
    }

    #[test]
    fn parsers_answer_everything(text: String, bytes: Vec<u8>) {
        drop(PolicyDocument::parse(&text));
        drop(Authorization::parse(&text, &text));
        drop(decode_chunks(&bytes));
    }
}
