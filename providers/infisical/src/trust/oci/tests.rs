use super::*;

const TENANCY: &str = "ocid1.tenancy.oc1..aaaatenancy";
const USER: &str = "ocid1.user.oc1..aaaauser";
const HOST: &str = "identity.us-ashburn-1.oraclecloud.com";

fn authorization(key_id: &str) -> String {
    format!(
        r#"Signature version="1",keyId="{key_id}",algorithm="rsa-sha256",headers="date (request-target) host",signature="c2ln""#
    )
}

fn auth() -> OciAuth {
    OciAuth {
        tenancy_ocid: TENANCY.to_owned(),
        allowed_usernames: Some("alice, bob@example.com".to_owned()),
        ..OciAuth::default()
    }
}

fn user() -> User {
    User {
        compartment_id: TENANCY.to_owned(),
        name: "alice".to_owned(),
        id: USER.to_owned(),
        lifecycle_state: "ACTIVE".to_owned(),
    }
}

fn destination(authorization: &str, host: &str) -> Checked<String> {
    OciAuth::destination(&SignedHeaders { authorization, host }, USER)
}

#[test]
fn the_request_goes_to_the_user_at_the_host() {
    let url = destination(&authorization(&format!("{TENANCY}/{USER}/aa:bb")), HOST).unwrap();
    assert_eq!(url, format!("https://{HOST}/20160918/users/{USER}"));
}

#[test]
fn rejects_each_host_that_is_not_of_the_commercial_realm() {
    let good = authorization(&format!("{TENANCY}/{USER}/aa:bb"));
    for host in [
        "identity.us-ashburn-1.oraclecloud.com.evil.example",
        "identity.us-ashburn-1.oraclecloud.com:443",
        "identity.us-ashburn-1.oraclecloud.com.",
        "identity.US-ASHBURN-1.oraclecloud.com",
        "identity.us-ashburn-1.oci.oraclecloud.com",
        "identity.us-gov-ashburn-1.oraclegovcloud.com",
        "identity.us-ashburn-0.oraclecloud.com",
        "identity.us-ashburn-10.oraclecloud.com",
        "user@identity.us-ashburn-1.oraclecloud.com",
        "[::1]",
        "",
    ] {
        let refused = destination(&good, host).unwrap_err();
        assert_eq!((refused.status, refused.refusal.clause), (400, "host"), "{host}");
    }
}

/// The cases of the pull request that binds the signer.
#[test]
fn rejects_each_authorization_that_names_no_key_of_the_user() {
    let own = format!("{TENANCY}/{USER}/aa:bb");
    let good = authorization(&own);
    for (bent, status, clause) in [
        (good.replacen("Signature ", "Bearer ", 1), 400, "signature"),
        (good.replace("Signature ", ""), 400, "signature"),
        (good.replace(&format!(r#"keyId="{own}","#), ""), 400, "signature"),
        (good.replace(r#"version="1""#, &format!(r#"keyId="{own}""#)), 400, "signature"),
        (good.replace(r#"version="1""#, "version=1"), 400, "signature"),
        (String::new(), 400, "signature"),
        (authorization(&format!("{TENANCY}/{USER}")), 400, "signer"),
        (authorization(&format!("{TENANCY}/{USER}/aa/bb")), 400, "signer"),
        (authorization("ST$eyJ"), 400, "signer"),
        (authorization(&format!("{TENANCY}/ocid1.user.oc1..other/aa:bb")), 401, "signer"),
    ] {
        let refused = destination(&bent, HOST).unwrap_err();
        assert_eq!((refused.status, refused.refusal.clause), (status, clause), "{bent}");
    }
    for accepted in [good.replacen("Signature", "SIGNATURE", 1), good.replace("\",", "\",  ")] {
        destination(&accepted, HOST).unwrap();
    }
}

proptest::proptest! {
    #[test]
    fn any_header_and_host_can_come(authorization: String, host: String, user: String) {
        let headers = SignedHeaders { authorization: &authorization, host: &host };
        proptest::prop_assert!(OciAuth::destination(&headers, &user).is_err());
        let good = SignedHeaders { authorization: &authorization, host: HOST };
        if let Ok(url) = OciAuth::destination(&good, &user) {
            proptest::prop_assert!(key_id(&authorization).is_some_and(|key| key.contains(&user)), "{}", url);
        }
    }
}

#[test]
fn rejects_other_tenancy_and_other_name() {
    auth().decide(&user(), USER).unwrap();
    for (bent, clause, text) in [
        (
            User { compartment_id: "ocid1.tenancy.oc1..other".to_owned(), ..user() },
            "tenancy",
            "Access denied: OCI account isn't part of tenancy.",
        ),
        (User { name: "Alice".to_owned(), ..user() }, "user-name", "Access denied: OCI account username not allowed."),
    ] {
        let refused = auth().decide(&bent, USER).unwrap_err();
        assert_eq!((refused.status, refused.refusal.clause), (401, clause));
        assert_eq!(refused.refusal.code, text);
    }
}

#[test]
fn an_empty_list_of_names_lets_the_whole_tenancy_in_and_is_warned_of() {
    let auth = OciAuth { allowed_usernames: None, ..auth() };
    auth.decide(&User { name: "anybody".to_owned(), ..user() }, USER).unwrap();
    assert!(auth.lint().iter().any(|warning| warning.message.contains("every user of the tenancy")));
}

#[test]
fn the_holes_of_the_design_are_warned_of() {
    let count = |user: &User, claimed: &str| auth().decide(user, claimed).unwrap().warnings.len();
    assert_eq!(count(&user(), USER), 0);
    assert_eq!(count(&User { lifecycle_state: "INACTIVE".to_owned(), ..user() }, USER), 1);
    assert_eq!(count(&user(), "ocid1.user.oc1..other"), 1);
    assert_eq!(count(&user(), "../groups/ocid1.group.oc1..x"), 2);
    assert!(auth().lint().iter().any(|warning| warning.clause == "audience"));
}

#[test]
fn rejects_each_configuration_that_a_write_refuses() {
    auth().check().unwrap();
    for (bent, field) in [
        (OciAuth { tenancy_ocid: "ocid1.tenancy.oc2..x".to_owned(), ..auth() }, "tenancyOcid"),
        (OciAuth { tenancy_ocid: String::new(), ..auth() }, "tenancyOcid"),
        (OciAuth { allowed_usernames: Some("idp/alice".to_owned()), ..auth() }, "allowedUsernames"),
        (OciAuth { allowed_usernames: Some("a".repeat(501)), ..auth() }, "allowedUsernames"),
    ] {
        assert_eq!(bent.check().unwrap_err().field, field);
    }
}
