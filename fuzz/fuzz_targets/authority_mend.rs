//! No bytes of an HTTP/2 client may make the walk through its header blocks panic, change a length, depend on how the
//! bytes come in, or change a byte to anything but `x`.
#![no_main]

use carnet_net::mend_authorities;
use libfuzzer_sys::fuzz_target;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fuzz_target!(|bytes: &[u8]| {
    let [size, bytes @ ..] = bytes else { return };
    let sent = [PREFACE, bytes].concat();
    let mut whole = sent.clone();
    mend_authorities([whole.as_mut_slice()]);
    assert!(sent.iter().zip(&whole).all(|(sent, came)| sent == came || *came == b'x'));
    let mut pieces = sent.clone();
    mend_authorities(pieces.chunks_mut(usize::from(*size) + 1));
    assert_eq!(whole, pieces, "in pieces of {}", usize::from(*size) + 1);
    let mut again = whole.clone();
    mend_authorities([again.as_mut_slice()]);
    assert_eq!(whole, again, "what was mended needs no mending");
});
