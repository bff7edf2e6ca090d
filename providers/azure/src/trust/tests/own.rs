//! Tokens that Entra itself issued: proof of a managed identity of the same tenant, and of nobody else.

use super::*;

const OWN: &str = "https://login.microsoftonline.com/11111111-0000-0000-0000-00000000000f/v2.0";
const OTHER_TENANT: &str = "https://login.microsoftonline.com/11111111-0000-0000-0000-0000000000ff/v2.0";

/// A token of this issuer for a client that trusts it.
fn trusting(kind: ClientKind, issuer: &str, subject: Option<ClientKind>) -> Case {
    let case = Case::valid().claim("iss", json!(issuer));
    Case { home: Home { tenant: TENANT, subject }, ..case.trusting(kind, |own| own.issuer = issuer.to_owned()) }
}

#[test]
fn a_managed_identity_of_the_tenant_is_proof_for_an_application() {
    trusting(ClientKind::Application, OWN, Some(ClientKind::ManagedIdentity)).allowed();
    trusting(ClientKind::ManagedIdentity, OWN, Some(ClientKind::ManagedIdentity)).refused("own-issuer", 700_222);
}

#[test]
fn rejects_an_applications_own_token() {
    let refusal = trusting(ClientKind::Application, OWN, Some(ClientKind::Application)).refused("own-issuer", 700_222);
    assert!(refusal.fix.contains("application's own token"), "{refusal}");
}

#[test]
fn rejects_a_subject_that_the_tenant_does_not_have() {
    trusting(ClientKind::Application, OWN, None).refused("own-issuer", 700_222);
}

#[test]
fn rejects_another_tenant() {
    trusting(ClientKind::Application, OTHER_TENANT, Some(ClientKind::ManagedIdentity)).refused("own-issuer", 700_222);
}

#[test]
fn a_subject_that_no_credential_names_is_a_mismatch() {
    let case = trusting(ClientKind::Application, OWN, Some(ClientKind::ManagedIdentity));
    case.claim("sub", json!("22222222-0000-0000-0000-000000000009")).refused("subject", 700_213);
}

#[test]
fn rejects_tokens_of_every_cloud() {
    for issuer in [
        OWN.to_owned(),
        format!("https://sts.windows.net/{TENANT}/"),
        format!("https://login.partner.microsoftonline.cn/{TENANT}/v2.0"),
        format!("https://login.chinacloudapi.cn/{TENANT}/v2.0"),
        format!("https://sts.chinacloudapi.cn/{TENANT}/"),
        format!("https://login.microsoftonline.us/{TENANT}/v2.0"),
        format!("HTTPS://Login.MicrosoftOnline.com/{TENANT}/v2.0"),
    ] {
        Case::valid().claim("iss", json!(issuer)).refused("own-issuer", 700_222);
    }
    let near = format!("https://login.microsoftonline.example/{TENANT}/v2.0");
    Case::valid().claim("iss", json!(near)).refused("issuer", 700_211);
}
