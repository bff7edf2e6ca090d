//! The authority's half.

use std::{collections::BTreeMap, path::PathBuf};

use carnet_core::{Context, Error, Mistake};
use carnet_x509::{Certificate, ChainUsage, verify_path};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::Payload;
use crate::{
    Attested, Kind, Once,
    attested::{path, payload, refused, selectors},
    load,
    x509pop::verify::read_chain,
};

const KIND: Kind = Kind::Oci;
/// What the subject of an instance's certificate says of its type.
const INSTANCE: &str = "instance";

/// Which instances are believed.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OciConfig {
    /// PEM files with the certificates that instance certificates lead to, by region, for instance
    /// `eu-frankfurt-1 = "/etc/carnet/oci-fra.pem"`. Oracle publishes none: take `identity/intermediate.pem` and what is
    /// above it from an instance of your own, over a way that you rely on.
    pub roots: BTreeMap<String, PathBuf>,
    /// OCIDs of the tenancies whose instances may be nodes.
    pub tenancies: Vec<String>,
    /// OCIDs of the compartments, if not all of the tenancies may.
    #[serde(default)]
    pub compartments: Option<Vec<String>>,
}

/// See [`OciConfig`].
#[derive(Clone, Debug)]
pub struct OciVerifier {
    roots: BTreeMap<String, Vec<Vec<u8>>>,
    tenancies: Vec<String>,
    compartments: Option<Vec<String>>,
}

impl OciConfig {
    /// What is wrong whatever the files hold.
    pub(crate) fn check(&self, mistakes: &mut Vec<Mistake>) {
        load::not_empty("oci.tenancies", &self.tenancies, "the tenancies", mistakes);
        if let Some(compartments) = &self.compartments {
            load::not_empty("oci.compartments", compartments, "compartments, or leave it out", mistakes);
        }
        if self.roots.is_empty() {
            mistakes.push(Mistake::new("oci.roots", "names no region").hint("name a file of certificates per region"));
        }
    }

    pub(crate) fn load(&self, context: &Context, mistakes: &mut Vec<Mistake>) -> OciVerifier {
        let roots = self.roots.iter().map(|(region, file)| {
            (region.clone(), load::anchors(context, &format!("oci.roots.{region}"), file, mistakes))
        });
        OciVerifier {
            roots: roots.collect(),
            tenancies: self.tenancies.clone(),
            compartments: self.compartments.clone(),
        }
    }
}

impl OciVerifier {
    /// A verifier with these roots by region, DER.
    pub fn new(
        roots: BTreeMap<String, Vec<Vec<u8>>>,
        tenancies: Vec<String>,
        compartments: Option<Vec<String>>,
    ) -> Self {
        Self { roots, tenancies, compartments }
    }

    /// Whether the certificate is an instance's, leads to the roots of its region, its tenancy is allowed, and the nonce was
    /// signed with its key.
    ///
    /// # Errors
    /// The first of these that does not hold.
    pub fn verify(&self, evidence: &Value, nonce: &[u8], now: Timestamp) -> Result<Attested, Error> {
        let Payload { region, certificates, proof } = payload(KIND, evidence)?;
        let (leaf, intermediates) = read_chain(KIND, certificates)?;
        let roots = self.roots.get(&region).ok_or_else(|| {
            let shown = carnet_core::safe_text(&region.chars().take(64).collect::<String>());
            refused(KIND, "region", format!("region {shown:?} is not configured"))
        })?;
        proof.verify(KIND, &leaf, nonce)?;
        // Instance certificates are no TLS certificates: their extended key usage is not looked at.
        verify_path(ChainUsage::Any, leaf.der(), &intermediates, roots, now)
            .map_err(|error| refused(KIND, "chain", "the certificate is not believed").because(error))?;
        let kind = unit(&leaf, "opc-certtype")?;
        if kind != INSTANCE {
            return Err(refused(
                KIND,
                "certificate-type",
                format!("the certificate is of type {kind:?}, not an instance's"),
            ));
        }
        let (tenancy, compartment) = (unit(&leaf, "opc-tenant")?, unit(&leaf, "opc-compartment")?);
        let instance = unit(&leaf, "opc-instance")?;
        if !self.tenancies.contains(&tenancy) {
            return Err(refused(KIND, "tenancy", format!("tenancy {tenancy} is not allowed")));
        }
        if self.compartments.as_ref().is_some_and(|allowed| !allowed.contains(&compartment)) {
            return Err(refused(KIND, "compartment", format!("compartment {compartment} is not allowed")));
        }
        let facts = [
            ("tenancy", tenancy.as_str()),
            ("compartment", &compartment),
            ("instance", &instance),
            ("region", &region),
        ];
        Ok(Attested {
            kind: KIND,
            path: path(KIND, &[&tenancy, &instance])?,
            selectors: selectors(KIND, facts)?,
            once: Once::Again,
        })
    }
}

/// The one organisational unit that begins with `NAME:`. Two of them would be read differently by two readers.
fn unit(leaf: &Certificate, name: &str) -> Result<String, Error> {
    let units = leaf.subject().iter().filter(|(attribute, _)| attribute == "OU");
    let mut values = units.filter_map(|(_, value)| value.strip_prefix(name)?.strip_prefix(':'));
    let plain = |value: &&str| {
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        (1..=255).contains(&value.len()) && value.bytes().all(letter)
    };
    match (values.next().filter(plain), values.next()) {
        (Some(value), None) => Ok(value.to_owned()),
        (_, Some(_)) => Err(refused(KIND, "subject", format!("the subject has two units {name}"))),
        (None, None) => Err(refused(KIND, "subject", format!("the subject has no unit {name}, as instances' have"))),
    }
}
