//! Whose store it is: a store is of one trust domain, from its first start on.

use carnet_core::{Context, Error};
use carnet_spiffe::{SpiffeId, TrustDomain};
use carnet_store::{AuditRecord, Outcome, Store, settle};
use carnet_x509::Certificate;
use serde_json::{Value, json};

/// The setting that holds it.
const SETTING: &str = "trust-domain";
const MEMBER: &str = "trust_domain";

/// Makes sure that the store is of this trust domain. One that says nothing of it yet is from now on.
///
/// Under another name its keys would go on with certificates that name the old one, and its entries would give identities that
/// nobody takes.
///
/// # Errors
/// When it is of another.
pub(crate) async fn check_belongs(store: &dyn Store, own: &TrustDomain, context: &Context) -> Result<(), Error> {
    let refused = |other: &TrustDomain| {
        Error::configuration(format!("open the store: it is of the trust domain {other}, and this authority of {own}"))
            .clause("trust_domain")
            .hint(format!(
                "a trust domain keeps its name: set `trust_domain = \"{other}\"`, or `--trust-domain {other}` with \
                 `--dev`; or give {own} a store of its own"
            ))
    };
    if let Some(other) = owner(store, Some(own)).await?.filter(|there| there != own) {
        return Err(refused(&other));
    }
    let record = AuditRecord {
        actor: "authority".to_owned(),
        subject: own.id().to_string(),
        ..AuditRecord::new(context.now(), "store.trust-domain", Outcome::Allowed)
    };
    // Another authority may have been first.
    let there = read(&settle(store, SETTING, json!({ MEMBER: own.as_str() }), record).await?)?;
    if there == *own { Ok(()) } else { Err(refused(&there)) }
}

/// The trust domain that the store is of, if anything in it says so. A store from before that was written down says it with the
/// certificates of its keys; where those are of several, with `preferred` before all others.
///
/// # Errors
/// When the store cannot be read.
pub(crate) async fn owner(store: &dyn Store, preferred: Option<&TrustDomain>) -> Result<Option<TrustDomain>, Error> {
    let setting = store.object(carnet_store::ObjectKind::Setting, SETTING.to_owned()).await?;
    if let Some(setting) = setting {
        return read(&setting.body).map(Some);
    }
    let certificates = store.keys().await?.into_iter().filter_map(|row| row.certificate.into_iter().next());
    let named: Vec<TrustDomain> = certificates.filter_map(|der| named_in(&der)).collect();
    Ok(preferred.filter(|own| named.contains(own)).cloned().or_else(|| named.into_iter().next()))
}

/// Of an authority's certificate: its SPIFFE ID is the trust domain's (X509-SVID, 3.2).
fn named_in(der: &[u8]) -> Option<TrustDomain> {
    let uris = Certificate::from_der(der).ok()?.uris();
    uris.iter().find_map(|uri| uri.parse::<SpiffeId>().ok()).map(|id| id.trust_domain())
}

fn read(body: &Value) -> Result<TrustDomain, Error> {
    let name = body.get(MEMBER).and_then(Value::as_str).unwrap_or_default();
    TrustDomain::try_from(name).map_err(|error| {
        Error::configuration(format!("read the setting {SETTING} in the store"))
            .because(error)
            .hint("restore the store from a copy")
    })
}
