//! The agent's identity on disk.

use std::{
    io::{self, Write},
    path::Path,
};

use carnet_attest::protocol::Base64;
use carnet_core::{Error, Files, NewFile, Result, Secret};
use carnet_jose::private_key_from_pem;
use carnet_spiffe::{Bundle, SpiffeId, TrustDomain};
use carnet_x509::Certificate;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use crate::{core::Own, minter::pem, upstream::AgentIdentity};

/// The file's name in the agent's folder.
const NAME: &str = "agent.json";
/// Largest file that is read, in bytes.
const MAX_FILE: usize = 4 << 20;
/// What this version writes and reads.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    trust_domain: TrustDomain,
    svid: Vec<Base64>,
    #[serde(serialize_with = "exposed")]
    private_key: Secret,
    reattestable: bool,
    bundle: Value,
}

/// Who the agent was, if it was somebody in this trust domain.
///
/// # Errors
/// When the file is there and cannot be read or understood.
pub(crate) fn read(files: &dyn Files, directory: &Path, domain: &TrustDomain) -> Result<Option<Own>> {
    let path = directory.join(NAME);
    let failed = |why: &str| Error::configuration(format!("read {}: {why}", path.display()));
    let Some(bytes) = files.read(&path, MAX_FILE)? else { return Ok(None) };
    // The reader's own message may quote the key.
    let document: Document =
        serde_json::from_slice(bytes.expose()).map_err(|_quoting| failed("it has another form"))?;
    if document.version != VERSION {
        return Err(failed("another version of carnet wrote it"));
    }
    if document.trust_domain != *domain {
        return Err(failed("it is of another trust domain"));
    }
    let bundle = Bundle::parse(domain, document.bundle.to_string().as_bytes())
        .map_err(|error| failed("its bundle").because(error))?;
    let private_key = private_key_from_pem(document.private_key.expose().as_bytes(), None)
        .map_err(|error| failed("its key").because(error))?;
    let chain: Vec<Vec<u8>> = document.svid.into_iter().map(|one| one.0).collect();
    let leaf = chain.first().ok_or_else(|| failed("it holds no certificate"))?;
    let leaf = Certificate::from_der(leaf).map_err(|error| failed("its certificate").because(error))?;
    let uris = leaf.uris();
    let spiffe_id: SpiffeId = uris.first().ok_or_else(|| failed("its certificate names nobody"))?.parse()?;
    if !spiffe_id.is_of(domain) {
        return Err(failed("its certificate is of another trust domain"));
    }
    let identity = AgentIdentity {
        spiffe_id,
        private_key,
        not_before: leaf.not_before(),
        expires_at: leaf.not_after(),
        reattestable: document.reattestable,
        chain,
    };
    Ok(Some(Own { identity, bundle: bundle.shared() }))
}

/// Writes it whole, readable for its owner only.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn write(files: &dyn Files, directory: &Path, own: &Own) -> Result<()> {
    let document = Document {
        version: VERSION,
        trust_domain: own.identity.spiffe_id.trust_domain(),
        svid: own.identity.chain.iter().cloned().map(Base64).collect(),
        private_key: pem(&own.identity.private_key)?,
        reattestable: own.identity.reattestable,
        bundle: own.bundle.to_json()?,
    };
    let failed = |error| Error::internal("write the agent's identity").because(error);
    let mut length = Length(0);
    serde_json::to_writer_pretty(&mut length, &document).map_err(failed)?;
    // With room for all of it, so that no part of the key is left behind by growing.
    let mut bytes = Vec::with_capacity(length.0);
    serde_json::to_writer_pretty(&mut bytes, &document).map_err(failed)?;
    files.replace(&[NewFile::new(directory.join(NAME), bytes)])
}

/// Counts what is written, and keeps nothing of it.
struct Length(usize);

impl Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn exposed<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}
