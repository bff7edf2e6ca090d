//! How keys are scheduled.

use carnet_core::Mistake;
use carnet_jose::Algorithm;
use carnet_spiffe::TrustDomain;
use jiff::SignedDuration;

use crate::{Purpose, schedule::Schedule};

/// Lifetime of a key unless configured: that of SPIRE's `ca_ttl`.
const DEFAULT_LIFETIME: SignedDuration = SignedDuration::from_hours(24);
/// Shortest lifetime. Below it the ticks of the manager are no longer small beside the parts of a lifetime.
const MIN_LIFETIME: SignedDuration = SignedDuration::from_mins(6);
/// Longest lifetime: a key that lives longer is one that nobody has ever seen rotate.
const MAX_LIFETIME: SignedDuration = SignedDuration::from_hours(24 * 366);
/// Consumers are told to look this often: what they assume anyway (SPIFFE Trust Domain and Bundle, 4.1.2).
const DEFAULT_REFRESH_HINT: SignedDuration = SignedDuration::from_secs(300);
/// A key is published for this many refresh hints before it signs (SPIFFE Federation, 6.1: three to five).
const REFRESH_HINTS_BEFORE_USE: i32 = 5;
/// Keys of one purpose that are published at once when nobody forces anything: one that signs, the one before it, the next.
pub(crate) const PUBLISHED_PER_PURPOSE: usize = 3;
/// Published keys unless configured: some gateways take no more than ten.
const DEFAULT_MAX_PUBLISHED: usize = 10;
/// Most published keys: every consumer fetches all of them, and tries those that fit.
const MOST_PUBLISHED: usize = 100;
/// What tokens are signed with.
const TOKEN_ALGORITHMS: [Algorithm; 4] = [Algorithm::Rs256, Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa];
/// What certificates are signed with.
const CERTIFICATE_ALGORITHMS: [Algorithm; 3] = [Algorithm::Es256, Algorithm::Es384, Algorithm::Rs256];

/// How keys are made and scheduled.
#[derive(Clone, Debug)]
pub struct KeySettings {
    /// Whose keys they are. The certificates of authorities name it.
    pub trust_domain: TrustDomain,
    /// Tokens are signed with these: any of RS256, ES256, ES384, EdDSA.
    pub algorithms: Vec<Algorithm>,
    /// The algorithm of the certificate authority (ES256, ES384 or RS256), or `None` for no authority.
    pub x509_algorithm: Option<Algorithm>,
    /// How long a key lives from the time it is published. The next is published when half of it is left and signs
    /// when a sixth is left; nothing that is signed outlives it.
    pub lifetime: SignedDuration,
    /// A key is published for at least so long before it signs, unless no other can. At most a third of the lifetime.
    pub propagation: SignedDuration,
    /// Most keys of tokens that are published at once, and most authorities.
    pub max_published: usize,
    /// Subject of certificates of authorities, attributes in order, for instance `("O", "carnet")`.
    pub ca_subject: Vec<(&'static str, String)>,
    /// How often consumers are told to fetch the bundle.
    pub refresh_hint: SignedDuration,
}

impl KeySettings {
    /// The defaults: 24 hours, a certificate authority with ES256.
    pub fn new(trust_domain: TrustDomain, algorithms: Vec<Algorithm>) -> Self {
        let max_published = DEFAULT_MAX_PUBLISHED.max(algorithms.len().saturating_mul(PUBLISHED_PER_PURPOSE + 1));
        Self {
            trust_domain,
            algorithms,
            x509_algorithm: Some(Algorithm::Es256),
            lifetime: DEFAULT_LIFETIME,
            propagation: DEFAULT_REFRESH_HINT.saturating_mul(REFRESH_HINTS_BEFORE_USE),
            max_published,
            ca_subject: vec![("O", "carnet".to_owned())],
            refresh_hint: DEFAULT_REFRESH_HINT,
        }
    }

    /// Looks at everything.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn check(&self) -> Result<(), Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let mut mistake = |field: &str, text: String| mistakes.push(Mistake::new(field, text));
        if self.algorithms.is_empty() && self.x509_algorithm.is_none() {
            mistake("algorithms", "there is neither an algorithm for tokens nor one for certificates".to_owned());
        }
        for (place, algorithm) in self.algorithms.iter().enumerate() {
            if !TOKEN_ALGORITHMS.contains(algorithm) {
                mistake("algorithms", format!("keys are made for RS256, ES256, ES384 and EdDSA, not for {algorithm}"));
            }
            if self.algorithms.iter().take(place).any(|earlier| earlier == algorithm) {
                mistake("algorithms", format!("{algorithm} is named twice"));
            }
        }
        if let Some(algorithm) = self.x509_algorithm.filter(|algorithm| !CERTIFICATE_ALGORITHMS.contains(algorithm)) {
            mistake(
                "x509_algorithm",
                format!("certificates are signed with ES256, ES384 or RS256, not with {algorithm}"),
            );
        }
        if self.x509_algorithm.is_some() && self.ca_subject.is_empty() {
            mistake("ca_subject", "the subject of a certificate authority is not empty (RFC 5280, 4.1.2.6)".to_owned());
        }
        if self.lifetime < MIN_LIFETIME || self.lifetime > MAX_LIFETIME {
            let seconds = self.lifetime.as_secs();
            mistake("lifetime", format!("a key lives between 6 minutes and 366 days, not {seconds} seconds"));
        }
        if self.propagation.is_negative() || self.propagation > self.lifetime / 3 {
            let (propagation, third) = (self.propagation.as_secs(), (self.lifetime / 3).as_secs());
            mistake(
                "propagation",
                format!(
                    "{propagation} seconds are not between 0 and a third of the lifetime, which is {third} seconds"
                ),
            );
        }
        if self.refresh_hint < SignedDuration::from_secs(1) {
            mistake("refresh_hint", "consumers cannot look more than once a second".to_owned());
        }
        let least = self.algorithms.len().max(1).saturating_mul(PUBLISHED_PER_PURPOSE);
        if self.max_published < least {
            let text = format!("{} is too few: three keys for each algorithm make {least}", self.max_published);
            mistake("max_published", text);
        }
        if self.max_published > MOST_PUBLISHED {
            mistake("max_published", format!("{} is more than {MOST_PUBLISHED}", self.max_published));
        }
        if mistakes.is_empty() { Ok(()) } else { Err(mistakes) }
    }

    /// What there are keys for.
    pub(crate) fn purposes(&self) -> Vec<Purpose> {
        let certificates = self.x509_algorithm.map(|_| Purpose::X509);
        self.algorithms.iter().copied().map(Purpose::Jwt).chain(certificates).collect()
    }

    pub(crate) fn schedule(&self) -> Schedule {
        Schedule {
            purposes: self.purposes(),
            lifetime: self.lifetime,
            propagation: self.propagation,
            max_published: self.max_published,
        }
    }

    /// The algorithm of a key for this, if there are keys for it.
    pub(crate) fn algorithm(&self, purpose: Purpose) -> Option<Algorithm> {
        match purpose {
            Purpose::Jwt(algorithm) => Some(algorithm),
            Purpose::X509 => self.x509_algorithm,
        }
    }
}
