//! Private keys out of PEM files.

use aws_lc_rs::{
    cipher::{AES_128, AES_192, AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey},
    iv::FixedLength,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use carnet_core::{Secret, SecretBytes};
use md5::{Digest, Md5};
use pkcs8::{
    AlgorithmIdentifierRef, EncryptedPrivateKeyInfo, LineEnding, ObjectIdentifier, PrivateKeyInfo,
    der::{
        Decode, Encode, Reader, SliceReader, TagNumber,
        asn1::{AnyRef, ContextSpecific, OctetStringRef},
        pem,
    },
    pkcs5::{EncryptionScheme, pbes2::Kdf},
};
use zeroize::Zeroizing;

use crate::KeyError;

/// Largest PEM text that is looked at, in bytes. An RSA key of 8192 bits takes 6.5 KB; some files carry a chain as well.
const MAX_LENGTH: usize = 256 * 1024;

/// Most rounds of PBKDF2 that are computed, about a second. A file that asks for more is not a key but a trap.
const MAX_ROUNDS: u32 = 2_000_000;

/// Most memory that scrypt is given, in bytes: 128 times `N` times `r` (RFC 7914, 5), and as often as `p` says.
/// openssl(1) asks for 16 MiB.
const MAX_SCRYPT: u64 = 64 << 20;

/// The private key in a PEM file as PKCS#8 DER: PKCS#8, PKCS#1 (`RSA PRIVATE KEY`), SEC 1, encrypted PKCS#8 and the
/// traditional `Proc-Type: 4,ENCRYPTED` form that `oci setup keys` writes.
///
/// Certificates and text around the key are passed over, so a bundle and the line `OCI_API_KEY` after the key are fine.
/// Two private keys are not: nobody could say which one is meant.
pub fn private_key_from_pem(pem: &[u8], passphrase: Option<&Secret>) -> Result<SecretBytes, KeyError> {
    let blocks = blocks(pem)?;
    let mut keys = blocks.iter().filter(|block| block.label.ends_with("PRIVATE KEY"));
    let Some(key) = keys.next() else { return Err(no_key(&blocks)) };
    if keys.next().is_some() {
        return Err(KeyError("the PEM text holds more than one private key; leave only the one to use".to_owned()));
    }
    let der = key.decode()?;
    let der = match &key.encryption {
        Some(encryption) => decrypt_traditional(encryption, &der, needed(passphrase)?)?,
        None => der,
    };
    let encrypted = key.encryption.is_some();
    let pkcs8 = match key.label {
        "PRIVATE KEY" => der,
        "RSA PRIVATE KEY" => from_pkcs1(&der).ok_or_else(|| malformed("PKCS#1", encrypted))?,
        "EC PRIVATE KEY" => from_sec1(&der).ok_or_else(|| malformed("SEC 1", encrypted))?,
        "ENCRYPTED PRIVATE KEY" => decrypt_pkcs8(&der, needed(passphrase)?)?,
        "OPENSSH PRIVATE KEY" => {
            return Err(KeyError(
                "the key is in OpenSSH's own format; convert it with: ssh-keygen -p -m PKCS8 -f FILE".to_owned(),
            ));
        }
        other => return Err(KeyError(format!("private keys of the form \"{other}\" are not supported"))),
    };
    PrivateKeyInfo::try_from(pkcs8.as_slice()).map_err(|_opaque| malformed("PKCS#8", encrypted))?;
    Ok(SecretBytes::new(pkcs8.as_slice()))
}

/// PKCS#8 DER as PEM.
///
/// # Errors
/// When it is too large for a text.
pub fn private_key_to_pem(der: &SecretBytes) -> Result<Secret, KeyError> {
    pem::encode_string("PRIVATE KEY", LineEnding::LF, der.expose())
        .map(Secret::new)
        .map_err(|_opaque| KeyError("the private key cannot be written as PEM".to_owned()))
}

/// One block between `BEGIN` and `END`.
struct Block<'a> {
    label: &'a str,
    encryption: Option<Encryption>,
    base64: Zeroizing<String>,
}

/// `DEK-Info` of the traditional form (RFC 1421, 4.6.1.3, with OpenSSL's names).
struct Encryption {
    cipher: String,
    iv: Vec<u8>,
}

impl Block<'_> {
    fn decode(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        STANDARD
            .decode(self.base64.as_bytes())
            .map(Zeroizing::new)
            .map_err(|_opaque| KeyError(format!("what stands between BEGIN and END {} is not base64", self.label)))
    }
}

fn blocks(pem: &[u8]) -> Result<Vec<Block<'_>>, KeyError> {
    if pem.len() > MAX_LENGTH {
        return Err(KeyError(format!("the PEM text has {} bytes, more than {MAX_LENGTH}", pem.len())));
    }
    let text = std::str::from_utf8(pem)
        .map_err(|_opaque| KeyError("it is not text: a PEM file is wanted, and this may be DER".to_owned()))?;
    let mut blocks = Vec::new();
    let mut lines = text.trim_start_matches('\u{feff}').lines().map(str::trim);
    while let Some(line) = lines.next() {
        let Some(label) = line.strip_prefix("-----BEGIN ").and_then(|rest| rest.strip_suffix("-----")) else {
            continue;
        };
        let end = format!("-----END {label}-----");
        let mut block = Block { label, encryption: None, base64: Zeroizing::new(String::new()) };
        loop {
            match lines.next() {
                None => return Err(KeyError(format!("the PEM block {label} has no END line: the file is cut off"))),
                Some(line) if line == end => break,
                Some(line) if line.starts_with("-----") => {
                    return Err(KeyError(format!("the PEM block {label} is not closed before the next one begins")));
                }
                Some(line) => match line.split_once(':') {
                    Some(("DEK-Info", value)) => block.encryption = Some(dek_info(value)?),
                    Some(_) => {}
                    None => block.base64.push_str(line),
                },
            }
        }
        blocks.push(block);
    }
    Ok(blocks)
}

fn dek_info(value: &str) -> Result<Encryption, KeyError> {
    let malformed = || KeyError("the DEK-Info line of the PEM block is malformed".to_owned());
    let (cipher, iv) = value.trim().split_once(',').ok_or_else(malformed)?;
    let iv = iv.trim();
    let digits = iv.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(pair, 16).ok().filter(|_| pair.len() == 2)
    });
    let iv = digits.collect::<Option<Vec<u8>>>().ok_or_else(malformed)?;
    Ok(Encryption { cipher: cipher.trim().to_owned(), iv })
}

fn no_key(blocks: &[Block<'_>]) -> KeyError {
    let labels: Vec<&str> = blocks.iter().map(|block| block.label).collect();
    if labels.is_empty() {
        return KeyError("there is no PEM block in it, so no private key".to_owned());
    }
    if labels.iter().all(|label| label.ends_with("CERTIFICATE")) {
        return KeyError("it holds a certificate, not a private key".to_owned());
    }
    if labels.iter().all(|label| label.ends_with("PUBLIC KEY")) {
        return KeyError("it holds a public key, not a private key".to_owned());
    }
    KeyError(format!("it holds no private key, only: {}", labels.join(", ")))
}

fn needed(passphrase: Option<&Secret>) -> Result<&Secret, KeyError> {
    passphrase.ok_or_else(|| KeyError("the private key is encrypted and no passphrase is given".to_owned()))
}

fn wrong_passphrase() -> KeyError {
    KeyError("the private key cannot be decrypted: the passphrase does not fit".to_owned())
}

fn malformed(form: &str, encrypted: bool) -> KeyError {
    // A wrong passphrase passes the check of the padding once in 256 times and yields noise.
    if encrypted { wrong_passphrase() } else { KeyError(format!("the private key is not valid {form}")) }
}

/// OpenSSL's traditional encryption: AES-CBC under a key that MD5 makes of passphrase and salt, where the salt is the
/// first 8 bytes of the IV (`EVP_BytesToKey` with one round,
/// <https://docs.openssl.org/3.0/man3/PEM_read_bio_PrivateKey/#pem-encryption-format>).
fn decrypt_traditional(
    encryption: &Encryption,
    ciphertext: &[u8],
    passphrase: &Secret,
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let (cipher, length) = match encryption.cipher.as_str() {
        "AES-128-CBC" => (&AES_128, 16),
        "AES-192-CBC" => (&AES_192, 24),
        "AES-256-CBC" => (&AES_256, 32),
        other => {
            return Err(KeyError(format!(
                "the private key is encrypted with {other:?}, which is not supported; convert it with: openssl pkey -aes256"
            )));
        }
    };
    let iv: [u8; 16] =
        encryption.iv.as_slice().try_into().map_err(|_opaque| {
            KeyError("the DEK-Info line of the PEM block has an IV of the wrong length".to_owned())
        })?;
    let salt = iv.get(..8).unwrap_or_default();
    let mut key = Zeroizing::new(Vec::with_capacity(48));
    let mut round: Zeroizing<Vec<u8>> = Zeroizing::default();
    while key.len() < length {
        let hash = Md5::new().chain_update(&*round).chain_update(passphrase.expose()).chain_update(salt).finalize();
        *round = hash.to_vec();
        key.extend_from_slice(&round);
    }
    key.truncate(length);
    let open = |mut buffer: Zeroizing<Vec<u8>>| {
        let key = PaddedBlockDecryptingKey::cbc_pkcs7(UnboundCipherKey::new(cipher, &key)?)?;
        let plain = key.decrypt(&mut buffer, DecryptionContext::Iv128(FixedLength::from(iv)))?.len();
        buffer.truncate(plain);
        Ok(buffer)
    };
    open(Zeroizing::new(ciphertext.to_vec())).map_err(|_opaque: aws_lc_rs::error::Unspecified| wrong_passphrase())
}

fn decrypt_pkcs8(der: &[u8], passphrase: &Secret) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let info = EncryptedPrivateKeyInfo::try_from(der).map_err(|_opaque| {
        KeyError("the encrypted private key is not PKCS#8, or its encryption is not supported".to_owned())
    })?;
    let EncryptionScheme::Pbes2(scheme) = &info.encryption_algorithm else {
        return Err(KeyError(
            "the private key is encrypted with PBES1, which is not supported; convert it with: openssl pkcs8 -topk8 -v2 aes256"
                .to_owned(),
        ));
    };
    let affordable = match &scheme.kdf {
        Kdf::Pbkdf2(kdf) => kdf.iteration_count <= MAX_ROUNDS,
        Kdf::Scrypt(kdf) => {
            let factors = [kdf.cost_parameter, kdf.block_size.into(), kdf.parallelization.into()];
            factors.into_iter().fold(128, u64::saturating_mul) <= MAX_SCRYPT
        }
        _ => false,
    };
    if !affordable {
        return Err(KeyError("the private key asks for more work to decrypt it than any real one does".to_owned()));
    }
    info.decrypt(passphrase.expose())
        .map(|document| Zeroizing::new(document.as_bytes().to_vec()))
        .map_err(|_opaque| wrong_passphrase())
}

/// `RSAPrivateKey` (RFC 8017, A.1.2) inside `PrivateKeyInfo` (RFC 5208, 5).
fn from_pkcs1(der: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
    // Whether the numbers belong together is checked when the key is used; here only that it is a sequence of its own.
    let mut reader = SliceReader::new(der).ok()?;
    AnyRef::decode(&mut reader).ok()?.sequence(|inner| inner.read_slice(inner.remaining_len()).map(drop)).ok()?;
    reader.finish(()).ok()?;
    let algorithm = AlgorithmIdentifierRef { oid: RSA_ENCRYPTION, parameters: Some(AnyRef::NULL) };
    PrivateKeyInfo::new(algorithm, der).to_der().ok().map(Zeroizing::new)
}

/// `ECPrivateKey` (RFC 5915, 3) inside `PrivateKeyInfo`; the curve is copied from the key.
fn from_sec1(der: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
    let curve: ObjectIdentifier = {
        let mut reader = SliceReader::new(der).ok()?;
        let curve = reader.sequence(|key| {
            u8::decode(key)?;
            OctetStringRef::decode(key)?;
            let curve = ContextSpecific::<ObjectIdentifier>::decode_explicit(key, TagNumber::N0)?;
            key.read_slice(key.remaining_len())?;
            Ok(curve)
        });
        reader.finish(curve.ok()?).ok()??.value
    };
    let algorithm = AlgorithmIdentifierRef { oid: EC_PUBLIC_KEY, parameters: Some(AnyRef::from(&curve)) };
    PrivateKeyInfo::new(algorithm, der).to_der().ok().map(Zeroizing::new)
}

#[cfg(test)]
pub(crate) mod tests;
