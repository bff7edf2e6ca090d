//! Reads a body whole, up to a limit, into memory that is wiped.

use bytes::{Buf, Bytes};
use carnet_core::SecretBytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use zeroize::{Zeroize, Zeroizing};

use super::Failure;

/// Memory taken before the first byte has come, whatever length the server claims.
const FIRST_CAPACITY: usize = 16 << 10;

/// Reads the body. A length that is announced and too large ends it before anything is read.
pub(super) async fn read(mut body: Incoming, limit: usize) -> Result<SecretBytes, Failure> {
    let hint = body.size_hint();
    let announced = usize::try_from(hint.lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(Failure::TooLarge(limit));
    }
    let mut whole = Zeroizing::new(Vec::with_capacity(announced.min(FIRST_CAPACITY)));
    while let Some(frame) = body.frame().await {
        // Trailers are not asked for; hyper has its own limits for them.
        let Ok(data) = frame.map_err(Failure::Broken)?.into_data() else { continue };
        if data.remaining() > limit.saturating_sub(whole.len()) {
            return Err(Failure::TooLarge(limit));
        }
        append(&mut whole, &data);
        wipe(data);
    }
    Ok(SecretBytes::new(std::mem::take(&mut *whole)))
}

/// Appends without leaving a copy behind: `Vec` frees its old memory as it is when it grows.
fn append(whole: &mut Zeroizing<Vec<u8>>, data: &[u8]) {
    let needed = whole.len().saturating_add(data.len());
    if needed > whole.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity(needed.max(whole.capacity().saturating_mul(2))));
        larger.extend_from_slice(whole);
        *whole = larger;
    }
    whole.extend_from_slice(data);
}

/// Wipes a piece of hyper's read buffer where nothing else shares it.
fn wipe(data: Bytes) {
    if let Ok(mut data) = data.try_into_mut() {
        data.as_mut().zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn pieces_come_out_whole(pieces: Vec<Vec<u8>>) {
            let mut whole = Zeroizing::new(Vec::new());
            for piece in &pieces {
                append(&mut whole, piece);
            }
            proptest::prop_assert_eq!(&*whole, &pieces.concat());
        }
    }
}
