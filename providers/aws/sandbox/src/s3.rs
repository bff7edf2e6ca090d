//! Simple Storage Service: just enough of it that keys can be shown to work.

mod list;
mod objects;
mod payload;

use std::{collections::BTreeMap, sync::Arc};

use axum::response::{IntoResponse, Response};
use carnet_aws::trust::Context;
use carnet_sandbox_kit::Host;
use http::{HeaderName, StatusCode};

use crate::{
    access,
    call::{Call, decode, is_local},
    reply::{Answer, ApiError, storage_ok, with_header},
    sigv4::{Verified, is_region},
    state::{Bucket, Inner, MAX_ENTRIES, State},
    xml,
};

/// The name of the service.
pub(crate) const SERVICE: &str = "aws-s3";

/// Parameters that ask for what is not emulated ("Actions", S3 API reference).
const SUBRESOURCES: [&str; 22] = [
    "accelerate",
    "acl",
    "analytics",
    "attributes",
    "cors",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "legal-hold",
    "lifecycle",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "policy",
    "publicAccessBlock",
    "replication",
    "tagging",
    "uploadId",
    "uploads",
    "versioning",
];

/// The names under which it is reached. A pattern stands for one label, so buckets in host names are answered for in
/// these regions only; path style works in all.
pub(crate) fn hosts() -> Vec<Host> {
    vec![
        Host::Exact("s3.amazonaws.com"),
        Host::Between("s3.", ".amazonaws.com"),
        Host::Between("", ".s3.amazonaws.com"),
        Host::Between("", ".s3.ap-northeast-1.amazonaws.com"),
        Host::Between("", ".s3.ap-southeast-2.amazonaws.com"),
        Host::Between("", ".s3.eu-central-1.amazonaws.com"),
        Host::Between("", ".s3.eu-north-1.amazonaws.com"),
        Host::Between("", ".s3.eu-west-1.amazonaws.com"),
        Host::Between("", ".s3.us-east-1.amazonaws.com"),
        Host::Between("", ".s3.us-east-2.amazonaws.com"),
        Host::Between("", ".s3.us-west-2.amazonaws.com"),
    ]
}

/// Somebody who signed, and what is asked for.
struct Ask<'a> {
    state: &'a State,
    call: &'a Call,
    verified: Verified,
    query: BTreeMap<String, String>,
    /// The body, taken out of its chunks.
    body: Vec<u8>,
    /// Checksums that were verified, by their headers.
    checksums: BTreeMap<String, String>,
}

/// Answers a request.
pub(crate) fn answer(state: &Arc<State>, call: &Call) -> Answer {
    let received = payload::receive(state, call)?;
    let query: BTreeMap<String, String> = call.parameters().into_iter().collect();
    let (bucket, key) = place(call);
    if let Some(name) = SUBRESOURCES.iter().find(|name| query.contains_key(**name)) {
        return Err(not_implemented(name));
    }
    let ask =
        Ask { state, call, verified: received.verified, query, body: received.body, checksums: received.checksums };
    match (call.method.as_str(), bucket.as_deref(), key.as_str()) {
        ("GET", None, "") => ask.list_buckets(),
        ("PUT", Some(bucket), "") => ask.create_bucket(bucket),
        ("HEAD", Some(bucket), "") => ask.head_bucket(bucket),
        ("GET", Some(bucket), "") if ask.query.contains_key("location") => ask.location(bucket),
        ("GET", Some(bucket), "") => list::list(&ask, bucket),
        ("PUT", Some(bucket), key) => objects::put(&ask, bucket, key),
        ("GET" | "HEAD", Some(bucket), key) if !key.is_empty() => objects::get(&ask, bucket, key),
        ("DELETE", Some(bucket), key) if !key.is_empty() => objects::delete(&ask, bucket, key),
        _ => Err(ApiError::new(405, "MethodNotAllowed", NOT_ALLOWED)),
    }
}

const NOT_ALLOWED: &str = "The specified method is not allowed against this resource.";

/// Bucket and key: the bucket in the host name, or first in the path.
fn place(call: &Call) -> (Option<String>, String) {
    let path = call.path.strip_prefix('/').unwrap_or(&call.path);
    if let Some(bucket) = bucket_of(&call.host()) {
        return (Some(bucket), decode(path));
    }
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let bucket = decode(bucket);
    (Some(bucket).filter(|bucket| !bucket.is_empty()), decode(key))
}

/// The bucket that a host name begins with.
fn bucket_of(host: &str) -> Option<String> {
    if is_local(host) {
        return None;
    }
    // Clients that are told to use an endpoint on this machine with the bucket in its name.
    if let Some(bucket) = host.strip_suffix(".localhost") {
        return Some(bucket.to_owned());
    }
    let rest = host.strip_suffix(".amazonaws.com")?;
    let bucket = rest.strip_suffix(".s3").or_else(|| rest.rsplit_once(".s3.").map(|(bucket, _region)| bucket))?;
    Some(bucket.to_owned())
}

/// The region that a host name says. What stands before `s3` is a bucket, whatever it looks like.
fn region(host: &str) -> Option<String> {
    let rest = host.strip_suffix(".amazonaws.com")?;
    let (_, region) = rest.rsplit_once("s3.")?;
    Some(region.to_owned()).filter(|region| is_region(region))
}

impl Ask<'_> {
    fn permit(&self, action: &str, resource: &str) -> Result<(), ApiError> {
        self.permit_with(action, resource, |context| context)
    }

    /// Whether the policies allow it; `more` adds condition keys of the request.
    fn permit_with(&self, action: &str, resource: &str, more: impl FnOnce(Context) -> Context) -> Result<(), ApiError> {
        let access = &self.verified.access;
        let facts = self.call.facts(&self.verified.authorization.region);
        let asked = |context: Context| more(context.with_request(&facts));
        access::permit(self.state, SERVICE, access, action, resource, asked).map_err(|refusal| {
            let who = access.principal.arn();
            let resource = carnet_core::safe_text(resource);
            let text = format!(
                "User: {who} is not authorized to perform: {action} on resource: \"{resource}\" because no identity-based \
                 policy allows the {action} action"
            );
            ApiError::new(403, "AccessDenied", text).because(refusal)
        })
    }

    /// The bucket, which must be in the region that the request was signed for.
    fn bucket<'i>(&self, inner: &'i Inner, name: &str) -> Result<&'i Bucket, ApiError> {
        let bucket = inner.buckets.get(name).ok_or_else(|| {
            ApiError::new(404, "NoSuchBucket", "The specified bucket does not exist").detail("BucketName", name)
        })?;
        let region = &self.verified.authorization.region;
        if bucket.region == *region {
            return Ok(bucket);
        }
        let text = format!(
            "The authorization header is malformed; the region '{region}' is wrong; expecting '{}'",
            bucket.region
        );
        Err(ApiError::new(400, "AuthorizationHeaderMalformed", text).detail("Region", bucket.region.clone()))
    }

    fn list_buckets(&self) -> Answer {
        self.permit("s3:ListAllMyBuckets", "*")?;
        let inner = self.state.lock();
        let tell = |(name, bucket): (&String, &Bucket)| {
            let inner = [
                xml::leaf("Name", name),
                xml::leaf("CreationDate", &stamp(bucket.created)),
                xml::leaf("BucketRegion", &bucket.region),
            ];
            xml::node("Bucket", &inner.concat())
        };
        let buckets: String = inner.buckets.iter().map(tell).collect();
        let owner = xml::node("Owner", &xml::leaf("ID", &owner()));
        Ok(storage_ok("ListAllMyBucketsResult", &(owner + &xml::node("Buckets", &buckets))))
    }

    fn create_bucket(&self, name: &str) -> Answer {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        let ends = name.starts_with(['-', '.']) || name.ends_with(['-', '.']);
        if !(3..=63).contains(&name.len()) || !name.chars().all(fits) || ends {
            return Err(ApiError::new(400, "InvalidBucketName", "The specified bucket is not valid."));
        }
        self.permit("s3:CreateBucket", &format!("arn:aws:s3:::{name}"))?;
        let created = self.state.world.now(SERVICE);
        let mut inner = self.state.lock();
        if inner.buckets.contains_key(name) {
            let text = "Your previous request to create the named bucket succeeded and you already own it.";
            return Err(ApiError::new(409, "BucketAlreadyOwnedByYou", text));
        }
        if inner.buckets.len() >= MAX_ENTRIES {
            return Err(ApiError::new(400, "TooManyBuckets", "You have attempted to create more buckets than allowed"));
        }
        let region = &self.verified.authorization.region;
        inner.buckets.insert(name.to_owned(), Bucket::new(region, created));
        Ok(with_header(StatusCode::OK.into_response(), http::header::LOCATION, &format!("/{name}")))
    }

    fn head_bucket(&self, name: &str) -> Answer {
        self.permit("s3:ListBucket", &format!("arn:aws:s3:::{name}"))?;
        let inner = self.state.lock();
        let bucket = self.bucket(&inner, name)?;
        let response: Response = StatusCode::OK.into_response();
        Ok(with_header(response, HeaderName::from_static("x-amz-bucket-region"), &bucket.region))
    }

    fn location(&self, name: &str) -> Answer {
        self.permit("s3:GetBucketLocation", &format!("arn:aws:s3:::{name}"))?;
        let inner = self.state.lock();
        let bucket = self.bucket(&inner, name)?;
        // The first region has no name here.
        let region = if bucket.region == "us-east-1" { "" } else { &bucket.region };
        Ok(storage_ok("LocationConstraint", &xml::escape(region)))
    }
}

/// What is not done, in S3's words.
fn not_implemented(what: &str) -> ApiError {
    let text = format!("A header or parameter you provided implies functionality that is not implemented: {what}");
    ApiError::new(501, "NotImplemented", text)
}

/// A time with milliseconds, as S3 writes it in XML.
fn stamp(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()
}

/// The canonical id of the account.
fn owner() -> String {
    crate::sigv4::digest(crate::seed::ACCOUNT.as_bytes())
}
