use serde_json::{Value, json};

use super::*;
use crate::testing::key;

fn jwk(value: Value) -> Result<PublicKey, KeyError> {
    PublicKey::from_jwk(&serde_json::from_value(value).unwrap())
}

fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<PublicKey, KeyError> {
    jwk(json!({ "kty": "RSA", "n": encode_base64url(modulus), "e": encode_base64url(exponent) }))
}

/// An odd number of this many bits.
fn modulus(bits: usize) -> Vec<u8> {
    let mut bytes = vec![0xa5; bits.div_ceil(8)];
    bytes[0] = 1 << ((bits - 1) % 8);
    bytes
}

const E: &[u8] = &[1, 0, 1];

#[test]
fn the_signatures_of_rfc_7515_7520_and_8037_verify() {
    const JOE: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    const BILBO: &str = "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9h\
        ZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4";
    let vectors = [
        (
            "RFC 7515, A.2",
            Algorithm::Rs256,
            json!({
                "kty": "RSA", "e": "AQAB",
                "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZ\
                      S-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2\
                      R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcD\
                      TW9gb54h4FRWyuXpoQ",
            }),
            format!("eyJhbGciOiJSUzI1NiJ9.{JOE}"),
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1d\
             nZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwu\
             sC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
        ),
        (
            "RFC 7515, A.3",
            Algorithm::Es256,
            json!({
                "kty": "EC", "crv": "P-256",
                "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
            }),
            format!("eyJhbGciOiJFUzI1NiJ9.{JOE}"),
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        ),
        (
            "RFC 7515, A.4",
            Algorithm::Es512,
            json!({
                "kty": "EC", "crv": "P-521",
                "x": "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
                "y": "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2",
            }),
            "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA".to_owned(),
            "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPE\
             X3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn",
        ),
        (
            "RFC 7520, 4.2",
            Algorithm::Ps384,
            json!({
                "kty": "RSA", "e": "AQAB",
                "n": "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2w\
                      qVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bT\
                      wJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5\
                      iaiQkqgc5gHdrNP5zw",
            }),
            format!("eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9.{BILBO}"),
            "cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8TTB5dDDItllVo6_1OLPpcbUr\
             hiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjv\
             AA2Xez2Mlp8cBE5awDzT0qI0n6uiP1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw",
        ),
        (
            "RFC 8037, A.4",
            Algorithm::EdDsa,
            json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }),
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc".to_owned(),
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
        ),
    ];
    for (name, algorithm, public, message, signature) in vectors {
        let public = jwk(public).unwrap();
        let signature = decode_base64url(signature).unwrap();
        assert!(public.verify(algorithm, message.as_bytes(), &signature), "{name}");
        for other in Algorithm::ALL.into_iter().filter(|other| *other != algorithm) {
            assert!(!public.verify(other, message.as_bytes(), &signature), "{name} as {other}");
        }
    }
}

#[test]
fn rejects_rsa_keys_that_are_too_small_or_too_large() {
    assert!(rsa(&modulus(2048), E).is_ok());
    for bits in [8, 512, 1024, 2047, 8193, 16384] {
        let KeyError(error) = rsa(&modulus(bits), E).unwrap_err();
        assert!(error.contains(&format!("has {bits} bits")), "{error}");
    }
    assert!(rsa(&[], E).is_err());
}

#[test]
fn rejects_rsa_exponents_that_are_even_one_or_huge() {
    for exponent in [&[][..], &[0], &[1], &[2], &[1, 0, 0], &[4, 0, 0, 0, 1]] {
        assert!(rsa(&modulus(2048), exponent).is_err(), "{exponent:?}");
    }
    assert!(rsa(&modulus(2048), &[3]).is_ok());
}

#[test]
fn a_leading_zero_in_a_modulus_changes_nothing() {
    let plain = rsa(&modulus(2048), E).unwrap();
    let padded = rsa(&[&[0], modulus(2048).as_slice()].concat(), &[0, 1, 0, 1]).unwrap();
    assert_eq!(plain.to_jwk(), padded.to_jwk());
}

#[test]
fn rejects_points_off_the_curve_and_coordinates_of_the_wrong_length() {
    for algorithm in [Algorithm::Es256, Algorithm::Es384, Algorithm::Es512] {
        let good = key(algorithm).public_jwk();
        let x = decode_base64url(good.x.as_deref().unwrap()).unwrap();
        let bent = |x: &[u8]| PublicKey::from_jwk(&Jwk { x: Some(encode_base64url(x)), ..good.clone() });
        assert!(bent(&x).is_ok());
        let mut flipped = x.clone();
        *flipped.last_mut().unwrap() ^= 1;
        assert!(bent(&flipped).is_err(), "{algorithm}: off the curve");
        assert!(bent(&x[1..]).is_err(), "{algorithm}: too short");
        assert!(bent(&[&[0], x.as_slice()].concat()).is_err(), "{algorithm}: too long");
        assert!(bent(&vec![0; x.len()]).is_err(), "{algorithm}: zero");
        assert!(bent(&vec![0xff; x.len()]).is_err(), "{algorithm}: beyond the field");
    }
    assert!(jwk(json!({ "kty": "OKP", "crv": "Ed25519", "x": encode_base64url([1; 31]) })).is_err());
    assert!(jwk(json!({ "kty": "OKP", "crv": "Ed25519", "x": encode_base64url([1; 33]) })).is_err());
}

#[test]
fn rejects_a_key_of_one_curve_under_the_name_of_another() {
    let p256 = key(Algorithm::Es256).public_jwk();
    assert!(PublicKey::from_jwk(&Jwk { crv: Some("P-384".to_owned()), ..p256.clone() }).is_err());
    assert!(PublicKey::from_jwk(&Jwk { crv: Some("secp256k1".to_owned()), ..p256.clone() }).is_err());
    assert!(PublicKey::from_jwk(&Jwk { key_use: Some("enc".to_owned()), ..p256.clone() }).is_err());
    assert!(PublicKey::from_jwk(&Jwk { alg: Some("HS256".to_owned()), ..p256 }).is_err());
}

#[test]
fn a_key_survives_the_way_through_spki() {
    for algorithm in Algorithm::ALL {
        let spki = key(algorithm).public_spki();
        let read = PublicKey::from_spki(&spki).unwrap();
        assert_eq!(read.to_spki(), spki);
        assert_eq!(read.to_jwk().thumbprint(), key(algorithm).public_jwk().thumbprint());
        assert!(read.allows(algorithm) && read.kid().is_none());
        assert_eq!(read.with_kid("x").kid(), Some("x"));
    }
}

#[test]
fn rejects_spki_that_is_cut_extended_or_of_a_weak_key() {
    let spki = key(Algorithm::Rs256).public_spki();
    assert!(PublicKey::from_spki(&spki[..spki.len() - 1]).is_err());
    assert!(PublicKey::from_spki(&[spki.as_slice(), &[0]].concat()).is_err());
    assert!(PublicKey::from_spki(b"").is_err());
}

#[test]
fn ecdsa_signatures_out_of_range_never_verify() {
    // The order of P-256 (SEC 2, 2.4.2).
    let order: Vec<u8> = (0..64)
        .step_by(2)
        .map(|at| &"ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"[at..at + 2])
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect();
    let signer = key(Algorithm::Es256);
    let public = signer.public_key().unwrap();
    let good = signer.sign(b"message").unwrap();
    assert!(public.verify(Algorithm::Es256, b"message", &good));
    let (r, s) = good.split_at(32);
    let (zero, one, most) = (
        [0; 32],
        {
            let mut one = [0; 32];
            one[31] = 1;
            one
        },
        [0xff; 32],
    );
    let bad: [(&str, Vec<u8>); 14] = [
        ("all zero", [zero, zero].concat()),
        ("r zero", [&zero, s].concat()),
        ("s zero", [r, &zero].concat()),
        ("r one, s zero", [one, zero].concat()),
        ("r the order", [&order, s].concat()),
        ("s the order", [r, &order].concat()),
        ("both the order", [order.clone(), order.clone()].concat()),
        ("all ones", [most, most].concat()),
        ("empty", Vec::new()),
        ("too short", good[..63].to_vec()),
        ("too long", [good.as_slice(), &[0]].concat()),
        ("only r", r.to_vec()),
        ("halves changed", [s, r].concat()),
        ("a zero in front of each", [&[0], r, &[0], s].concat()),
    ];
    for (name, signature) in bad {
        assert!(!public.verify(Algorithm::Es256, b"message", &signature), "{name}");
    }
}

#[test]
fn der_signatures_are_not_jws_signatures() {
    let public = key(Algorithm::Es256).public_key().unwrap();
    let raw = key(Algorithm::Es256).sign(b"message").unwrap();
    let (r, s) = raw.split_at(32);
    let numbers = [r, s].map(|half| UintRef::new(half).unwrap());
    assert!(!public.verify(Algorithm::Es256, b"message", &numbers.to_vec().to_der().unwrap()));
}

#[test]
fn rsa_signatures_of_the_wrong_length_never_verify() {
    for algorithm in [Algorithm::Rs256, Algorithm::Ps256] {
        let public = key(algorithm).public_key().unwrap();
        let good = key(algorithm).sign(b"message").unwrap();
        for bad in [&good[1..], &good[..255], &[], &[0; 256], &[0xff; 256], &[&[0], good.as_slice()].concat()] {
            assert!(!public.verify(algorithm, b"message", bad), "{algorithm} with {} bytes", bad.len());
        }
    }
}

#[test]
fn ed25519_signatures_with_a_scalar_beyond_the_order_never_verify() {
    // RFC 8032, 5.1.7: s must be below the order L, or anybody could make a second signature out of a first.
    const L: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let public = key(Algorithm::EdDsa).public_key().unwrap();
    let good = key(Algorithm::EdDsa).sign(b"message").unwrap();
    let mut more = good.clone();
    let mut carry = 0;
    for (digit, order) in more[32..].iter_mut().zip(L) {
        let sum = u16::from(*digit) + u16::from(order) + carry;
        *digit = u8::try_from(sum & 0xff).unwrap();
        carry = sum >> 8;
    }
    assert!(public.verify(Algorithm::EdDsa, b"message", &good));
    assert!(!public.verify(Algorithm::EdDsa, b"message", &more));
}
