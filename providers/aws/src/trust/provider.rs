//! OpenID Connect providers and roles.

use std::collections::HashMap;

use jiff::SignedDuration;

use super::{DEFAULT_SESSION, LONGEST_SESSION, TrustPolicy, refuse};
use carnet_trust::Refusal;

/// What every issuer's URL begins with, and what its name in ARNs and condition keys lacks.
const SCHEME: &str = "https://";

/// The issuer that every account knows without a provider of its own ("Available keys for AWS OIDC federation", Google).
const BUILT_IN: &str = "https://accounts.google.com";

/// An OpenID Connect provider of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OidcProvider {
    /// Twelve digits.
    pub account: String,
    /// The issuer's URL as it was given, with `https://`.
    pub url: String,
    /// Audiences that are accepted.
    pub client_ids: Vec<String>,
    /// SHA-1 of certificates, 40 hexadecimal digits each. Only asked when the issuer's chain ends in no public root.
    pub thumbprints: Vec<String>,
}

impl OidcProvider {
    /// Checks the limits of "CreateOpenIDConnectProvider".
    ///
    /// # Errors
    /// The first rule that is broken, with the code `ValidationError` or `InvalidInput`.
    pub fn check(&self) -> Result<(), Box<Refusal>> {
        let no = |clause, seen: String, wanted: &str| {
            Err(refuse(clause, seen, wanted, "InvalidInput", "correct the request; nothing was made"))
        };
        let parsed = url::Url::parse(&self.url);
        // The parser drops blanks, folds the scheme and forgets the port 443; `iss` is compared as it stands.
        let plain = self.url.starts_with(SCHEME) && self.url.chars().all(|c| c.is_ascii_graphic());
        let bare = !self.url.contains(['?', '#']) && is_host(self.name().split('/').next().unwrap_or_default());
        if parsed.is_err() || !plain || !bare || self.url.len() > 255 {
            let wanted = "https, a host name without user and port, no query, at most 255 characters";
            return no("url", carnet_core::safe_text(&self.url), wanted);
        }
        if self.client_ids.len() > 100 || self.client_ids.iter().any(|id| id.is_empty() || id.len() > 255) {
            return no(
                "client-ids",
                format!("{} client ids", self.client_ids.len()),
                "at most 100 of 1 to 255 characters",
            );
        }
        let hexadecimal = |print: &String| print.len() == 40 && print.bytes().all(|byte| byte.is_ascii_hexdigit());
        if self.thumbprints.len() > 5 || !self.thumbprints.iter().all(hexadecimal) {
            return no(
                "thumbprints",
                format!("{} thumbprints", self.thumbprints.len()),
                "at most 5 of 40 hexadecimal digits",
            );
        }
        Ok(())
    }

    /// The provider that no account has to make: Google's. Trust policies name it without an ARN, and as any audience is let
    /// in here, they are to bind it.
    pub fn built_in(issuer: &str) -> Option<Self> {
        (issuer == BUILT_IN).then(|| Self {
            account: String::new(),
            url: BUILT_IN.to_owned(),
            client_ids: Vec::new(),
            thumbprints: Vec::new(),
        })
    }

    /// Whether it is that one.
    pub fn is_built_in(&self) -> bool {
        self.account.is_empty() && self.url == BUILT_IN
    }

    /// The issuer without its scheme: what condition keys and the ARN begin and end with.
    pub fn name(&self) -> &str {
        self.url.strip_prefix(SCHEME).unwrap_or(&self.url)
    }

    /// What trust policies call it: `arn:aws:iam::ACCOUNT:oidc-provider/HOST/PATH`, or the name of the one that is built in.
    pub fn arn(&self) -> String {
        if self.is_built_in() {
            return self.name().to_owned();
        }
        format!("arn:aws:iam::{}:oidc-provider/{}", self.account, self.name())
    }
}

/// Whether a text is a host name and nothing more: no user, no port, no backslash that a parser takes for a slash.
fn is_host(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

/// Providers by account and issuer, so that one is found in the same time however many there are.
#[derive(Clone, Debug, Default)]
pub struct Providers(HashMap<(String, String), OidcProvider>);

impl Providers {
    /// Adds one; `false` when the account has one for this issuer already (`EntityAlreadyExists`).
    pub fn insert(&mut self, provider: OidcProvider) -> bool {
        let key = (provider.account.clone(), provider.name().to_owned());
        if self.0.contains_key(&key) {
            return false;
        }
        self.0.insert(key, provider);
        true
    }

    /// The account's provider for this `iss`: the whole URL, byte for byte. An issuer without its scheme is another one.
    pub fn find(&self, account: &str, issuer: &str) -> Option<&OidcProvider> {
        self.named(account, issuer.strip_prefix(SCHEME)?)
    }

    /// The account's provider whose ARN ends with this name.
    pub fn named(&self, account: &str, name: &str) -> Option<&OidcProvider> {
        self.0.get(&(account.to_owned(), name.to_owned()))
    }

    /// Takes the one away whose ARN ends with this name.
    pub fn remove(&mut self, account: &str, name: &str) -> Option<OidcProvider> {
        self.0.remove(&(account.to_owned(), name.to_owned()))
    }

    /// All of an account.
    pub fn of_account<'a>(&'a self, account: &'a str) -> impl Iterator<Item = &'a OidcProvider> {
        self.0.values().filter(move |provider| provider.account == account)
    }
}

/// A role, as far as who may become it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// `arn:aws:iam::ACCOUNT:role/PATH/NAME`.
    pub arn: String,
    /// Who may become it.
    pub trust: TrustPolicy,
    /// Longest session; one hour unless the role says more, up to 12.
    pub max_session: SignedDuration,
}

impl Role {
    /// A role with the usual longest session.
    pub fn new(arn: impl Into<String>, trust: TrustPolicy) -> Self {
        Self { arn: arn.into(), trust, max_session: DEFAULT_SESSION }
    }

    /// The account in the ARN; empty when it is none.
    pub fn account(&self) -> &str {
        self.arn.split(':').nth(4).unwrap_or_default()
    }

    /// The name without path.
    pub fn name(&self) -> &str {
        self.arn.rsplit('/').next().unwrap_or_default()
    }

    /// The ARN of a session: the path is not in it.
    pub fn session_arn(&self, session_name: &str) -> String {
        format!("arn:aws:sts::{}:assumed-role/{}/{session_name}", self.account(), self.name())
    }

    /// The longest session within AWS's own bounds.
    pub fn longest(&self) -> SignedDuration {
        self.max_session.clamp(DEFAULT_SESSION, LONGEST_SESSION)
    }
}
