//! `x509-files`: an X.509 identity as PEM files, under the names that SPIFFE's own helper gives them.

use std::{path::PathBuf, sync::Arc};

use carnet_core::{
    BoxFuture, Context, Credential, Delivered, Delivery, DeliveryConfig, Error, Kind, Kinds, Material, Mistake, NewFile,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::pem::{Pem, certificates};

/// Writes an X.509 identity as PEM files of mode 0600 under `directory/current`: chain, private key and bundle, replaced as one.
/// Servers that read files again, or are told to, always find a key beside its own certificate.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct X509Files {
    /// The folder for the files, which are behind the symbolic link `current` in it. It is made, for the owner only, if it is
    /// missing.
    pub directory: PathBuf,
    /// The file with the certificate and those between it and the authority, leaf first. By default `svid.pem`.
    #[serde(default)]
    pub certificate: Option<String>,
    /// The file with the private key (PKCS#8), not encrypted. By default `svid_key.pem`.
    #[serde(default)]
    pub key: Option<String>,
    /// The file with the certificates of the trust domain's authorities, by which its peers are verified. By default
    /// `svid_bundle.pem`. Not written where they are not known: the exchange `carnet` does not give them along.
    #[serde(default)]
    pub bundle: Option<String>,
}

impl DeliveryConfig for X509Files {
    const NAME: &'static str = "x509-files";
    const ABOUT: &'static str = "PEM files with certificates, key and bundle";
    const TAKES: Kinds = Kinds::of(&[Kind::X509]);

    fn build(self) -> Result<Arc<dyn Delivery>, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        if self.directory.file_name().is_none() {
            mistakes.push(Mistake::new("directory", "names no folder"));
        }
        let named = [("certificate", &self.certificate), ("key", &self.key), ("bundle", &self.bundle)];
        for (field, name) in named {
            if name.as_deref().is_some_and(|name| !is_file_name(name)) {
                let mistake = Mistake::new(field, "is not the name of a file");
                mistakes.push(mistake.hint("write a name without `/`: the files are replaced together, in one folder"));
            }
        }
        let files = Files {
            certificate: self.certificate.unwrap_or_else(|| "svid.pem".to_owned()),
            key: self.key.unwrap_or_else(|| "svid_key.pem".to_owned()),
            bundle: self.bundle.unwrap_or_else(|| "svid_bundle.pem".to_owned()),
            directory: self.directory,
        };
        if files.key == files.certificate {
            mistakes.push(Mistake::new("key", "is the file of the certificate"));
        }
        if [&files.certificate, &files.key].contains(&&files.bundle) {
            mistakes.push(Mistake::new("bundle", "is the file of the certificate or the key"));
        }
        if mistakes.is_empty() { Ok(Arc::new(files)) } else { Err(mistakes) }
    }
}

fn is_file_name(name: &str) -> bool {
    !["", ".", ".."].contains(&name) && !name.contains(|letter: char| letter == '/' || letter.is_control())
}

/// See [`X509Files`].
#[derive(Debug)]
struct Files {
    directory: PathBuf,
    certificate: String,
    key: String,
    bundle: String,
}

impl Delivery for Files {
    fn name(&self) -> &'static str {
        X509Files::NAME
    }

    fn takes(&self) -> Kinds {
        X509Files::TAKES
    }

    fn deliver<'a>(
        &'a self,
        context: &'a Context,
        credential: &'a Credential,
    ) -> BoxFuture<'a, Result<Delivered, Error>> {
        Box::pin(async move {
            let Material::X509(identity) = &credential.material else {
                let kind = credential.kind();
                return Err(Error::internal(format!("write a credential of kind {kind} as an X.509 identity")));
            };
            let key = Pem::new("PRIVATE KEY", identity.private_key.expose());
            let mut files = vec![
                NewFile::new(&self.certificate, certificates(&identity.chain)),
                NewFile::new(&self.key, key.as_str()),
            ];
            if !identity.bundle.is_empty() {
                files.push(NewFile::new(&self.bundle, certificates(&identity.bundle)));
            }
            context.files.replace_directory(&self.directory, &files).await?;
            let current = self.directory.join("current");
            let files = files.iter().map(|file| current.join(&file.path)).collect();
            Ok(Delivered { files, ..Delivered::default() })
        })
    }
}
