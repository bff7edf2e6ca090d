//! Pods of Kubernetes Engine: what each may do at OCI is what its service account may, and no more.

use carnet_core::{Context, Credential, ErrorKind, Kind, Response, Secret};
use carnet_oci::{client::call, exchange::domain::DomainConfig, source::oke::OkeConfig};
use carnet_sandbox::kubernetes;
use http::Method;
use serde_json::{Value, json};

use crate::support::{World, exchange, find, seed, url};

/// A pod of a cluster: its variables, and the files that it would have at the usual places.
struct Pod<'a> {
    world: &'a World,
    cluster: &'static str,
    /// The cluster whose proxymux it asks: its own, unless it is a trick.
    asks: &'static str,
    name: &'static str,
}

impl<'a> Pod<'a> {
    fn of(world: &'a World, cluster: &'static str, name: &'static str) -> Self {
        Self { world, cluster, asks: cluster, name }
    }

    fn context(&self) -> Context {
        let service = format!("oke-proxymux-{}", self.asks);
        let port = self.world.sandbox.urls()[service.as_str()].tls.port().unwrap().to_string();
        let variables = [("KUBERNETES_SERVICE_HOST", "127.0.0.1"), ("KUBERNETES_SERVICE_PORT_PROXYMUX", port.as_str())];
        self.world.context(&[], &variables)
    }

    fn section(&self, extra: Value) -> Value {
        let token = format!("kubernetes/{}/{}/{}/token", self.cluster, kubernetes::NAMESPACE, self.name);
        let mut section = json!({"token_file": self.world.file(&token), "ca_file": self.world.file("ca.pem")});
        let Value::Object(extra) = extra else { panic!("fields are an object") };
        section.as_object_mut().unwrap().extend(extra);
        section
    }

    async fn session(&self) -> Result<Credential, carnet_core::Error> {
        find::<OkeConfig>(self.section(json!({})), &self.context()).await
    }
}

fn buckets_path() -> String {
    format!("/n/{}/b?compartmentId={}", seed::NAMESPACE, seed::COMPARTMENT)
}

async fn list(context: &Context, session: &Credential) -> Result<Response, carnet_core::Error> {
    call(context, session, Method::GET, url("objectstorage", &buckets_path()), None).await
}

async fn create(context: &Context, session: &Credential, name: &str) -> Result<Response, carnet_core::Error> {
    let body = json!({"name": name, "compartmentId": seed::COMPARTMENT});
    let url = url("objectstorage", &format!("/n/{}/b", seed::NAMESPACE));
    call(context, session, Method::POST, url, Some(&body)).await
}

#[tokio::test]
async fn the_admin_makes_buckets_and_the_viewer_only_lists_them() {
    let world = World::start().await;
    let (admin, viewer) = (Pod::of(&world, "prod", "admin-0"), Pod::of(&world, "prod", "viewer-0"));
    let context = admin.context();
    let session = admin.session().await.unwrap();
    assert_eq!((session.kind(), session.facts["region"].as_str()), (Kind::OciSession, seed::REGION));
    let made: Value = create(&context, &session, "workload-identity").await.unwrap().json("the bucket").unwrap();
    assert_eq!(made["createdBy"], session.facts["principal"]);
    assert!(list(&context, &session).await.unwrap().text().unwrap().contains("workload-identity"));

    let session = viewer.session().await.unwrap();
    assert!(list(&context, &session).await.unwrap().text().unwrap().contains("workload-identity"));
    let error = create(&context, &session, "workload-identity-2").await.unwrap_err();
    assert_eq!(error.provider_code(), Some("BucketAlreadyExists"));
}

#[tokio::test]
async fn a_pod_of_another_cluster_with_the_same_names_may_nothing() {
    let world = World::shared().await;
    let dev = Pod::of(&world, "dev", "admin-0");
    let session = dev.session().await.unwrap();
    let error = list(&dev.context(), &session).await.unwrap_err();
    assert_eq!((error.kind(), error.provider_code()), (ErrorKind::Policy, Some("NotAuthorizedOrNotFound")));
}

#[tokio::test]
async fn rejects_the_token_of_another_cluster() {
    let world = World::shared().await;
    let trick = Pod { asks: "prod", ..Pod::of(&world, "dev", "admin-0") };
    let error = trick.session().await.unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Refused, Some("token")));
}

#[tokio::test]
async fn rejects_a_basic_cluster() {
    let world = World::shared().await;
    let error = Pod::of(&world, "basic", "admin-0").session().await.unwrap_err();
    assert_eq!((error.kind(), error.failed_clause()), (ErrorKind::Policy, Some("cluster-type")));
}

#[tokio::test]
async fn rejects_the_token_of_a_pod_that_is_gone() {
    let world = World::start().await;
    let pod = Pod::of(&world, "prod", "viewer-0");
    pod.session().await.unwrap();
    let cluster = kubernetes::CLUSTERS.iter().find(|cluster| cluster.name == "prod").unwrap();
    let place = format!("https://{}/api/v1/namespaces/{}/pods/viewer-0", cluster.host, kubernetes::NAMESPACE);
    let request = carnet_core::Request::new(Method::DELETE, place.parse().unwrap());
    let request = request.bearer(&Secret::new(cluster.admin_token)).unwrap();
    assert_eq!(world.sandbox.http().send(request).await.unwrap().status, 200);
    assert_eq!(pod.session().await.unwrap_err().failed_clause(), Some("token"));
}

#[tokio::test]
async fn a_pod_gets_a_token_of_the_identity_domain_that_others_verify() {
    let world = World::shared().await;
    let pod = Pod::of(&world, "prod", "admin-0");
    let session = pod.session().await.unwrap();
    let token = exchange::<DomainConfig>(json!({"audience": seed::DOMAIN_URL}), &pod.context(), &session).await;
    let token = token.unwrap();
    assert_eq!((token.kind(), token.facts["issuer"].as_str()), (Kind::Jwt, seed::DOMAIN_URL));
}

#[tokio::test]
async fn both_ways_to_write_the_key_are_taken() {
    let world = World::shared().await;
    let pod = Pod::of(&world, "prod", "admin-0");
    find::<OkeConfig>(pod.section(json!({"pod_key": "pem"})), &pod.context()).await.unwrap();
}
