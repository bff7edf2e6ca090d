//! The authority's half.

use std::path::PathBuf;

use carnet_core::{Context, Error, Mistake, hex};
use carnet_x509::{Certificate, ChainUsage, verify_path};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::{MAX_CHAIN, Payload};
use crate::{
    Attested, Kind, Once,
    attested::{path, payload, refused, selectors},
    load,
    protocol::Base64,
};

const KIND: Kind = Kind::X509pop;

/// Whose certificates are believed.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct X509popConfig {
    /// PEM file with the certificates of the authorities. Every certificate that one of them has issued, for clients or
    /// without a purpose, makes a node.
    pub ca_file: PathBuf,
}

/// See [`X509popConfig`].
#[derive(Clone, Debug)]
pub struct X509popVerifier {
    roots: Vec<Vec<u8>>,
}

impl X509popConfig {
    pub(crate) fn load(&self, context: &Context, mistakes: &mut Vec<Mistake>) -> X509popVerifier {
        X509popVerifier { roots: load::anchors(context, "x509pop.ca_file", &self.ca_file, mistakes) }
    }
}

impl X509popVerifier {
    /// A verifier that believes these authorities, DER.
    pub fn new(roots: Vec<Vec<u8>>) -> Self {
        Self { roots }
    }

    /// Whether the certificate leads to one of the authorities, is for signatures and clients, and the nonce was signed with
    /// its key.
    ///
    /// # Errors
    /// The first of these that does not hold.
    pub fn verify(&self, evidence: &Value, nonce: &[u8], now: Timestamp) -> Result<Attested, Error> {
        let Payload { certificates, proof } = payload(KIND, evidence)?;
        let (leaf, intermediates) = read_chain(KIND, certificates)?;
        proof.verify(KIND, &leaf, nonce)?;
        let believed = |root: &Vec<u8>| {
            verify_path(ChainUsage::Client, leaf.der(), &intermediates, std::slice::from_ref(root), now).is_ok()
        };
        verify_path(ChainUsage::Client, leaf.der(), &intermediates, &self.roots, now)
            .map_err(|error| refused(KIND, "chain", "the certificate is not believed").because(error))?;
        let roots = self.roots.iter().filter(|root| believed(root)).map(|root| hex(&carnet_jose::sha256(root)));
        let roots: Vec<String> = roots.collect();
        let fingerprint = hex(&leaf.sha256());
        let serial = hex(leaf.serial());
        let addresses: Vec<String> = leaf.ip_addresses().iter().map(ToString::to_string).collect();
        let uris = leaf.uris();
        let names = leaf.subject().iter().filter(|(name, _)| name == "CN").map(|(_, value)| ("subject:cn", value));
        let facts = names
            .chain(roots.iter().map(|root| ("ca:fingerprint", root)))
            .chain(std::iter::once(("serialnumber", &serial)))
            .chain(leaf.dns_names().iter().map(|dns| ("san:dns", dns)))
            .chain(uris.iter().map(|uri| ("san:uri", uri)))
            .chain(addresses.iter().map(|ip| ("san:ip", ip)));
        Ok(Attested {
            kind: KIND,
            path: path(KIND, &[&fingerprint])?,
            selectors: selectors(KIND, facts.map(|(name, value)| (name, value.as_str())))?,
            once: Once::Again,
        })
    }
}

/// Leaf and the others.
pub(crate) fn read_chain(kind: Kind, certificates: Vec<Base64>) -> Result<(Certificate, Vec<Vec<u8>>), Error> {
    if certificates.len() > MAX_CHAIN {
        return Err(refused(kind, "form", format!("there are more than {MAX_CHAIN} certificates")));
    }
    let mut certificates = certificates.into_iter().map(|Base64(der)| der);
    let leaf = certificates.next().ok_or_else(|| refused(kind, "form", "there is no certificate"))?;
    let leaf = Certificate::from_der(&leaf)
        .map_err(|error| refused(kind, "form", "the certificate cannot be read").because(error))?;
    Ok((leaf, certificates.collect()))
}
