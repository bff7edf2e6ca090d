//! An account at the authority that was made elsewhere, to which the ACME account is bound (RFC 8555, 7.3.4).

use std::path::PathBuf;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use carnet_core::{Context, Error, Mistake, SecretBytes};
use instant_acme::ExternalAccountKey;
use schemars::JsonSchema;
use serde::Deserialize;

/// Largest file with a key, in bytes. Authorities give 32 to 64 random bytes.
const MAX_FILE: usize = 4 << 10;
/// Shortest key, in bytes: HS256 wants as many as the digest has (RFC 7518, 3.2).
const MIN_KEY: usize = 32;

/// An account at the authority that was made elsewhere, for authorities that want one (RFC 8555, 7.3.4). Used when the ACME
/// account is made, and never again.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExternalAccount {
    /// The key identifier that the authority gave.
    pub key_id: String,
    /// A file with the HMAC key that the authority gave, in base64url, as authorities show it. Nobody but its owner may read it.
    pub key_file: PathBuf,
}

impl ExternalAccount {
    /// What is wrong with it, if anything.
    pub fn check(&self) -> Option<Mistake> {
        let plain = !self.key_id.is_empty() && !self.key_id.chars().any(char::is_control);
        (!plain).then(|| Mistake::new("key_id", "it is not the key identifier of an account"))
    }

    /// Reads the key.
    pub(super) fn read(&self, context: &Context) -> Result<ExternalAccountKey, Error> {
        let place = self.key_file.display();
        let failed =
            |what: &str| Error::configuration(format!("read the key of the external account in {place}: {what}"));
        let found = context.files.read(&self.key_file, MAX_FILE)?.ok_or_else(|| failed("the file does not exist"))?;
        if context.files.others_may_read(&self.key_file) {
            return Err(failed("other users may read it").hint(format!("chmod 600 {place}")));
        }
        // RFC 8555, 7.3.4: the key is given in base64url without padding; some authorities show it with.
        let text = found.expose().trim_ascii();
        let text = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
        let key = URL_SAFE_NO_PAD.decode(text).map(SecretBytes::new).map_err(|_quoting| {
            failed("it is not in base64url")
                .hint("put what the authority shows as the HMAC key into the file, and nothing else")
        })?;
        if key.expose().len() < MIN_KEY {
            return Err(failed(&format!("it has fewer than {MIN_KEY} bytes")));
        }
        Ok(ExternalAccountKey::new(self.key_id.clone(), key.expose()))
    }
}
