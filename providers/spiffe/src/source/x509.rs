//! An X509-SVID with its private key.

use carnet_core::{Context, Credential, Error, Found, Material, SecretBytes, X509Identity};
use carnet_grpc::X509Svid;
use carnet_jose::SigningKey;
use carnet_x509::{Certificate, X509Error, split_der};

use super::{Offered, Spiffe, connect, malformed};
use crate::{Bundle, BundleMap, IdError, SpiffeId, verify_x509_svid};

impl Offered for X509Svid {
    fn spiffe_id(&self) -> &str {
        &self.spiffe_id
    }

    fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

pub(super) async fn find(config: &Spiffe, endpoint: &str, context: &Context) -> Result<Found, Error> {
    let svid = config.pick(connect(endpoint).await?.fetch_x509_svid().await?.svids)?;
    let id: SpiffeId =
        svid.spiffe_id.parse().map_err(|error: IdError| malformed("SPIFFE ID of an X509-SVID", error))?;
    let chain = split_der(&svid.certificates).map_err(|error| malformed("chain of the X509-SVID", error))?;
    let bundle = Bundle::from_der(&id.trust_domain(), &svid.bundle)
        .map_err(|error| malformed("bundle of the X509-SVID", error))?;
    let authorities = bundle.x509_authorities.clone();
    let bundles: BundleMap = [bundle.shared()].into_iter().collect();
    // The agent is believed; this finds out before any server does that an SVID is late or that the clock is wrong.
    let verified = verify_x509_svid(&chain, &bundles, context.now())?;
    if verified != id {
        return Err(Error::unreachable(format!("use the X509-SVID from the agent: it is not {id}'s but {verified}'s"))
            .clause("subject"));
    }
    let leaf = chain.first().map(|leaf| Certificate::from_der(leaf)).transpose();
    let leaf = leaf.map_err(|error| malformed("X509-SVID", error))?;
    // Verifying has made sure that there is one.
    let Some(leaf) = leaf else { return Err(Error::internal("an empty chain was verified")) };
    check_key(&leaf, &svid.private_key).map_err(|error| malformed("private key of the X509-SVID", error))?;
    let identity = X509Identity { chain, private_key: svid.private_key, bundle: authorities };
    let credential = Credential::new(Material::X509(identity))
        .issued_at(leaf.not_before())
        .expires_at(leaf.not_after())
        .fact("principal", id.as_str())
        .fact("trust_domain", id.trust_domain().as_str());
    Ok(Found::credential(credential))
}

/// The key must be that of the leaf (X509-SVID and Workload API do not say so; a server would only say that a handshake
/// failed).
fn check_key(leaf: &Certificate, key: &SecretBytes) -> Result<(), X509Error> {
    let public = leaf.public_key()?;
    let algorithm =
        public.algorithms().next().ok_or_else(|| X509Error("the key signs with no algorithm".to_owned()))?;
    if SigningKey::from_pkcs8(algorithm, key)?.public_spki() == leaf.spki() {
        Ok(())
    } else {
        Err(X509Error("the private key is not the one of the certificate".to_owned()))
    }
}
