//! All methods as one.

use std::net::IpAddr;

use carnet_core::{Mistake, Secret};
use carnet_jose::KeySet;
use carnet_trust::{Decision, Grant, Warning};
use jiff::Timestamp;

use super::{
    AwsAuth, AzureAuth, Caller, Checked, ClientSecret, GcpAuth, JwtAuth, KubernetesAuth, OciAuth, OidcAuth, Proven,
    Refused, Review, SignedHeaders, SpiffeAuth, TokenSettings, UniversalAuth, User, networks::allows, refused::Why,
};

/// The text for a caller from elsewhere (`lib/ip`).
pub(super) const ADDRESS: &str = "You are not allowed to access this resource from the current IP address";

/// One auth method of an identity.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named like its type")]
pub enum Method {
    Aws(AwsAuth),
    Azure(AzureAuth),
    Gcp(GcpAuth),
    Jwt(JwtAuth),
    Kubernetes(KubernetesAuth),
    Oci(OciAuth),
    Oidc(OidcAuth),
    Spiffe(SpiffeAuth),
    Universal(UniversalAuth),
}

/// What was shown, and what others say of it.
#[derive(Clone, Copy, Debug)]
pub enum Proof<'a> {
    /// AWS's answer to the signed request.
    Caller(&'a Caller),
    /// The client secret that what was shown is, if it is one; and from where.
    ClientSecret {
        /// The secret.
        found: Option<&'a ClientSecret>,
        /// The caller's address.
        peer: IpAddr,
    },
    /// The cluster's answer.
    Review(&'a Review),
    /// A token, and the keys that the method names.
    Token {
        /// The token. Not kept in any answer.
        token: &'a Secret,
        /// The keys; none where the method holds them itself.
        keys: &'a KeySet,
    },
    /// Oracle's answer to the signed request.
    User {
        /// The headers that were signed.
        headers: &'a SignedHeaders<'a>,
        /// The user that was claimed.
        user_ocid: &'a str,
        /// The answer.
        user: &'a User,
    },
}

/// The whole question at once: does this proof log in by this method of this identity?
pub fn evaluate(identity_id: &str, method: &Method, proof: &Proof<'_>, now: Timestamp) -> Decision {
    match method.decide(identity_id, proof, now) {
        Ok(proven) => Decision::Allow(method.grant(identity_id, proven, now)),
        Err(refused) => Decision::Refuse(refused.refusal),
    }
}

impl Method {
    /// The names of all: part of the path, and the two words by which the refusal of an absent one calls it.
    const NAMES: [(&'static str, &'static str, &'static str); 9] = [
        ("aws-auth", "AWS", "AWS auth"),
        ("azure-auth", "Azure", "Azure Auth"),
        ("gcp-auth", "GCP", "GCP auth"),
        ("jwt-auth", "JWT", "JWT auth"),
        ("kubernetes-auth", "Kubernetes", "Kubernetes auth"),
        ("oci-auth", "OCI", "OCI auth"),
        ("oidc-auth", "OIDC", "OIDC auth"),
        ("spiffe-auth", "SPIFFE", "SPIFFE auth"),
        ("universal-auth", "Universal", "Universal auth"),
    ];

    /// Its name in paths and tokens, for instance `oidc-auth`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Aws(_) => "aws-auth",
            Self::Azure(_) => "azure-auth",
            Self::Gcp(_) => "gcp-auth",
            Self::Jwt(_) => "jwt-auth",
            Self::Kubernetes(_) => "kubernetes-auth",
            Self::Oci(_) => "oci-auth",
            Self::Oidc(_) => "oidc-auth",
            Self::Spiffe(_) => "spiffe-auth",
            Self::Universal(_) => "universal-auth",
        }
    }

    /// The refusal for an identity without the method of this name, or for no identity: 404, so that whoever asks learns
    /// which identities there are. `None` when there is no method of this name.
    pub fn absent(name: &str, identity_id: &str) -> Option<Box<Refused>> {
        let (_, begin, end) = Self::NAMES.iter().find(|(known, ..)| *known == name)?;
        let seen = carnet_core::safe_text(identity_id);
        let fix = "check the identity's id, and add the auth method to it";
        let why = Why { clause: "method", seen: &seen, wanted: "an identity with the auth method", fix };
        let text = format!("{begin} auth method not found for identity, did you configure {end}?");
        Some(Refused::not_found(&why, text))
    }

    /// What it says of its tokens.
    pub const fn settings(&self) -> &TokenSettings {
        match self {
            Self::Aws(auth) => &auth.token,
            Self::Azure(auth) => &auth.token,
            Self::Gcp(auth) => &auth.token,
            Self::Jwt(auth) => &auth.token,
            Self::Kubernetes(auth) => &auth.token,
            Self::Oci(auth) => &auth.token,
            Self::Oidc(auth) => &auth.token,
            Self::Spiffe(auth) => &auth.token,
            Self::Universal(auth) => &auth.token,
        }
    }

    /// What a write checks without looking at the network.
    ///
    /// # Errors
    /// The first mistake, since a write answers with one.
    pub fn check(&self) -> Result<(), Mistake> {
        self.settings().check()?;
        match self {
            Self::Jwt(auth) => auth.check(),
            Self::Kubernetes(auth) => auth.check(),
            Self::Oci(auth) => auth.check(),
            Self::Spiffe(auth) => auth.check(),
            Self::Universal(auth) => auth.check(),
            Self::Aws(_) | Self::Azure(_) | Self::Gcp(_) | Self::Oidc(_) => Ok(()),
        }
    }

    /// What there is to say against it although it works.
    pub fn lint(&self) -> Vec<Warning> {
        match self {
            Self::Aws(auth) => auth.lint(),
            Self::Azure(auth) => auth.lint(),
            Self::Gcp(auth) => auth.lint(),
            Self::Jwt(auth) => auth.lint(),
            Self::Kubernetes(auth) => auth.lint(),
            Self::Oci(auth) => auth.lint(),
            Self::Oidc(auth) => auth.lint(),
            Self::Spiffe(auth) => auth.lint(),
            Self::Universal(auth) => auth.lint(),
        }
    }

    /// Whether the proof logs in.
    ///
    /// # Errors
    /// The first clause that fails; `proof` when it is not one for this method.
    pub fn decide(&self, identity_id: &str, proof: &Proof<'_>, now: Timestamp) -> Checked<Proven> {
        match (self, *proof) {
            (Self::Aws(auth), Proof::Caller(caller)) => auth.decide(caller),
            (Self::Azure(auth), Proof::Token { token, keys }) => auth.decide(token, keys, now),
            (Self::Gcp(auth), Proof::Token { token, keys }) => auth.decide(identity_id, token, keys, now),
            (Self::Jwt(auth), Proof::Token { token, keys }) => auth.decide(token, keys, now),
            (Self::Kubernetes(auth), Proof::Review(review)) => auth.decide(review),
            (Self::Oci(auth), Proof::User { headers, user_ocid, user }) => {
                OciAuth::destination(headers, user_ocid)?;
                auth.decide(user, user_ocid)
            }
            (Self::Oidc(auth), Proof::Token { token, keys }) => auth.decide(token, keys, now),
            (Self::Spiffe(auth), Proof::Token { token, keys }) => auth.decide(token, keys, now),
            (Self::Universal(auth), Proof::ClientSecret { found, peer }) => {
                auth.admit(peer, None, now)?;
                UniversalAuth::decide(found, now)
            }
            _ => {
                let fix = "show what the method wants";
                let why = Why { clause: "proof", seen: "another proof", wanted: self.name(), fix };
                Err(Refused::unworded(&why))
            }
        }
    }

    /// What a login with this proof grants.
    pub fn grant(&self, identity_id: &str, proven: Proven, now: Timestamp) -> Grant {
        let mut attributes = proven.attributes;
        attributes.insert("subject".to_owned(), proven.principal);
        attributes.insert("auth-method".to_owned(), self.name().to_owned());
        let mut warnings = self.lint();
        warnings.extend(proven.warnings);
        Grant {
            principal: identity_id.to_owned(),
            lifetime: Some(self.settings().life(now, now)),
            attributes,
            held: proven.held,
            warnings,
        }
    }

    /// Whether a token of this method may be used from there. Checked at every use.
    ///
    /// # Errors
    /// 403, clause `address`.
    pub fn check_address(&self, peer: IpAddr) -> Checked<()> {
        if allows(&self.settings().access_token_trusted_ips, peer) {
            return Ok(());
        }
        let fix = "call from one of the networks in `accessTokenTrustedIps` of the auth method";
        let why = Why { clause: "address", seen: &peer.to_string(), wanted: "a trusted network", fix };
        Err(Refused::forbidden(&why, ADDRESS))
    }
}
