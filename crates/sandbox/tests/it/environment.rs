//! The variables that clients are given.

use std::collections::BTreeMap;

use carnet_sandbox::Flavour;

use crate::support::{Stage, start};

async fn variables(stage: &Stage, flavour: Flavour) -> BTreeMap<String, String> {
    stage.environment(flavour).await.unwrap().into_iter().collect()
}

#[tokio::test]
async fn under_real_names_endpoints_are_left_out_but_metadata_files_and_services_without_a_name_stay() {
    let stage = start().await;
    let all = variables(&stage, Flavour::Proxy).await;
    let proxy = stage.proxy_url().as_str().trim_end_matches('/');
    for name in ["HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"] {
        assert_eq!(all[name], proxy);
    }
    assert!(!all.contains_key("TEST_ENDPOINT"));
    assert_eq!(all["TEST_NAMELESS"], stage.urls()["test-nameless"].plain_origin());
    assert_eq!(all["TEST_METADATA"], format!("{}/opc/v2", stage.urls()["oci-imds"].plain_origin()));
    assert_eq!(std::fs::read_to_string(&all["TEST_CONFIG"]).unwrap(), stage.urls()["test-token"].plain_origin());
    assert_eq!(all["NO_PROXY"], "127.0.0.1,localhost,::1");
}

#[tokio::test]
async fn directly_endpoints_are_named_and_there_is_no_proxy() {
    let stage = start().await;
    let all = variables(&stage, Flavour::Direct).await;
    assert_eq!(all["TEST_ENDPOINT"], stage.urls()["test-token"].plain_origin());
    assert!(!all.contains_key("HTTPS_PROXY") && !all.contains_key("http_proxy"));
}

#[tokio::test]
async fn every_family_of_clients_is_told_the_authority() {
    let stage = start().await;
    for flavour in [Flavour::Direct, Flavour::Proxy] {
        let all = variables(&stage, flavour).await;
        for name in ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"] {
            assert_eq!(std::fs::read_to_string(&all[name]).unwrap(), stage.ca_pem(), "{name}");
        }
    }
}

#[tokio::test]
async fn the_control_api_is_named_and_its_token_is_only_in_a_file() {
    let stage = start().await;
    let all = variables(&stage, Flavour::Proxy).await;
    let token = stage.control_token().expose();
    assert_eq!(format!("{}/", all["CARNET_SANDBOX_CONTROL"]), stage.control_url().as_str());
    assert_eq!(std::fs::read_to_string(&all["CARNET_SANDBOX_TOKEN_FILE"]).unwrap(), token);
    assert!(all.values().all(|value| !value.contains(token)));
}
