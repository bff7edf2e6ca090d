//! Signed requests to AWS: one valid login, bent in one place.

use url::Url;

use super::*;

const ROLE_ARN: &str = "arn:aws:iam::123456789012:role/app";
const SERVER: &str = "vault.example";

/// Changes a request in one place.
type Bend = fn(&mut AwsProof);

fn proof() -> AwsProof {
    let signed = "AWS4-HMAC-SHA256 Credential=ASIAEXAMPLE/20261121/eu-central-1/sts/aws4_request, \
                  SignedHeaders=content-type;host;x-amz-date;x-vault-aws-iam-server-id, Signature=c0ffee";
    let headers = [
        ("Authorization", signed),
        ("Host", "sts.eu-central-1.amazonaws.com"),
        ("X-Amz-Date", "20261121T120000Z"),
        ("X-Vault-AWS-IAM-Server-ID", SERVER),
    ];
    AwsProof {
        method: "POST".to_owned(),
        url: Url::parse("https://sts.eu-central-1.amazonaws.com/").unwrap(),
        body: "Action=GetCallerIdentity&Version=2011-06-15".to_owned(),
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
    }
}

fn config() -> AwsClientConfig {
    AwsClientConfig { iam_server_id_header_value: SERVER.to_owned(), ..AwsClientConfig::default() }
}

fn caller() -> AwsCaller {
    AwsCaller {
        arn: "arn:aws:sts::123456789012:assumed-role/app/i-0abc".to_owned(),
        user_id: "AROAEXAMPLE:i-0abc".to_owned(),
        account: "123456789012".to_owned(),
    }
}

fn role(more: &Value) -> Result<CheckedAwsRole, String> {
    let mut fields = json!({ "bound_iam_principal_arn": [ROLE_ARN], "resolve_aws_unique_ids": false,
        "token_policies": "app-read", "token_ttl": "1h" });
    fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    CheckedAwsRole::new("App", "role-id", serde_json::from_value(fields).unwrap()).map_err(|mistake| mistake.message)
}

#[expect(clippy::needless_pass_by_value, reason = "callers write the changes in place")]
fn decide(caller: &AwsCaller, more: Value, alias: &str) -> Result<AwsLogin, Box<Refusal>> {
    let role = role(&more).unwrap();
    let identity = AwsIdentityConfig { iam_alias: alias.to_owned() };
    let peer = "192.0.2.1".parse().ok();
    AwsQuestion { caller, role_name: "app", role: Some(&role), identity: &identity, config: &config(), peer }.decide()
}

#[test]
fn a_session_becomes_its_role() {
    let login = decide(&caller(), json!({}), "role_id").unwrap();
    assert_eq!((login.identity.alias.as_str(), login.display_name.as_str()), ("role-id", "app"));
    assert_eq!(login.identity.metadata["client_user_id"], "AROAEXAMPLE");
    assert_eq!((login.grant.principal.as_str(), login.grant.lifetime.unwrap().as_secs()), (ROLE_ARN, 3600));
    assert_eq!(login.grant.warnings.iter().map(|warning| warning.clause).collect::<Vec<_>>(), ["bound-principal"]);
    for (alias, wanted) in [("unique_id", "AROAEXAMPLE"), ("canonical_arn", ROLE_ARN), ("full_arn", &*caller().arn)] {
        assert_eq!(decide(&caller(), json!({}), alias).unwrap().identity.alias, wanted);
    }
}

#[test]
fn a_path_is_no_part_of_the_canonical_name() {
    let user = AwsCaller { arn: "arn:aws:iam::123456789012:user/team/blue".to_owned(), ..caller() };
    assert_eq!(user.principal().unwrap().canonical_arn, "arn:aws:iam::123456789012:user/blue");
}

#[test]
fn rejects_another_principal_role_and_address() {
    for arn in [
        "arn:aws:sts::210987654321:assumed-role/app/i-0abc",
        "arn:aws:sts::123456789012:assumed-role/App/i-0abc",
        "arn:aws:iam::123456789012:user/app",
    ] {
        let refusal = decide(&AwsCaller { arn: arn.to_owned(), ..caller() }, json!({}), "role_id").unwrap_err();
        assert_eq!(refusal.clause, "bound-principal");
        assert_eq!(refusal.code, format!("IAM Principal {arn:?} does not belong to the role \"app\""));
    }
    let refusal = decide(&caller(), json!({ "token_bound_cidrs": "10.0.0.0/8" }), "role_id").unwrap_err();
    assert_eq!((refusal.clause, status(&refusal)), ("address", 403));
    let (identity, config, caller) = (AwsIdentityConfig::default(), config(), caller());
    let question = AwsQuestion {
        caller: &caller,
        role_name: "gone",
        role: None,
        identity: &identity,
        config: &config,
        peer: None,
    };
    assert_eq!(question.decide().unwrap_err().code, "entry for role gone not found");
}

#[test]
fn rejects_arns_that_are_neither_user_nor_role() {
    for arn in [
        "",
        "arn:aws:iam::1",
        "x:aws:iam::1:user/a",
        "arn:aws:s3::1:user/a",
        "arn:aws:iam::1:root",
        "arn:aws:sts::1:federated-user/a",
        "arn:aws:sts::1:assumed-role/a",
    ] {
        let refusal = AwsCaller { arn: arn.to_owned(), ..caller() }.principal().unwrap_err();
        assert!(refusal.clause == "principal" && refusal.code.starts_with("error parsing arn"), "{arn}: {refusal}");
    }
}

#[test]
fn accepts_the_question_and_sends_it_where_the_configuration_says() {
    proof().check(&config()).unwrap();
    proof().check(&AwsClientConfig::default()).unwrap();
    let target = |config: &AwsClientConfig| proof().target(config).unwrap().to_string();
    assert_eq!(target(&config()), "https://sts.amazonaws.com/");
    let endpoint = "https://sts.eu-west-1.amazonaws.com".to_owned();
    assert_eq!(target(&AwsClientConfig { sts_endpoint: endpoint, ..config() }), "https://sts.eu-west-1.amazonaws.com/");
    let regional = AwsClientConfig { use_sts_region_from_client: true, ..config() };
    assert_eq!(target(&regional), "https://sts.eu-central-1.amazonaws.com/");
}

#[test]
fn the_region_of_a_client_never_becomes_another_host() {
    for region in ["evil.example/x", "a#", "", "EU", "a@b"] {
        let mut proof = proof();
        proof.headers[0].1 = proof.headers[0].1.replace("eu-central-1", region);
        let config = AwsClientConfig { use_sts_region_from_client: true, ..config() };
        assert_eq!(proof.target(&config).unwrap().host_str(), Some("sts.amazonaws.com"), "{region}");
    }
}

#[test]
fn rejects_requests_that_ask_for_more() {
    let bent: [(Bend, &str); 6] = [
        (
            |proof| "GET".clone_into(&mut proof.method),
            "invalid iam_http_request_method; currently only 'POST' is supported",
        ),
        (|proof| proof.url.set_query(Some("Action=AssumeRole")), "iam_request_url must not have a query"),
        (|proof| proof.body = proof.body.replace("GetCallerIdentity", "AssumeRole"), "iam request body is invalid"),
        (|proof| proof.body.push_str("&Action=GetCallerIdentity"), "iam request body is invalid"),
        (|proof| proof.body.push_str("&RoleArn=x"), "iam request body is invalid"),
        (
            |proof| proof.headers.push(("X-Amz-Target".to_owned(), "x".to_owned())),
            "invalid request header: X-Amz-Target",
        ),
    ];
    for (bend, text) in bent {
        let mut proof = proof();
        bend(&mut proof);
        let refusal = proof.check(&config()).unwrap_err();
        assert_eq!((refusal.clause, refusal.code.as_str()), ("request", text));
    }
    let mut proof = proof();
    proof.headers.push(("X-Amz-Target".to_owned(), "x".to_owned()));
    let allowed = AwsClientConfig { allowed_sts_header_values: vec!["x-amz-target".to_owned()], ..config() };
    proof.check(&allowed).unwrap();
}

#[test]
fn rejects_requests_for_another_server() {
    let bent: [(Bend, &str); 4] = [
        (|proof| drop(proof.headers.pop()), "missing header \"X-Vault-AWS-IAM-Server-ID\""),
        (
            |proof| "other.example".clone_into(&mut proof.headers[3].1),
            "expected \"vault.example\" but got \"other.example\"",
        ),
        (|proof| drop(proof.headers.remove(0)), "missing Authorization header"),
        (
            |proof| proof.headers[0].1 = proof.headers[0].1.replace(";x-vault-aws-iam-server-id", ""),
            "header wasn't signed",
        ),
    ];
    for (bend, text) in bent {
        let mut proof = proof();
        bend(&mut proof);
        let refusal = proof.check(&config()).unwrap_err();
        assert_eq!(refusal.clause, "server-id");
        assert_eq!(refusal.code, format!("error validating X-Vault-AWS-IAM-Server-ID header: {text}"));
    }
}

#[test]
fn rejects_roles_that_cannot_be_evaluated() {
    for (more, text) in [
        (json!({ "auth_type": "ec2" }), "unrecognized auth_type: \"ec2\""),
        (json!({ "bound_iam_principal_arn": [] }), "at least be one bound parameter should be specified on the role"),
        (
            json!({ "resolve_aws_unique_ids": true }),
            "unable to resolve ARN \"arn:aws:iam::123456789012:role/app\" to internal ID",
        ),
        (
            json!({ "bound_iam_principal_arn": "arn:aws:iam::1:role/*" }),
            "unable to resolve ARN \"arn:aws:iam::1:role/*\"",
        ),
        (json!({ "token_ttl": -1 }), "'token_ttl' cannot be negative"),
        (json!({ "token_policies": "root" }), "auth methods cannot create root tokens"),
    ] {
        assert!(role(&more).unwrap_err().starts_with(text), "{more}");
    }
    assert!(AwsIdentityConfig { iam_alias: "name".to_owned() }.check().is_err());
    AwsIdentityConfig::default().check().unwrap();
}
