//! The authority's half.

use std::{collections::BTreeMap, path::PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use carnet_core::{Context, Error, Mistake};
use carnet_x509::Certificate;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::Payload;
use crate::{
    Attested, Kind, Once,
    attested::{path, payload, refused, selectors},
    cms::SignedData,
    load,
};

const KIND: Kind = Kind::Aws;

/// Which instances are believed.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AwsConfig {
    /// PEM files with AWS' RSA-2048 certificates for instance identity documents, by region, for instance
    /// `eu-central-1 = "/etc/carnet/aws-eu-central-1.pem"`. AWS publishes them in its user guide.
    pub certificates: BTreeMap<String, PathBuf>,
    /// Numbers of the accounts whose instances may be nodes.
    pub accounts: Vec<String>,
}

/// See [`AwsConfig`].
#[derive(Clone, Debug)]
pub struct AwsVerifier {
    certificates: Vec<(String, Certificate)>,
    accounts: Vec<String>,
}

/// What the document says, as far as it is looked at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    account_id: String,
    region: String,
    instance_id: String,
    #[serde(default)]
    availability_zone: String,
    #[serde(default)]
    image_id: String,
    #[serde(default)]
    instance_type: String,
}

impl AwsConfig {
    /// What is wrong whatever the files hold.
    pub(crate) fn check(&self, mistakes: &mut Vec<Mistake>) {
        load::not_empty("aws.accounts", &self.accounts, "the accounts", mistakes);
        if self.certificates.is_empty() {
            let mistake = Mistake::new("aws.certificates", "names no region");
            mistakes.push(mistake.hint("name a file with AWS' certificate per region"));
        }
    }

    pub(crate) fn load(&self, context: &Context, mistakes: &mut Vec<Mistake>) -> AwsVerifier {
        let mut certificates = Vec::new();
        for (region, file) in &self.certificates {
            let field = format!("aws.certificates.{region}");
            for der in load::anchors(context, &field, file, mistakes) {
                match Certificate::from_der(&der) {
                    Ok(certificate) => certificates.push((region.clone(), certificate)),
                    Err(error) => mistakes.push(Mistake::new(&field, error.to_string())),
                }
            }
        }
        AwsVerifier { certificates, accounts: self.accounts.clone() }
    }
}

impl AwsVerifier {
    /// Whether the document was signed with a key of its region, and its account is allowed.
    ///
    /// # Errors
    /// The first of these that does not hold.
    pub fn verify(&self, evidence: &Value, now: Timestamp) -> Result<Attested, Error> {
        let Payload { rsa2048 } = payload(KIND, evidence)?;
        let text: String = rsa2048.split_ascii_whitespace().collect();
        let der = STANDARD.decode(text).map_err(|_quoting| refused(KIND, "form", "the document is not base64"))?;
        let signed = SignedData::parse(&der)
            .map_err(|error| refused(KIND, "form", "the document cannot be read").because(error))?;
        let mut believed = self.certificates.iter().filter_map(|(region, signer)| {
            let in_time = signer.not_before() <= now && now <= signer.not_after();
            let content = signed.verify(signer).ok().filter(|_| in_time)?;
            Some((region, content))
        });
        let (region, content) = believed.next().ok_or_else(|| {
            refused(KIND, "signature", "the document is signed with no certificate of a known region")
        })?;
        let document: Document = serde_json::from_slice(content)
            .map_err(|_quoting| refused(KIND, "form", "the signed document is not an instance identity document"))?;
        if document.region != *region {
            return Err(refused(
                KIND,
                "region",
                format!("the document is of another region than {region}, which signed it"),
            ));
        }
        if !self.accounts.contains(&document.account_id) {
            let shown = carnet_core::safe_text(&document.account_id);
            return Err(refused(KIND, "account", format!("account {shown} is not allowed")));
        }
        let facts = [
            ("account-id", document.account_id.as_str()),
            ("region", &document.region),
            ("az", &document.availability_zone),
            ("instance-id", &document.instance_id),
            ("image-id", &document.image_id),
            ("instance-type", &document.instance_type),
        ];
        Ok(Attested {
            kind: KIND,
            path: path(KIND, &[&document.account_id, &document.region, &document.instance_id])?,
            selectors: selectors(KIND, facts)?,
            once: Once::FirstUse,
        })
    }
}
