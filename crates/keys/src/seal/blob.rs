//! The form of what is sealed, and the one cipher: AES-256-GCM.
//!
//! `version, method, length of the header (2 bytes), header, nonce (12 bytes), ciphertext and tag`. The header is the digest
//! of the sealing key, or the data key as the KMS wrapped it. All that comes before the nonce is authenticated, too.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use carnet_core::{Error, Random, SecretBytes};
use carnet_jose::sha256;

/// The first byte.
const VERSION: u8 = 1;
/// Longest header: what a KMS makes of 32 bytes fits easily.
const MAX_HEADER: usize = 8192;
/// How much of the digest tells keys apart.
const FINGERPRINT: usize = 16;

/// How the sealing key is had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    KeyFile = 1,
    Passphrase = 2,
    Kms = 3,
}

impl Method {
    const ALL: [Self; 3] = [Self::KeyFile, Self::Passphrase, Self::Kms];

    const fn name(self) -> &'static str {
        match self {
            Self::KeyFile => "a key file",
            Self::Passphrase => "a passphrase",
            Self::Kms => "a key management service",
        }
    }
}

/// What is sealed, taken apart. Nothing of it is believed yet.
pub(super) struct Blob<'a> {
    pub(super) header: &'a [u8],
    authenticated: &'a [u8],
    nonce: [u8; NONCE_LEN],
    ciphertext: &'a [u8],
}

/// Tells sealing keys apart; says nothing of the key, which is as random as any.
pub(super) fn fingerprint(key: &SecretBytes) -> Vec<u8> {
    let labelled = SecretBytes::new([b"carnet sealing key\0".as_slice(), key.expose()].concat());
    sha256(labelled.expose()).into_iter().take(FINGERPRINT).collect()
}

/// Encrypts under a key of 32 bytes.
pub(super) fn encrypt(
    method: Method,
    header: &[u8],
    key: &SecretBytes,
    plain: &SecretBytes,
    associated: &[u8],
    random: &dyn Random,
) -> Result<Vec<u8>, Error> {
    let length = u16::try_from(header.len()).ok().filter(|length| usize::from(*length) <= MAX_HEADER);
    let length = length.ok_or_else(|| Error::internal("the wrapped key is too long to be kept"))?;
    let mut sealed = vec![VERSION, method as u8];
    sealed.extend(length.to_be_bytes());
    sealed.extend(header);
    // Fresh for every seal; each key seals a few per day, so that 96 random bits do not meet (NIST SP 800-38D, 8.3).
    let mut nonce = [0; NONCE_LEN];
    random.fill(&mut nonce);
    let authenticated = aad(&sealed, associated)?;
    let mut buffer = plain.expose().to_vec();
    let outcome = cipher(key)?
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), authenticated, &mut buffer)
        .map_err(|_opaque| Error::internal("encrypting a private key failed"));
    sealed.extend(nonce);
    sealed.extend(&buffer);
    outcome.map(|()| sealed)
}

/// Takes it apart and looks at the method.
pub(super) fn parse(method: Method, sealed: &[u8]) -> Result<Blob<'_>, Error> {
    let damaged = || Error::configuration("the sealed private key is damaged").hint(RESTORE);
    let (&[version, found, high, low], rest) = sealed.split_first_chunk().ok_or_else(damaged)?;
    if version != VERSION {
        return Err(Error::configuration(format!(
            "the private key was sealed in form {version}, which this version does not know"
        ))
        .hint("use the version of carnet that wrote it"));
    }
    if found != method as u8 {
        let other = Method::ALL.into_iter().find(|other| *other as u8 == found).ok_or_else(damaged)?;
        let message = format!("the private key was sealed with {}, not with {}", other.name(), method.name());
        return Err(
            Error::configuration(message).hint("configure what it was sealed with; to change it, use rewrapping")
        );
    }
    let (header, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([high, low]))).ok_or_else(damaged)?;
    let (nonce, ciphertext) = rest.split_first_chunk().ok_or_else(damaged)?;
    let authenticated = sealed.get(..4 + header.len()).ok_or_else(damaged)?;
    Ok(Blob { header, authenticated, nonce: *nonce, ciphertext })
}

/// Decrypts.
pub(super) fn decrypt(blob: &Blob<'_>, key: &SecretBytes, associated: &[u8]) -> Result<SecretBytes, Error> {
    let mut buffer = blob.ciphertext.to_vec();
    let nonce = Nonce::assume_unique_for_key(blob.nonce);
    let plain =
        cipher(key)?.open_in_place(nonce, aad(blob.authenticated, associated)?, &mut buffer).map_err(|_opaque| {
            Error::configuration("the sealed private key was changed, or belongs to another key").hint(RESTORE)
        })?;
    let plain = SecretBytes::new(&*plain);
    // The plaintext was made where the ciphertext was.
    drop(SecretBytes::new(buffer));
    Ok(plain)
}

/// What whoever finds a damaged row can do.
const RESTORE: &str = "restore the store from a backup, or delete the key so that another takes its place";

fn cipher(key: &SecretBytes) -> Result<LessSafeKey, Error> {
    UnboundKey::new(&AES_256_GCM, key.expose())
        .map(LessSafeKey::new)
        .map_err(|_opaque| Error::internal("a sealing key has 32 bytes"))
}

fn aad(header: &[u8], associated: &[u8]) -> Result<Aad<Vec<u8>>, Error> {
    let length = u16::try_from(header.len()).map_err(|_long| Error::internal("the header is too long"))?;
    Ok(Aad::from([&length.to_be_bytes(), header, associated].concat()))
}
