//! From a request to its verified body: one piece, unsigned, or in chunks with or without trailers ("Authenticating
//! requests: using the Authorization header", S3 API reference).

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use carnet_trust::Refusal;
use md5::{Digest as _, Md5};

use super::SERVICE;
use crate::{
    call::Call,
    reply::ApiError,
    sigv4::{
        Authorization, Checksum, ChunkMistake, Fault, Kind, Payload, Verified, decode_chunks, digest, encode, same,
        verify, verify_chunks,
    },
    state::State,
};

const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
const UNSIGNED_TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";
const CHUNKS: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const CHUNKS_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";

/// A request that was signed, with its body.
pub(super) struct Received {
    pub(super) verified: Verified,
    pub(super) body: Vec<u8>,
    pub(super) checksums: BTreeMap<String, String>,
}

/// Verifies the signature, the body and every checksum that came with it.
pub(super) fn receive(state: &State, call: &Call) -> Result<Received, ApiError> {
    let said = said(call)?;
    let region = super::region(&call.host());
    let verified = verify(state, call, SERVICE, "s3", region.as_deref(), Payload::Said(&said)).map_err(refused)?;
    let (body, trailers) = body(call, &said, &verified)?;
    let checksums = checksums(call, &trailers, &body)?;
    Ok(Received { verified, body, checksums })
}

/// What stands for the body in the canonical request.
fn said(call: &Call) -> Result<String, ApiError> {
    match call.header("x-amz-content-sha256") {
        Some(said) => Ok(said.to_owned()),
        None if call.parameter("X-Amz-Algorithm").is_some() => Ok(UNSIGNED.to_owned()),
        None if call.header("authorization").is_none() => {
            // Nobody signed; that is said first.
            Authorization::find(call).map_err(refused).map(|_unsigned| String::new())
        }
        None => {
            let text = "Missing required header for this request: x-amz-content-sha256";
            Err(ApiError::new(400, "InvalidRequest", text))
        }
    }
}

type Trailers = Vec<(String, String)>;

fn body(call: &Call, said: &str, verified: &Verified) -> Result<(Vec<u8>, Trailers), ApiError> {
    let (signed, trailer) = match said {
        UNSIGNED => return Ok((call.body.to_vec(), Vec::new())),
        UNSIGNED_TRAILER => (false, true),
        CHUNKS => (true, false),
        CHUNKS_TRAILER => (true, true),
        said if said.starts_with("STREAMING-") => return Err(super::not_implemented(said)),
        said => {
            let actual = digest(&call.body);
            if same(said, &actual) {
                return Ok((call.body.to_vec(), Vec::new()));
            }
            let text = "The provided 'x-amz-content-sha256' header does not match what was computed.";
            return Err(refused(Fault::new(Kind::Payload, text, "digest", "another body", "the body that was signed")));
        }
    };
    let chunked = decode_chunks(&call.body).map_err(|ChunkMistake(text)| {
        ApiError::new(400, "IncompleteBody", format!("The request body is not in chunks: {text}"))
    })?;
    if signed && !verify_chunks(&chunked, &verified.authorization, &verified.key, trailer) {
        let text = "The request signature we calculated does not match the signature you provided. Check your key and signing \
                    method.";
        return Err(refused(Fault::new(
            Kind::Mismatch,
            text,
            "signature",
            "a chunk that nobody signed",
            "signed chunks",
        )));
    }
    let data = chunked.data();
    let Some(length) = call.header("x-amz-decoded-content-length") else {
        let text = "You must provide the Content-Length HTTP header.";
        return Err(ApiError::new(411, "MissingContentLength", text));
    };
    if length.parse() != Ok(data.len()) {
        let text = "The request body terminated unexpectedly";
        return Err(ApiError::new(400, "IncompleteBody", text));
    }
    Ok((data, if trailer { chunked.trailers } else { Vec::new() }))
}

/// Checks `Content-MD5` and every checksum in headers and trailers; a trailer that was announced must come.
fn checksums(call: &Call, trailers: &Trailers, body: &[u8]) -> Result<BTreeMap<String, String>, ApiError> {
    if let Some(md5) = call.header("content-md5")
        && md5 != STANDARD.encode(Md5::digest(body))
    {
        return Err(bad_digest("Content-MD5"));
    }
    let mut found = BTreeMap::new();
    for (name, checksum) in Checksum::ALL {
        let of_trailer = trailers.iter().find_map(|(own, value)| (own == name).then_some(value.as_str()));
        let announced = call
            .header("x-amz-trailer")
            .is_some_and(|all| all.split(',').any(|own| own.trim().eq_ignore_ascii_case(name)));
        if announced && of_trailer.is_none() {
            return Err(ApiError::new(
                400,
                "MalformedTrailerError",
                "The request contained trailing data that was not well-formed or did not conform to our published schema.",
            ));
        }
        let Some(given) = call.header(name).or(of_trailer) else { continue };
        if given != encode(&checksum.of(body)) {
            return Err(bad_digest(&name.trim_start_matches("x-amz-checksum-").to_ascii_uppercase()));
        }
        found.insert(name.to_owned(), given.to_owned());
    }
    let unknown =
        trailers.iter().map(|(name, _)| name.as_str()).chain(call.headers.keys().map(http::HeaderName::as_str));
    for name in unknown.filter(|name| name.starts_with("x-amz-checksum-")) {
        let is_setting = ["x-amz-checksum-algorithm", "x-amz-checksum-mode", "x-amz-checksum-type"].contains(&name);
        if !is_setting && Checksum::of_header(name).is_none() {
            // Better than to keep a checksum that nobody looked at.
            return Err(super::not_implemented(name));
        }
    }
    Ok(found)
}

fn bad_digest(name: &str) -> ApiError {
    let refusal =
        Refusal::new("digest", "another checksum", name, "BadDigest", "send the body that the checksum is of");
    ApiError::new(400, "BadDigest", format!("The {name} you specified did not match the calculated checksum."))
        .because(refusal)
}

/// A signature that does not count, in S3's words.
fn refused(fault: Fault) -> ApiError {
    let (status, code) = fault.storage();
    let message = match fault.kind {
        Kind::Missing => "Access Denied".to_owned(),
        Kind::UnknownKey => "The AWS Access Key Id you provided does not exist in our records.".to_owned(),
        Kind::Token => "The provided token is malformed or otherwise invalid.".to_owned(),
        Kind::ExpiredToken => "The provided token has expired.".to_owned(),
        Kind::Skewed => "The difference between the request time and the current time is too large.".to_owned(),
        _ => fault.message,
    };
    ApiError::new(status, code, message).because(fault.refusal)
}
