//! The authority's half.

use std::{collections::BTreeMap, path::PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use carnet_core::{Context, Error, Mistake};
use carnet_x509::{Certificate, ChainUsage, verify_path};
use jiff::{SignedDuration, Timestamp, civil};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::{Payload, nonce_text};
use crate::{
    Attested, Kind, Once,
    attested::{path, payload, refused, selectors},
    cms::SignedData,
    load,
    x509pop::MAX_CHAIN,
};

const KIND: Kind = Kind::Azure;
/// Tolerance for clocks that disagree.
const LEEWAY: SignedDuration = SignedDuration::from_mins(5);

/// Which machines are believed.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AzureConfig {
    /// PEM file with the roots, or the intermediates, that the signers' certificates lead to.
    pub ca_file: PathBuf,
    /// Certificates between roots and signers, which the documents do not always bring along.
    #[serde(default)]
    pub intermediates_file: Option<PathBuf>,
    /// Subscriptions whose machines may be nodes, by the tenant that they are of: identifiers in lower case.
    pub tenants: BTreeMap<String, Vec<String>>,
    /// The names that signers' certificates are for. A name below one of them is good as well.
    #[serde(default = "signers")]
    pub signers: Vec<String>,
}

fn signers() -> Vec<String> {
    vec!["metadata.azure.com".to_owned()]
}

/// See [`AzureConfig`].
#[derive(Clone, Debug)]
pub struct AzureVerifier {
    roots: Vec<Vec<u8>>,
    intermediates: Vec<Vec<u8>>,
    tenants: BTreeMap<String, Vec<String>>,
    signers: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    nonce: String,
    time_stamp: Times,
    vm_id: String,
    subscription_id: String,
    #[serde(default)]
    sku: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Times {
    created_on: String,
    expires_on: String,
}

impl AzureConfig {
    /// What is wrong whatever the files hold.
    pub(crate) fn check(&self, mistakes: &mut Vec<Mistake>) {
        let subscriptions: Vec<&String> = self.tenants.values().flatten().collect();
        load::not_empty("azure.tenants", &subscriptions, "tenants with their subscriptions", mistakes);
        load::not_empty("azure.signers", &self.signers, "the names of the signers", mistakes);
    }

    pub(crate) fn load(&self, context: &Context, mistakes: &mut Vec<Mistake>) -> AzureVerifier {
        let roots = load::anchors(context, "azure.ca_file", &self.ca_file, mistakes);
        let intermediates = self
            .intermediates_file
            .as_ref()
            .map(|file| load::anchors(context, "azure.intermediates_file", file, mistakes));
        AzureVerifier {
            roots,
            intermediates: intermediates.unwrap_or_default(),
            tenants: self.tenants.clone(),
            signers: self.signers.clone(),
        }
    }
}

impl AzureVerifier {
    /// Whether the document answers the nonce, is in time, was signed by the metadata service of Azure, and its subscription
    /// is allowed.
    ///
    /// # Errors
    /// The first of these that does not hold.
    pub fn verify(&self, evidence: &Value, nonce: &[u8], now: Timestamp) -> Result<Attested, Error> {
        let Payload { encoding, signature } = payload(KIND, evidence)?;
        if encoding != "pkcs7" {
            return Err(refused(KIND, "form", "the document is not pkcs7"));
        }
        let der = STANDARD.decode(signature).map_err(|_quoting| refused(KIND, "form", "the document is not base64"))?;
        let signed = SignedData::parse(&der)
            .map_err(|error| refused(KIND, "form", "the document cannot be read").because(error))?;
        let content = self.believed(&signed, now)?;
        let document: Document = serde_json::from_slice(content)
            .map_err(|_quoting| refused(KIND, "form", "the signed document is not an attested document"))?;
        if document.nonce != nonce_text(nonce) {
            return Err(refused(KIND, "nonce", "the document answers another nonce"));
        }
        let (created, expires) = (time(&document.time_stamp.created_on)?, time(&document.time_stamp.expires_on)?);
        if created > later(now, LEEWAY) {
            return Err(refused(
                KIND,
                "not-yet",
                format!("the document was made at {created}, and now it is only {now}"),
            ));
        }
        if now >= later(expires, LEEWAY) {
            return Err(refused(KIND, "expired", format!("the document expired at {expires}, and now it is {now}")));
        }
        let allowed = |subscriptions: &Vec<String>| subscriptions.contains(&document.subscription_id);
        let Some((tenant, _)) = self.tenants.iter().find(|(_, subscriptions)| allowed(subscriptions)) else {
            let shown = carnet_core::safe_text(&document.subscription_id);
            return Err(refused(KIND, "subscription", format!("subscription {shown} is not allowed")));
        };
        let facts = [
            ("tenant-id", tenant.as_str()),
            ("subscription-id", &document.subscription_id),
            ("vm-id", &document.vm_id),
            ("sku", &document.sku),
        ];
        Ok(Attested {
            kind: KIND,
            path: path(KIND, &[tenant, &document.subscription_id, &document.vm_id])?,
            selectors: selectors(KIND, facts)?,
            once: Once::FirstUse,
        })
    }

    /// The content, if one of the certificates that came along has signed it, leads to our roots and is a signer's. That a
    /// certificate leads to a public root says nothing: everybody can have one.
    fn believed<'a>(&self, document: &'a SignedData, now: Timestamp) -> Result<&'a [u8], Error> {
        if document.certificates().len() > MAX_CHAIN {
            return Err(refused(KIND, "form", format!("there are more than {MAX_CHAIN} certificates")));
        }
        let mut certificates = document.certificates().iter().filter_map(|der| Certificate::from_der(der).ok());
        let (signer, content) = certificates
            .find_map(|signer| document.verify(&signer).ok().map(|content| (signer, content)))
            .ok_or_else(|| refused(KIND, "signature", "the document is signed with no certificate that came along"))?;
        let others: Vec<Vec<u8>> = self.intermediates.iter().chain(document.certificates()).cloned().collect();
        verify_path(ChainUsage::Any, signer.der(), &others, &self.roots, now)
            .map_err(|error| refused(KIND, "chain", "the signer's certificate is not believed").because(error))?;
        let common = signer.subject().iter().filter(|(name, _)| name == "CN").map(|(_, value)| value);
        let mut names: Vec<&String> = signer.dns_names().iter().collect();
        if names.is_empty() {
            names = common.collect();
        }
        let known = |name: &&&String| {
            self.signers.iter().any(|signer| {
                name.as_str() == signer || name.strip_suffix(signer.as_str()).is_some_and(|rest| rest.ends_with('.'))
            })
        };
        if names.is_empty() || names.iter().filter(known).count() != names.len() {
            return Err(refused(KIND, "signer", "the signer's certificate is not the metadata service's"));
        }
        Ok(content)
    }
}

/// `MM/DD/YY HH:MM:SS -0000`.
fn time(text: &str) -> Result<Timestamp, Error> {
    let bad = || refused(KIND, "form", "a time of the document is not MM/DD/YY HH:MM:SS -0000");
    let text = text.strip_suffix(" -0000").ok_or_else(bad)?;
    let time = civil::DateTime::strptime("%m/%d/%y %H:%M:%S", text).map_err(|_quoting| bad())?;
    let zoned = time.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_range| bad())?;
    Ok(zoned.timestamp())
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.saturating_add(by).unwrap_or(Timestamp::MAX)
}
