//! Does this token log in by that role?

use std::net::IpAddr;

use carnet_jose::{Algorithm, Claims, JwtClause, KeySet, Rules, UnverifiedJwt, verify_jwt};
use carnet_trust::{Decision, Grant, Refusal};
use jiff::{SignedDuration, Timestamp};

use super::{
    claims,
    config::{CheckedConfig, KeyOrigin},
    identity::{self, Identity},
    lint, refuse,
    role::CheckedRole,
    times,
};

/// Claims whose names mean something (RFC 7519, 4.1). Another spelling of one is refused (`cap/jwt`, 2026-07).
const REGISTERED: [&str; 7] = ["aud", "exp", "iat", "iss", "jti", "nbf", "sub"];

/// What is asked: this token, at that role, now.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The configuration of the mount, if there is one.
    pub config: Option<&'a CheckedConfig>,
    /// The name of the role as it was asked for: [`role_name`].
    pub role_name: &'a str,
    /// The role of that name, if there is one.
    pub role: Option<&'a CheckedRole>,
    /// The token. Not kept in any answer.
    pub token: &'a carnet_core::Secret,
    /// The caller's address, if it is known.
    pub peer: Option<IpAddr>,
    /// The time.
    pub now: Timestamp,
}

/// A login whose role and form are good; keys are needed now.
#[derive(Debug)]
pub struct Admitted<'a> {
    config: &'a CheckedConfig,
    role: &'a CheckedRole,
    token: UnverifiedJwt,
    now: Timestamp,
}

/// An identity, and what there is to say about it.
#[derive(Clone, Debug)]
pub struct Login {
    /// Who the token has become.
    pub identity: Identity,
    /// The decision's grant.
    pub grant: Grant,
}

/// The whole question at once. `keys` are the issuer's, or `None` when they could not be fetched; a configuration with
/// keys of its own uses those.
pub fn evaluate(question: &Question<'_>, keys: Option<&KeySet>) -> Decision {
    match question.admit().and_then(|admitted| admitted.decide(keys)) {
        Ok(login) => Decision::Allow(login.grant),
        Err(refusal) => Decision::Refuse(*refusal),
    }
}

/// The role that a login means: the one it names, or the default, in lower case.
///
/// # Errors
/// The clauses `method` (no configuration) and `role` (neither).
pub fn role_name(config: Option<&CheckedConfig>, asked: &str) -> Result<String, Box<Refusal>> {
    let config = configured(config)?;
    let name = if asked.is_empty() { config.config().default_role.as_str() } else { asked };
    if name.is_empty() {
        let fix = "name the role in the login, or set `default_role` in the configuration of the mount";
        return Err(refuse("role", "no role", "a role", "missing role", fix));
    }
    Ok(name.to_ascii_lowercase())
}

/// The HTTP status that goes with a refusal: 403 for an address, else 400.
pub fn status(refusal: &Refusal) -> u16 {
    if refusal.clause == "address" { 403 } else { 400 }
}

fn configured(config: Option<&CheckedConfig>) -> Result<&CheckedConfig, Box<Refusal>> {
    config.ok_or_else(|| {
        let fix = "write the configuration of the mount: where the issuer's keys are";
        refuse("method", "no configuration", "a configuration", "could not load configuration", fix)
    })
}

impl<'a> Question<'a> {
    /// Everything that is decided before keys are looked at, in the order of the product: configuration, role, token,
    /// address, form.
    ///
    /// # Errors
    /// The first clause that fails.
    pub fn admit(&self) -> Result<Admitted<'a>, Box<Refusal>> {
        let mut held = Vec::new();
        self.admit_noting(&mut held).map_err(|mut refusal| {
            refusal.held = held;
            refusal
        })
    }

    fn admit_noting(&self, held: &mut Vec<&'static str>) -> Result<Admitted<'a>, Box<Refusal>> {
        let config = configured(self.config)?;
        held.push("method");
        let name = role_name(Some(config), self.role_name)?;
        let Some(role) = self.role else {
            let text = format!("role {name:?} could not be found");
            let fix = "create the role, or name another; roles belong to a mount and a namespace";
            return Err(refuse("role", carnet_core::safe_text(&name), "a role of this mount", text, fix));
        };
        if !role.is_jwt() {
            let text = "role with oidc role_type is not allowed";
            let fix = "set `role_type` of the role to `jwt`: the default is the login by browser";
            return Err(refuse("role-type", "oidc", "jwt", text, fix));
        }
        held.push("role");
        if self.token.is_empty() {
            return Err(refuse("form", "no token", "a signed JWT", "missing token", FORM_FIX));
        }
        if !role.allows_address(self.peer) {
            let seen = self.peer.map_or_else(|| "not known".to_owned(), |peer| peer.to_string());
            let fix = "log in from one of the networks in `token_bound_cidrs` of the role, or widen them";
            return Err(refuse("address", seen, role.role().token_bound_cidrs.join(", "), "permission denied", fix));
        }
        held.push("address");
        let token = UnverifiedJwt::parse(self.token.expose()).map_err(|error| {
            let text = "error validating token: error verifying token signature: malformed token";
            refuse("form", error.to_string(), "a signed JWT", text, FORM_FIX)
        })?;
        held.push("form");
        Ok(Admitted { config, role, token, now: self.now })
    }
}

impl<'a> Admitted<'a> {
    /// The configuration whose keys are needed.
    pub fn config(&self) -> &'a CheckedConfig {
        self.config
    }

    /// The role.
    pub fn role(&self) -> &'a CheckedRole {
        self.role
    }

    /// The key that the token names, unverified: whether keys that are known already will do.
    pub fn unverified_kid(&self) -> Option<&str> {
        self.token.unverified_kid()
    }

    /// Signature, claims, times, identity, bound claims, in the order of the product. `keys` as in [`evaluate`].
    ///
    /// # Errors
    /// The first clause that fails.
    pub fn decide(&self, keys: Option<&KeySet>) -> Result<Login, Box<Refusal>> {
        let mut held = vec!["method", "role", "address", "form"];
        match self.decide_noting(keys, &mut held) {
            Ok(mut login) => {
                login.grant.held = held;
                Ok(login)
            }
            Err(mut refusal) => {
                refusal.held = held;
                Err(refusal)
            }
        }
    }

    fn decide_noting(&self, keys: Option<&KeySet>, held: &mut Vec<&'static str>) -> Result<Login, Box<Refusal>> {
        let claims = self.verify(keys)?;
        held.push("signature");
        check_names(&claims)?;
        self.check_algorithm()?;
        held.push("algorithm");
        self.check_issuer(&claims)?;
        held.push("issuer");
        self.check_subject(&claims)?;
        held.push("subject");
        let audiences = claims.audiences();
        self.check_audience(&audiences)?;
        held.push("audience");
        times::check(&claims, self.role.leeways(), self.now)?;
        held.push("times");
        self.check_audience_is_bound(&claims)?;
        let identity = identity::map(&claims, self.role)?;
        held.push("identity");
        claims::check(&claims, self.role)?;
        held.push("bound-claims");
        let mut warnings = lint::lint_config(self.config);
        warnings.extend(lint::lint_role(self.role));
        warnings.extend(lint::lint_token(&claims, self.role));
        let mut attributes = identity.metadata.clone();
        if !identity.groups.is_empty() {
            attributes.insert("groups".to_owned(), identity.groups.join(", "));
        }
        let policies: Vec<String> = self.role.policies().into_iter().collect();
        attributes.insert("policies".to_owned(), policies.join(", "));
        let grant = Grant {
            principal: identity.alias.clone(),
            lifetime: Some(self.role.lifetime()),
            attributes,
            held: Vec::new(),
            warnings,
        };
        Ok(Login { identity, grant })
    }

    /// Only the signature: issuer, audience and times follow in the product's own order and with its own tolerance.
    fn verify(&self, keys: Option<&KeySet>) -> Result<Claims, Box<Refusal>> {
        let own = match self.config.keys() {
            KeyOrigin::Static(keys) => Some(keys),
            KeyOrigin::Discovery(_) | KeyOrigin::Sets(_) | KeyOrigin::Kubernetes => None,
        };
        let Some(keys) = own.or(keys) else {
            let fix = "make the issuer's key set reachable from the server, with a certificate that it trusts \
                       (`oidc_discovery_ca_pem`, `jwks_ca_pem`)";
            return Err(refuse("keys", "no keys of the issuer", "its key set", SIGNATURE_TEXT, fix));
        };
        if let KeyOrigin::Sets(sets) = self.config.keys()
            && sets.len() > 1
        {
            self.check_key_id(keys)?;
        }
        let rules = Rules {
            issuer: None,
            audiences: None,
            algorithms: &Algorithm::ALL,
            leeway: SignedDuration::MAX,
            require_expiry: false,
            max_lifetime: None,
            types: &[],
        };
        match verify_jwt(&self.token, keys, &rules, self.now) {
            Ok(verified) => Ok(verified.claims().clone()),
            Err(error) => {
                let (clause, fix) = match error.clause {
                    JwtClause::Key => {
                        ("key", "let the server read the issuer's current keys: write the configuration again")
                    }
                    JwtClause::Signature => {
                        ("signature", "take a token of the issuer whose keys this mount has, unchanged")
                    }
                    JwtClause::Header => (
                        "header",
                        "let the issuer sign with RS, PS, ES or EdDSA, and leave `crit`, `jku`, `x5u`, `jwk` out",
                    ),
                    _ => ("form", FORM_FIX),
                };
                let text = if own.is_some() { STATIC_SIGNATURE_TEXT } else { SIGNATURE_TEXT };
                let wanted = error.wanted.clone().unwrap_or_else(|| "a signature by the issuer".to_owned());
                Err(refuse(clause, carnet_core::safe_text(&error.to_string()), wanted, text, fix))
            }
        }
    }

    /// Several key sets are told apart by the id of the key (Vault, `jwks_pairs`).
    fn check_key_id(&self, keys: &KeySet) -> Result<(), Box<Refusal>> {
        let fix = "let the issuer put the `kid` of a published key into the header";
        let Some(kid) = self.token.unverified_kid() else {
            let text = "error validating token: token missing kid header parameter";
            return Err(refuse("key", "no `kid`", "a `kid` in the header", text, fix));
        };
        if keys.iter().any(|key| key.kid() == Some(kid)) {
            return Ok(());
        }
        let kid = carnet_core::safe_text(kid);
        let text = format!("error validating token: no key found with kid {kid} in any JWKS endpoint");
        Err(refuse("key", kid, "the id of a published key", text, fix))
    }

    fn check_algorithm(&self) -> Result<(), Box<Refusal>> {
        let seen = self.token.unverified_alg();
        let accepted = self.config.algorithms();
        if accepted.iter().any(|algorithm| algorithm.name() == seen) {
            return Ok(());
        }
        let wanted: Vec<&str> = accepted.iter().map(|algorithm| algorithm.name()).collect();
        let text =
            "error validating token: invalid algorithm (alg) header parameter: token signed with unexpected algorithm";
        let fix = "add the algorithm to `jwt_supported_algs` of the mount, or let the issuer sign with another";
        Err(refuse("algorithm", carnet_core::safe_text(seen), wanted.join(", "), text, fix))
    }

    fn check_issuer(&self, claims: &Claims) -> Result<(), Box<Refusal>> {
        let Some(wanted) = self.config.issuer() else { return Ok(()) };
        let seen = claims.str("iss");
        if seen == Some(wanted) {
            return Ok(());
        }
        let seen = carnet_core::safe_text(seen.unwrap_or("none"));
        let fix =
            "set `bound_issuer` of the mount to the claim `iss`, character by character; a slash at the end counts";
        Err(refuse("issuer", seen, wanted, "error validating token: invalid issuer (iss) claim", fix))
    }

    fn check_subject(&self, claims: &Claims) -> Result<(), Box<Refusal>> {
        let wanted = self.role.role().bound_subject.as_str();
        let seen = claims.str("sub");
        if wanted.is_empty() || seen == Some(wanted) {
            return Ok(());
        }
        let seen = carnet_core::safe_text(seen.unwrap_or("none"));
        let fix = "set `bound_subject` of the role to the claim `sub`; it knows no `*`: for a pattern use `bound_claims` \
                   {\"sub\": …} with `bound_claims_type` `glob`";
        Err(refuse("subject", seen, wanted, "error validating token: invalid subject (sub) claim", fix))
    }

    fn check_audience(&self, seen: &[&str]) -> Result<(), Box<Refusal>> {
        let bound = &self.role.role().bound_audiences;
        if bound.is_empty() || seen.iter().any(|seen| bound.iter().any(|bound| bound == seen)) {
            return Ok(());
        }
        let text =
            "error validating token: invalid audience (aud) claim: audience claim does not match any expected audience";
        let fix =
            "ask the issuer for a token with a wanted audience, or add the one seen to `bound_audiences` of the role";
        Err(refuse("audience", carnet_core::safe_text(&seen.join(", ")), bound.join(", "), text, fix))
    }

    /// An audience that nobody bound is refused, whether it is a text or a list (CVE-2024-5798).
    fn check_audience_is_bound(&self, claims: &Claims) -> Result<(), Box<Refusal>> {
        let seen = claims.audiences();
        if seen.is_empty() || !self.role.role().bound_audiences.is_empty() {
            return Ok(());
        }
        let text = "audience claim found in JWT but no audiences bound to the role";
        let fix = "set `bound_audiences` of the role to the audience that tokens for this server have";
        Err(refuse(
            "audience",
            carnet_core::safe_text(&seen.join(", ")),
            "no audience, as the role binds none",
            text,
            fix,
        ))
    }
}

const FORM_FIX: &str = "send the token as the issuer gave it, one line without a line end";
const SIGNATURE_TEXT: &str =
    "error validating token: error verifying token signature: failed to verify id token signature";
const STATIC_SIGNATURE_TEXT: &str =
    "error validating token: error verifying token signature: no known key successfully validated the token signature";

/// A claim that is a registered one but for its spelling would be read by one library and not by the next.
fn check_names(claims: &Claims) -> Result<(), Box<Refusal>> {
    // The long s is the only other letter that folds to one in these names (Unicode, CaseFolding.txt).
    let folded = |name: &str| name.replace('ſ', "s").to_ascii_lowercase();
    let odd = claims
        .0
        .keys()
        .find(|name| !REGISTERED.contains(&name.as_str()) && REGISTERED.contains(&folded(name).as_str()));
    let Some(odd) = odd else { return Ok(()) };
    let wanted = folded(odd);
    let text = format!("error validating token: claim {odd:?} is a case variant of registered claim {wanted:?}");
    let fix = "let the issuer write registered claims in lower case, once each";
    Err(refuse("claim-name", carnet_core::safe_text(odd), wanted, text, fix))
}
