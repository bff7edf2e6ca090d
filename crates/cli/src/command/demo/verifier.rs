//! Somebody who is not the issuer and is shown an SVID. All that is known of the issuer is its URL, and for certificates the
//! address of its bundle.

use std::sync::{Mutex, PoisonError};

use carnet_core::{Context, Credential, Destination, Error, Material, Request, Secret};
use carnet_jose::{Algorithm, CacheLimits, CachedKeySets, KeySource, Rules, UnverifiedJwt, verify_jwt};
use carnet_spiffe::{Bundle, BundleMap, TrustDomain, verify_x509_svid};
use jiff::SignedDuration;

use super::{
    calls::Called,
    domain::{AUDIENCE, Domain},
};

/// What JWT-SVIDs of our authority are signed with (JWT-SVID, 2.1).
const ALGORITHMS: [Algorithm; 3] = [Algorithm::Es256, Algorithm::Rs256, Algorithm::Es384];
const SOURCE: KeySource = KeySource::Discovery(Destination::Configured);

/// The verifier.
pub(super) struct Verifier {
    context: Context,
    issuer: String,
    keys: Mutex<CachedKeySets>,
}

/// What it believes.
pub(super) struct Believed {
    pub(super) subject: String,
    pub(super) algorithm: Algorithm,
    pub(super) kid: String,
}

impl Verifier {
    /// One that trusts this issuer, and has not looked at its keys yet.
    pub(super) fn new(issuer: &str, context: &Context) -> Self {
        let keys = Mutex::new(CachedKeySets::new(context.clone(), CacheLimits::default()));
        Self { context: context.clone(), issuer: issuer.to_owned(), keys }
    }

    /// Looks at the issuer's keys again at the next token, as verifiers do every few minutes. Nobody waits for that here.
    pub(super) fn look_again(&self) {
        let fresh = CachedKeySets::new(self.context.clone(), CacheLimits::default());
        *self.keys.lock().unwrap_or_else(PoisonError::into_inner) = fresh;
    }

    /// Whether the issuer publishes this key, as far as is known.
    pub(super) async fn knows(&self, kid: &str) -> Result<bool, Error> {
        let keys = self.kept().keys(&self.issuer, &SOURCE, Some(kid)).await?;
        Ok(keys.iter().any(|key| key.kid() == Some(kid)))
    }

    /// Verifies a JWT-SVID through the discovery document of its issuer.
    pub(super) async fn verify(&self, token: &Secret) -> Result<Believed, Error> {
        let token = UnverifiedJwt::parse(token.expose())?;
        let keys = self.kept().keys(&self.issuer, &SOURCE, token.unverified_kid()).await?;
        let rules = Rules {
            issuer: Some(&self.issuer),
            audiences: Some(&[AUDIENCE]),
            algorithms: &ALGORITHMS,
            leeway: SignedDuration::from_secs(30),
            require_expiry: true,
            max_lifetime: None,
            types: &["JWT"],
        };
        let verified = verify_jwt(&token, &keys, &rules, self.context.now())?;
        Ok(Believed {
            subject: verified.claims().str("sub").unwrap_or_default().to_owned(),
            algorithm: verified.algorithm(),
            kid: verified.kid().unwrap_or_default().to_owned(),
        })
    }

    fn kept(&self) -> CachedKeySets {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Shows an SVID to a verifier: it must see the identity that the credential is said to be.
pub(super) async fn show(domain: &Domain, context: &Context, credential: &Credential) -> Result<Called, Error> {
    let said = credential.facts.get("principal").or_else(|| credential.facts.get("subject")).cloned();
    let (path, seen, how) = match &credential.material {
        Material::Jwt(token) => {
            let believed = Verifier::new(&domain.issuer, context).verify(token).await?;
            let how = format!("its {} key was found by discovery", believed.algorithm);
            ("/.well-known/openid-configuration", believed.subject, how)
        }
        Material::X509(identity) => {
            let bundle = bundle(domain, context).await?;
            let bundles = BundleMap::from_iter([bundle.shared()]);
            let seen = verify_x509_svid(&identity.chain, &bundles, context.now())?;
            ("/spiffe-bundle", seen.to_string(), "its chain leads to an authority of the bundle".to_owned())
        }
        _ => return Err(Error::internal(format!("verify a credential of kind {}", credential.kind()))),
    };
    if said.as_ref() != Some(&seen) {
        return Err(Error::internal(format!("see {}: the verifier sees {seen}", said.unwrap_or_default())));
    }
    let url = format!("{}{path}", domain.issuer);
    Ok(Called { method: "GET".to_owned(), url, status: 200, answer: format!("believed {seen}: {how}") })
}

async fn bundle(domain: &Domain, context: &Context) -> Result<Bundle, Error> {
    let url = format!("{}/spiffe-bundle", domain.issuer);
    let url = url.parse().map_err(|error| Error::internal("name the bundle").because(error))?;
    let response = context.http.send(Request::get(url).destination(Destination::Configured)).await?;
    let name: &TrustDomain = &domain.name;
    Bundle::parse(name, response.body.expose()).map_err(|error| Error::unreachable("read the bundle").because(error))
}
