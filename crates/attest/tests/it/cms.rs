//! Signed documents as bytes.

use carnet_attest::cms::SignedData;
use proptest::prelude::*;

use crate::support::*;

fn document() -> Vec<u8> {
    let certificate = root();
    let profile = leaf(vec![("CN", "a".to_owned())]);
    let pem = carnet_x509::der_to_pem(&certificate.issue_for_key(&profile, &rsa().public_spki()).unwrap());
    signed(&pem, rsa().to_pkcs8_pem().unwrap().expose(), b"content", &["-nodetach", "-md", "sha256"])
}

#[test]
fn brings_its_certificate_along_as_it_was() {
    let signed = SignedData::parse(&document()).unwrap();
    let [certificate] = signed.certificates() else { unreachable!("one certificate") };
    let certificate = carnet_x509::Certificate::from_der(certificate).unwrap();
    assert_eq!(signed.verify(&certificate).unwrap(), b"content");
}

#[test]
fn rejects_what_is_too_large_too_deep_or_goes_on_behind_its_end() {
    SignedData::parse(&vec![0x30; SignedData::MAX_LENGTH + 1]).unwrap_err();
    SignedData::parse(&[0x30, 0x80].repeat(1000)).unwrap_err();
    let mut longer = document();
    longer.push(0);
    SignedData::parse(&longer).unwrap_err();
}

#[test]
fn no_byte_of_what_is_signed_can_be_changed() {
    let good = document();
    let certificate = SignedData::parse(&good).unwrap().certificates()[0].clone();
    let certificate = carnet_x509::Certificate::from_der(&certificate).unwrap();
    for at in 0..good.len() {
        let mut bent = good.clone();
        bent[at] ^= 1;
        // Bytes outside of content and attributes may change; the content that is believed never does.
        if let Ok(signed) = SignedData::parse(&bent)
            && let Ok(content) = signed.verify(&certificate)
        {
            assert_eq!(content, b"content", "byte {at}");
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = SignedData::parse(&bytes);
    }

    #[test]
    fn any_lengths_are_read_or_refused(bytes in proptest::collection::vec(prop_oneof![
        Just(0x30u8), Just(0x31), Just(0xa0), Just(0x80), Just(0x84), Just(0xff), Just(0x24), Just(0x04), Just(0), any::<u8>()
    ], 0..200)) {
        let _ = SignedData::parse(&bytes);
    }
}
