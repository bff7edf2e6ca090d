//! Private keys in a token: an HSM, a smart card, SoftHSM (PKCS #11 v2.40 and later).

mod form;
mod token;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use carnet_core::{BoxFuture, Error, Secret, SecretBytes};
use carnet_jose::{Algorithm, ExternalSigner, KeyError, PublicKey, SigningKey};
use cryptoki::object::ObjectHandle;

use self::{
    form::Form,
    token::{Token, TokenError},
};
use super::{Backend, Generated};

/// What a token's key signs to show that its halves belong together.
const TRIAL: &[u8] = b"carnet: do the halves of this key belong together?";

/// Which token.
#[derive(Clone, Debug)]
pub struct Pkcs11Settings {
    /// The vendor's library, for instance `/usr/lib/softhsm/libsofthsm2.so`. It is loaded into this process.
    pub module: PathBuf,
    /// Label of the token.
    pub token: String,
    /// PIN of its user.
    pub pin: Secret,
    /// Most sessions that sign at once.
    pub sessions: usize,
}

/// Keys that are made in a token and never leave it. Every node of a store must reach the same token.
#[derive(Clone, Debug)]
pub struct Pkcs11 {
    token: Arc<Token>,
}

impl Pkcs11 {
    /// Loads the library, finds the token and logs in.
    ///
    /// # Errors
    /// [`carnet_core::ErrorKind::Configuration`] when the library cannot be loaded, there is no such token or more than one, or the
    /// PIN is wrong. The attempt is not repeated, because tokens lock themselves after a few.
    pub async fn open(settings: Pkcs11Settings) -> Result<Self, Error> {
        let token = blocking(move || Token::open(&settings)).await?;
        Ok(Self { token: Arc::new(token) })
    }
}

impl Backend for Pkcs11 {
    fn name(&self) -> &'static str {
        "pkcs11"
    }

    fn generate<'a>(&'a self, kid: &'a str, algorithm: Algorithm) -> BoxFuture<'a, Result<Generated, Error>> {
        let (token, id) = (Arc::clone(&self.token), kid.as_bytes().to_vec());
        Box::pin(async move {
            let form = form_of(algorithm)?;
            let material = SecretBytes::new(id.as_slice());
            let make = move || {
                token.generate(&id, form)?;
                signing_key(&token, id.clone(), algorithm, form).inspect_err(|_unusable| {
                    // What cannot be used is not left behind; failing to remove it must not hide why.
                    drop(token.destroy(&id));
                })
            };
            Ok(Generated { key: blocking(make).await?, material })
        })
    }

    fn load<'a>(
        &'a self,
        _kid: &'a str,
        algorithm: Algorithm,
        material: &'a SecretBytes,
    ) -> BoxFuture<'a, Result<SigningKey, Error>> {
        let (token, id) = (Arc::clone(&self.token), material.expose().to_vec());
        Box::pin(async move {
            let form = form_of(algorithm)?;
            blocking(move || signing_key(&token, id, algorithm, form)).await
        })
    }

    fn destroy<'a>(&'a self, kid: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        let (token, id) = (Arc::clone(&self.token), kid.as_bytes().to_vec());
        Box::pin(async move { blocking(move || token.destroy(&id).map_err(Error::from)).await })
    }
}

/// A key in a token.
#[derive(Debug)]
struct TokenKey {
    token: Arc<Token>,
    /// CKA_ID.
    id: Vec<u8>,
    algorithm: Algorithm,
    form: Form,
    spki: Vec<u8>,
    /// Where it was found.
    handle: Mutex<Option<ObjectHandle>>,
}

impl ExternalSigner for TokenKey {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    fn public_spki(&self) -> Vec<u8> {
        self.spki.clone()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.token.sign(&self.id, self.form, message, &self.handle).map_err(|error| KeyError(error.to_string()))
    }
}

/// The key of this id, which has been seen to sign.
fn signing_key(token: &Arc<Token>, id: Vec<u8>, algorithm: Algorithm, form: Form) -> Result<SigningKey, Error> {
    let spki = token.public_key(&id, form)?;
    let key = TokenKey { token: Arc::clone(token), id, algorithm, form, spki, handle: Mutex::default() };
    let cannot =
        |error: KeyError| Error::configuration(format!("use a key in the {}", key.token.describe())).because(error);
    let signature = key.sign(TRIAL).map_err(cannot)?;
    if !PublicKey::from_spki(&key.spki).map_err(cannot)?.verify(algorithm, TRIAL, &signature) {
        return Err(Error::configuration(format!(
            "the halves of a key in the {} do not belong together",
            key.token.describe()
        ))
        .hint("two objects with one CKA_ID? Remove them, and revoke the key"));
    }
    SigningKey::external(Arc::new(key)).map_err(|error| Error::configuration("use a key in a token").because(error))
}

fn form_of(algorithm: Algorithm) -> Result<Form, Error> {
    Form::of(algorithm).ok_or_else(|| Error::configuration(format!("keys for {algorithm} are not made in tokens")))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::internal("the work with the token was cut short").because(error))?
}

impl From<TokenError> for Error {
    fn from(error: TokenError) -> Self {
        let hint = error.hint();
        let converted = Self::new(error.kind(), error.to_string());
        match hint {
            Some(hint) => converted.hint(hint),
            None => converted,
        }
    }
}
