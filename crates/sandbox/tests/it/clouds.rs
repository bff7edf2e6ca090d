//! The emulators that there are, together.

use std::sync::Arc;

use carnet_core::{Request, SystemClock, SystemRandom};
use carnet_sandbox::{Options, Sandbox};

async fn start() -> Sandbox {
    Sandbox::start(Options::default(), Arc::new(SystemClock), Arc::new(SystemRandom)).await.unwrap()
}

#[tokio::test]
async fn every_service_of_the_manual_is_there() {
    let sandbox = start().await;
    for name in [
        "aws-container",
        "aws-eks-auth",
        "aws-iam",
        "aws-imds",
        "aws-issuer",
        "aws-pod-identity",
        "aws-roles-anywhere",
        "aws-s3",
        "aws-sts",
        "azure-app-service",
        "azure-arc",
        "azure-arm",
        "azure-blob",
        "azure-entra",
        "azure-graph",
        "azure-imds",
        "ci-github",
        "ci-gitlab",
        "gcp-iam",
        "gcp-iamcredentials",
        "gcp-metadata",
        "gcp-resourcemanager",
        "gcp-storage",
        "gcp-sts",
        "infisical",
        "kubernetes-basic",
        "kubernetes-dev",
        "kubernetes-prod",
        "oci-auth",
        "oci-core",
        "oci-domain",
        "oci-identity",
        "oci-imds",
        "oci-objectstorage",
        "oke-proxymux-basic",
        "oke-proxymux-dev",
        "oke-proxymux-prod",
        "vault",
        "vault-new",
    ] {
        assert!(sandbox.urls().contains_key(name), "{name}");
    }
}

/// The hosts that the vendors' libraries were seen to ask for.
#[tokio::test]
async fn every_host_that_clients_ask_for_is_answered() {
    let sandbox = start().await;
    for host in [
        "idcs-c0ffee00c0ffee00c0ffee00c0ffee00.identity.oraclecloud.com",
        "auth.us-ashburn-1.oraclecloud.com",
        "objectstorage.us-ashburn-1.oraclecloud.com",
        "identity.us-ashburn-1.oci.oraclecloud.com",
        "identity.us-ashburn-1.oraclecloud.com",
        "iaas.us-ashburn-1.oraclecloud.com",
        "169.254.169.254",
        "sts.googleapis.com",
        "iamcredentials.googleapis.com",
        "iam.googleapis.com",
        "storage.googleapis.com",
        "cloudresourcemanager.googleapis.com",
        "metadata.google.internal",
        "www.googleapis.com",
        "token.actions.githubusercontent.com",
        "gitlab.com",
    ] {
        let answer = sandbox.http().send(Request::get(format!("https://{host}/").parse().unwrap())).await;
        assert!(answer.is_ok(), "{host}: {answer:?}");
    }
}

#[tokio::test]
async fn an_issuer_can_be_discovered_under_its_real_name() {
    let sandbox = start().await;
    for issuer in
        ["https://token.actions.githubusercontent.com", "https://gitlab.com", carnet_sandbox::kubernetes::PUBLIC_ISSUER]
    {
        let url = format!("{issuer}/.well-known/openid-configuration").parse().unwrap();
        let document: serde_json::Value = sandbox.http().send(Request::get(url)).await.unwrap().json("it").unwrap();
        assert_eq!(document["issuer"], issuer);
    }
}
