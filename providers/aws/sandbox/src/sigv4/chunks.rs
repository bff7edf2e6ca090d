//! Bodies in chunks: `aws-chunked` ("Signature calculations: transferring payload in multiple chunks", with and without
//! trailers, S3 API reference).

use std::fmt;

use super::{Authorization, digest, same, signature};

/// Longest line of a chunk's head or of a trailer.
const LONGEST_LINE: usize = 1024;
/// Most chunks and trailers: one byte each would be no upload.
const MOST: usize = 100_000;
/// The trailer that signs the others.
const TRAILER_SIGNATURE: &str = "x-amz-trailer-signature";

/// A body in chunks, taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chunked<'a> {
    /// The data of each chunk with its signature, the last and empty one too.
    pub chunks: Vec<(&'a [u8], Option<String>)>,
    /// Trailers in order, names in lower case.
    pub trailers: Vec<(String, String)>,
}

/// Why a body is none in chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkMistake(pub &'static str);

impl fmt::Display for ChunkMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for ChunkMistake {}

impl Chunked<'_> {
    /// The data of all chunks.
    pub fn data(&self) -> Vec<u8> {
        self.chunks.iter().flat_map(|(data, _)| data.iter().copied()).collect()
    }
}

/// Takes a body apart.
///
/// # Errors
/// What is wrong with its form.
pub fn decode_chunks(body: &[u8]) -> Result<Chunked<'_>, ChunkMistake> {
    let mut decoded = Chunked::default();
    let mut rest = body;
    loop {
        let (head, after) = line(rest).ok_or(ChunkMistake("the head of a chunk does not end"))?;
        let (size, extension) = head.split_once(';').map_or((head, None), |(size, extension)| (size, Some(extension)));
        if size.is_empty() || size.len() > 8 || !size.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(ChunkMistake("the size of a chunk is no hexadecimal number"));
        }
        let size =
            usize::from_str_radix(size, 16).map_err(|_digits| ChunkMistake("the size of a chunk is too large"))?;
        let signature = match extension {
            None => None,
            Some(extension) => {
                let text = extension.strip_prefix("chunk-signature=");
                Some(text.ok_or(ChunkMistake("a chunk has an unknown extension"))?.to_owned())
            }
        };
        let (data, after) = after.split_at_checked(size).ok_or(ChunkMistake("a chunk is shorter than it says"))?;
        decoded.chunks.push((data, signature));
        if decoded.chunks.len() > MOST {
            return Err(ChunkMistake("there are too many chunks"));
        }
        if size == 0 {
            decoded.trailers = trailers(after)?;
            return Ok(decoded);
        }
        rest = after.strip_prefix(b"\r\n").ok_or(ChunkMistake("a chunk is longer than it says"))?;
    }
}

fn trailers(mut rest: &[u8]) -> Result<Vec<(String, String)>, ChunkMistake> {
    let mut trailers = Vec::new();
    while let Some((text, after)) = line(rest) {
        rest = after;
        if text.is_empty() {
            continue;
        }
        let (name, value) = text.split_once(':').ok_or(ChunkMistake("a trailer has no colon"))?;
        trailers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        if trailers.len() > MOST {
            return Err(ChunkMistake("there are too many trailers"));
        }
    }
    if rest.is_empty() { Ok(trailers) } else { Err(ChunkMistake("a trailer does not end")) }
}

/// The text before the next line feed, without the carriage return, and what follows.
fn line(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let end = bytes.iter().take(LONGEST_LINE).position(|byte| *byte == b'\n')?;
    let (text, rest) = bytes.split_at_checked(end)?;
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    Some((std::str::from_utf8(text).ok()?, rest.get(1..)?))
}

/// Whether every chunk, and with `trailer` the trailers too, are signed in a row that begins with the signature of the
/// headers.
pub(crate) fn verify_chunks(
    chunked: &Chunked<'_>,
    authorization: &Authorization,
    key: &[u8; 32],
    trailer: bool,
) -> bool {
    let head = |algorithm: &str| format!("{algorithm}\n{}\n{}", authorization.date_time, authorization.scope());
    let mut previous = authorization.signature.clone();
    let empty = digest(b"");
    for (data, signed) in &chunked.chunks {
        let text = format!("{}\n{previous}\n{empty}\n{}", head("AWS4-HMAC-SHA256-PAYLOAD"), digest(data));
        let wanted = signature(key, &text);
        if !signed.as_ref().is_some_and(|signed| same(signed, &wanted)) {
            return false;
        }
        previous = wanted;
    }
    if !trailer {
        return true;
    }
    let (of, others): (Vec<_>, Vec<_>) = chunked.trailers.iter().partition(|(name, _)| name == TRAILER_SIGNATURE);
    let lines = others.iter().flat_map(|(name, value)| [name.as_str(), ":", value, "\n"]).collect::<String>();
    let text = format!("{}\n{previous}\n{}", head("AWS4-HMAC-SHA256-TRAILER"), digest(lines.as_bytes()));
    matches!(of.as_slice(), [(_, signed)] if same(signed, &signature(key, &text)))
}
