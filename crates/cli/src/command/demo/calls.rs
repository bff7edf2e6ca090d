//! What is done with the credential, to show that it works.

mod clouds;

use carnet_core::{Context, Credential, Error, Material, Request};
use carnet_sandbox::{gcp, oci};
use http::Method;
use serde::Serialize;
use serde_json::{Value, json};
use url::Url;

/// A call at a resource.
#[derive(Clone, Copy, Debug)]
pub(super) enum Call {
    /// Create a bucket in OCI's object storage.
    OciCreateBucket(&'static str),
    /// List the buckets of a compartment.
    OciListBuckets,
    /// Write an object into OCI's object storage.
    OciPutObject(&'static str),
    /// List the buckets of a Google project.
    GoogleListBuckets,
    /// Write a blob into Azure's storage and list those beside it.
    AzureBlobs,
    /// Read a secret of Vault.
    VaultSecret(&'static str),
    /// List the buckets of an AWS account.
    AwsBuckets,
    /// Read a secret of Infisical.
    InfisicalSecret(&'static str),
    /// Ask a relying party's resource whose token it is.
    Party(&'static str),
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Called {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) status: u16,
    pub(super) answer: String,
}

/// Makes the call.
pub(super) async fn make(call: Call, context: &Context, credential: &Credential) -> Result<Called, Error> {
    match call {
        Call::OciCreateBucket(name) => {
            let body = json!({"name": name, "compartmentId": oci::COMPARTMENT});
            oci_call(context, credential, Method::POST, &buckets(), Some(&body)).await
        }
        Call::OciListBuckets => {
            let url = format!("{}?compartmentId={}", buckets(), oci::COMPARTMENT);
            oci_call(context, credential, Method::GET, &url, None).await
        }
        Call::OciPutObject(name) => {
            let url = format!("{}/{}/o/{name}", buckets(), oci::BUCKET);
            oci_call(context, credential, Method::PUT, &url, Some(&json!({"written by": "carnet demo"}))).await
        }
        Call::GoogleListBuckets => google_call(context, credential).await,
        Call::AzureBlobs => clouds::azure_blobs(context, credential).await,
        Call::VaultSecret(path) => clouds::vault_secret(context, credential, path).await,
        Call::InfisicalSecret(name) => clouds::infisical_secret(context, credential, name).await,
        Call::AwsBuckets => clouds::aws_buckets(context, credential).await,
        Call::Party(url) => clouds::party(context, credential, Method::GET, url).await,
    }
}

fn buckets() -> String {
    format!("https://objectstorage.{}.oraclecloud.com/n/{}/b", oci::REGION, oci::NAMESPACE)
}

async fn oci_call(
    context: &Context,
    credential: &Credential,
    method: Method,
    url: &str,
    body: Option<&Value>,
) -> Result<Called, Error> {
    let url = parse(url)?;
    let response = carnet_oci::client::call(context, credential, method.clone(), url.clone(), body).await?;
    let answer = match response.json::<Value>("the answer of object storage") {
        Ok(Value::Array(buckets)) => names(&buckets),
        Ok(Value::Object(bucket)) => bucket.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
        _ => response.header("etag").map(|etag| format!("etag {etag}")).unwrap_or_default(),
    };
    Ok(Called { method: method.to_string(), url: shown(&url), status: response.status.as_u16(), answer })
}

async fn google_call(context: &Context, credential: &Credential) -> Result<Called, Error> {
    let Material::AccessToken(access) = &credential.material else {
        return Err(Error::internal(format!("list Google's buckets with a credential of kind {}", credential.kind())));
    };
    let url = parse(&format!("https://storage.googleapis.com/storage/v1/b?project={}", gcp::PROJECT))?;
    let response = context.http.send(Request::get(url.clone()).bearer(&access.token)?).await?;
    let answer: Value = response.json("the answer of Cloud Storage")?;
    if !response.status.is_success() {
        let said = answer.pointer("/error/message").and_then(Value::as_str).unwrap_or("no reason given");
        return Err(Error::refused(format!("list the buckets of {}: {said}", gcp::PROJECT))
            .code(response.status.as_str())
            .clause("policy"));
    }
    let items = answer.get("items").and_then(Value::as_array).map(|items| names(items)).unwrap_or_default();
    Ok(Called { method: "GET".to_owned(), url: shown(&url), status: response.status.as_u16(), answer: items })
}

fn names(items: &[Value]) -> String {
    items.iter().filter_map(|item| item.get("name")?.as_str()).collect::<Vec<_>>().join(", ")
}

fn shown(url: &Url) -> String {
    format!("{}{}", url.origin().ascii_serialization(), url.path())
}

fn parse(url: &str) -> Result<Url, Error> {
    url.parse().map_err(|error| Error::internal(format!("read the URL {url}")).because(error))
}
