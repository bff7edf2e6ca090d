//! Object storage: the namespace, buckets, objects.

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Response};
use base64::{Engine, engine::general_purpose::STANDARD};
use carnet_oci::trust::{Principal, signature::Options};
use carnet_sandbox_kit::{Host, Service};
use http::{HeaderName, Method, StatusCode, header};
use md5::{Digest, Md5};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    OciState,
    call::{Call, decode, router},
    reply::{ApiError, ok, page, with_header},
    seed,
    storage::Bucket,
};

mod objects;
mod range;

/// The service's name.
pub(crate) const NAME: &str = "oci-objectstorage";

pub(crate) fn service(state: &OciState) -> Service {
    let hosts =
        [Host::Between("objectstorage.", ".oraclecloud.com"), Host::Between("objectstorage.", ".oci.oraclecloud.com")];
    Service::new(NAME, hosts, router(state, NAME, answer)).error_body(crate::reply::error_body)
}

fn answer(call: &Call) -> Result<Response, ApiError> {
    let segments = call.segments();
    let segments = match segments.as_slice() {
        // A slash at the end belongs to the name of an object.
        object @ ["n", _, "b", _, "o", name, ..] if !name.is_empty() => object,
        path => path.strip_suffix(&[""]).unwrap_or(path),
    };
    let method = &call.parts.method;
    if let (&Method::PUT, ["n", _, "b", _, "o", object @ ..]) = (method, segments)
        && !object.is_empty()
    {
        // PutObject may leave the body out of the signature ("Request Signatures", "Special implementation of PUT").
        let principal = call.authenticate(&Options::UPLOAD)?;
        let at = Place::of(call, &principal, segments)?;
        return objects::put(&at, &object_name(object)?);
    }
    let principal = call.authenticate(&Options::API)?;
    if let (&Method::GET, ["n"]) = (method, segments) {
        return namespace(call, &principal);
    }
    let at = Place::of(call, &principal, segments)?;
    match (method, segments.get(3..).unwrap_or_default()) {
        (&Method::GET, []) if at.bucket.is_empty() => list(&at),
        (&Method::POST, []) if at.bucket.is_empty() => create(&at),
        (&Method::GET, [_]) => get(&at),
        (&Method::HEAD, [_]) => head(&at),
        (&Method::DELETE, [_]) => delete(&at),
        (&Method::GET, [_, "o"]) => objects::list(&at),
        (&Method::GET, [_, "o", object @ ..]) => objects::get(&at, &object_name(object)?),
        (&Method::HEAD, [_, "o", object @ ..]) => objects::head(&at, &object_name(object)?),
        (&Method::DELETE, [_, "o", object @ ..]) => objects::delete(&at, &object_name(object)?),
        _ => Err(ApiError::not_found()),
    }
}

/// Object names may hold slashes, sent as they are or as `%2F`.
fn object_name(segments: &[&str]) -> Result<String, ApiError> {
    decode(&segments.join("/"))
}

/// A request below `/n/{namespace}/b`.
#[derive(Debug)]
struct Place<'c> {
    call: &'c Call,
    principal: &'c Principal,
    /// Name of the bucket; empty above buckets.
    bucket: String,
}

impl<'c> Place<'c> {
    fn of(call: &'c Call, principal: &'c Principal, segments: &[&str]) -> Result<Self, ApiError> {
        match segments {
            ["n", namespace, "b", rest @ ..] => {
                let namespace = decode(namespace)?;
                if namespace != seed::NAMESPACE {
                    return Err(ApiError::new(
                        StatusCode::NOT_FOUND,
                        "NamespaceNotFound",
                        format!(
                            "You do not have authorization to perform this request, or the requested resource could not be found \
                             (namespace '{namespace}')"
                        ),
                    ));
                }
                let bucket = rest.first().map(|name| decode(name)).transpose()?.unwrap_or_default();
                Ok(Self { call, principal, bucket })
            }
            _ => Err(ApiError::not_found()),
        }
    }

    /// The bucket, if the caller has the permission on it; else 404 in object storage's own words.
    fn bucket(&self, permission: &str) -> Result<Bucket, ApiError> {
        let found = self.call.state.storage().buckets.get(&self.bucket).cloned();
        let Some(bucket) = found else { return Err(self.no_bucket()) };
        let variables = BTreeMap::from([("target.bucket.name", bucket.name.clone())]);
        self.call
            .require_with(self.principal, permission, &bucket.compartment, &variables)
            .map_err(|error| self.no_bucket().because(error.refusal))?;
        Ok(bucket)
    }

    fn no_bucket(&self) -> ApiError {
        ApiError::new(
            StatusCode::NOT_FOUND,
            "BucketNotFound",
            format!(
                "Either the bucket named '{}' does not exist in the namespace '{}' or you are not authorized to access it",
                self.bucket,
                seed::NAMESPACE
            ),
        )
    }
}

/// Needs no permission, unless it is asked for another compartment's.
fn namespace(call: &Call, principal: &Principal) -> Result<Response, ApiError> {
    if let Some(compartment) = call.query("compartmentId") {
        call.require(principal, "OBJECTSTORAGE_NAMESPACE_READ", &compartment)?;
    }
    Ok(ok(&seed::NAMESPACE))
}

fn list(at: &Place<'_>) -> Result<Response, ApiError> {
    let compartment = at.call.need("compartmentId")?;
    at.call.require(at.principal, "BUCKET_INSPECT", &compartment)?;
    let storage = at.call.state.storage();
    let shown: Vec<Value> =
        storage.buckets.values().filter(|own| own.compartment == compartment).map(summary).collect();
    page(shown, at.call.query("limit").as_deref(), at.call.query("page").as_deref())
}

fn get(at: &Place<'_>) -> Result<Response, ApiError> {
    let bucket = at.bucket("BUCKET_READ")?;
    Ok(with_header(ok(&whole(&bucket)), header::ETAG, &bucket.etag))
}

fn head(at: &Place<'_>) -> Result<Response, ApiError> {
    let bucket = at.bucket("BUCKET_INSPECT")?;
    Ok(with_header(StatusCode::OK.into_response(), header::ETAG, &bucket.etag))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Create {
    name: String,
    compartment_id: String,
    public_access_type: Option<String>,
}

/// What a bucket without anonymous readers says of itself.
const NO_PUBLIC_ACCESS: &str = "NoPublicAccess";

fn create(at: &Place<'_>) -> Result<Response, ApiError> {
    let body: Create = at.call.json()?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if body.name.is_empty() || body.name.len() > 256 || !body.name.chars().all(is_name) {
        return Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            "InvalidBucketName",
            "The bucket name must be 1 to 256 letters, digits, dashes, underscores and dots",
        ));
    }
    match body.public_access_type.as_deref() {
        None | Some(NO_PUBLIC_ACCESS) => {}
        Some("ObjectRead" | "ObjectReadWithoutList") => {
            return Err(ApiError::invalid("publicAccessType: the sandbox has no anonymous readers"));
        }
        Some(_) => {
            let message = "publicAccessType must be NoPublicAccess, ObjectRead or ObjectReadWithoutList";
            return Err(ApiError::invalid(message));
        }
    }
    // A denied creation is answered as one of a name that is taken: 409, not 404.
    let conflict = || {
        ApiError::new(
            StatusCode::CONFLICT,
            "BucketAlreadyExists",
            format!(
                "Either the bucket '{}' in namespace '{}' already exists or you are not authorized to create it",
                body.name,
                seed::NAMESPACE
            ),
        )
    };
    let variables = BTreeMap::from([("target.bucket.name", body.name.clone())]);
    at.call
        .require_with(at.principal, "BUCKET_CREATE", &body.compartment_id, &variables)
        .map_err(|error| conflict().because(error.refusal))?;
    let world = at.call.state.world();
    let bucket = Bucket {
        name: body.name.clone(),
        compartment: body.compartment_id.clone(),
        created_by: at.principal.id.clone(),
        time_created: world.now(NAME),
        etag: etag(at.call),
        id: format!("ocid1.bucket.oc1.iad.aaaaaaaa{}", world.random_hex::<26>()),
        objects: BTreeMap::new(),
    };
    let mut storage = at.call.state.storage_mut();
    if storage.buckets.contains_key(&bucket.name) {
        return Err(conflict());
    }
    let reply = with_header(ok(&whole(&bucket)), header::ETAG, &bucket.etag);
    let reply = with_header(reply, header::LOCATION, &format!("/n/{}/b/{}", seed::NAMESPACE, bucket.name));
    storage.buckets.insert(bucket.name.clone(), bucket);
    Ok(reply)
}

fn delete(at: &Place<'_>) -> Result<Response, ApiError> {
    let bucket = at.bucket("BUCKET_DELETE")?;
    require_match(at.call, Some(&bucket.etag))?;
    let mut storage = at.call.state.storage_mut();
    if storage.buckets.get(&bucket.name).is_some_and(|own| !own.objects.is_empty()) {
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            "BucketNotEmpty",
            format!("Bucket named '{}' is not empty. Delete all object versions first.", bucket.name),
        ));
    }
    storage.buckets.remove(&bucket.name);
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `if-match`, if it is sent.
/// `etag` is that of what is there; where there is nothing, nothing matches (RFC 9110, 13.1.1).
fn require_match(call: &Call, etag: Option<&str>) -> Result<(), ApiError> {
    match call.header("if-match") {
        Some(wanted) if etag.is_none_or(|etag| wanted != "*" && wanted != etag) => Err(ApiError::new(
            StatusCode::PRECONDITION_FAILED,
            "IfMatchFailed",
            "The If-Match header has a value that does not match the entity tag",
        )),
        _ => Ok(()),
    }
}

fn etag(call: &Call) -> String {
    let hex = call.state.world().random_hex::<16>();
    // Any text would do; the usual one is grouped as a UUID.
    [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| hex.get(range).unwrap_or_default()).join("-")
}

/// MD5 of an object, base64: `content-md5` is how object storage names content.
pub(crate) fn md5(content: &[u8]) -> String {
    STANDARD.encode(Md5::digest(content))
}

const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");

fn summary(bucket: &Bucket) -> Value {
    json!({
        "namespace": seed::NAMESPACE,
        "name": bucket.name,
        "compartmentId": bucket.compartment,
        "createdBy": bucket.created_by,
        "timeCreated": bucket.time_created.to_string(),
        "etag": bucket.etag,
        "freeformTags": null,
        "definedTags": null,
    })
}

fn whole(bucket: &Bucket) -> Value {
    let size: usize = bucket.objects.values().map(|object| object.content.len()).sum();
    json!({
        "namespace": seed::NAMESPACE,
        "name": bucket.name,
        "compartmentId": bucket.compartment,
        "metadata": {},
        "createdBy": bucket.created_by,
        "timeCreated": bucket.time_created.to_string(),
        "etag": bucket.etag,
        "publicAccessType": NO_PUBLIC_ACCESS,
        "storageTier": "Standard",
        "objectEventsEnabled": false,
        "freeformTags": {},
        "definedTags": {
            "Oracle-Tags": { "CreatedBy": bucket.created_by, "CreatedOn": bucket.time_created.to_string() },
        },
        "kmsKeyId": null,
        "objectLifecyclePolicyEtag": null,
        "approximateCount": bucket.objects.len(),
        "approximateSize": size,
        "replicationEnabled": false,
        "isReadOnly": false,
        "id": bucket.id,
        "versioning": "Disabled",
        "autoTiering": "Disabled",
    })
}
