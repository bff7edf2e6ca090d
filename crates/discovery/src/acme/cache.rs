//! What outlives the process: the account and the certificate.

use std::path::PathBuf;

use carnet_core::{Error, NewFile, SecretBytes, hex};
use carnet_jose::sha256;

use super::Acme;

/// Largest file that is read, in bytes.
const MAX_FILE: usize = 256 << 10;

impl Acme {
    /// The account at this authority, as it was written.
    pub(super) fn read_account(&self) -> Result<Option<SecretBytes>, Error> {
        self.context.files.read(&self.account_path(), MAX_FILE)
    }

    pub(super) fn write_account(&self, json: Vec<u8>) -> Result<(), Error> {
        self.context.files.replace(&[NewFile::new(self.account_path(), json)])
    }

    pub(super) fn read_certificate(&self) -> Result<Option<SecretBytes>, Error> {
        self.context.files.read(&self.certificate_path(), MAX_FILE)
    }

    /// Chain and key are one file, so that neither is ever without the other.
    pub(super) fn write_certificate(&self, pem: &str) -> Result<(), Error> {
        self.context.files.replace(&[NewFile::new(self.certificate_path(), pem)])
    }

    /// Another authority, or another account there that it is bound to, is another account.
    fn account_path(&self) -> PathBuf {
        let directory = &self.settings.directory_url;
        let of = match &self.settings.external_account {
            None => directory.clone(),
            Some(external) => format!("{directory}\n{}", external.key_id),
        };
        self.settings.cache_dir.join(format!("account-{}.json", short(&of)))
    }

    /// Another authority or other names are another certificate.
    fn certificate_path(&self) -> PathBuf {
        let of = format!("{}\n{}", self.settings.directory_url, self.settings.domains.join("\n"));
        self.settings.cache_dir.join(format!("certificate-{}.pem", short(&of)))
    }
}

fn short(text: &str) -> String {
    let digest = sha256(text.as_bytes());
    hex(digest.get(..8).unwrap_or(&digest))
}
