//! Does this token log in by that role?

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use carnet_jose::{Claims, KeySet};
use carnet_trust::{Decision, Grant, Refusal};
use jiff::Timestamp;

use super::{
    claims,
    config::CheckedConfig,
    identity::{self, Identity},
    lint,
    proof::{self, Expected, Proof},
    refuse,
    role::CheckedRole,
    template,
};

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
    proof: Proof<'a>,
    role: &'a CheckedRole,
}

/// An identity, and what there is to say about it.
#[derive(Clone, Debug)]
pub struct Login {
    /// Who the token has become.
    pub identity: Identity,
    /// The policies of the token.
    pub policies: BTreeSet<String>,
    /// The decision's grant.
    pub grant: Grant,
}

/// The whole question at once. `keys` are the issuer's, or `None` when they could not be fetched; a configuration with
/// keys of its own uses those.
pub fn evaluate(question: &Question<'_>, keys: Option<&KeySet>) -> Decision {
    decision(question.admit().and_then(|admitted| admitted.decide(keys)).map(|login| login.grant))
}

/// The decision that a grant or a refusal is.
pub(super) fn decision(decided: Result<Grant, Box<Refusal>>) -> Decision {
    match decided {
        Ok(grant) => Decision::Allow(grant),
        Err(refusal) => Decision::Refuse(*refusal),
    }
}

/// Decides step by step, beginning with what held before; each step that holds is noted. A refusal says which did; of a success
/// they stand beside it.
///
/// # Errors
/// The first clause that fails.
pub(super) fn noting<T>(
    before: &[&'static str],
    decide: impl FnOnce(&mut Vec<&'static str>) -> Result<T, Box<Refusal>>,
) -> Result<(T, Vec<&'static str>), Box<Refusal>> {
    let mut held = before.to_vec();
    match decide(&mut held) {
        Ok(decided) => Ok((decided, held)),
        Err(mut refusal) => {
            refusal.held = held;
            Err(refusal)
        }
    }
}

/// What a grant tells of a token beside its principal: metadata, policies, groups.
pub(super) fn attributes(
    metadata: &BTreeMap<String, String>,
    policies: &BTreeSet<String>,
    groups: &[String],
) -> BTreeMap<String, String> {
    let mut attributes = metadata.clone();
    attributes.insert("policies".to_owned(), policies.iter().map(String::as_str).collect::<Vec<_>>().join(", "));
    if !groups.is_empty() {
        attributes.insert("groups".to_owned(), groups.join(", "));
    }
    attributes
}

/// The role that a login means: the one it names, or the default, in lower case.
///
/// # Errors
/// The clauses `method` (no configuration) and `role` (neither).
pub fn role_name(config: Option<&CheckedConfig>, asked: &str) -> Result<String, Box<Refusal>> {
    let config = proof::configured(config)?;
    let name = if asked.is_empty() { config.config().default_role.as_str() } else { asked };
    if name.is_empty() {
        let fix = "name the role in the login, or set `default_role` in the configuration of the mount";
        return Err(refuse("role", "no role", "a role", "missing role", fix));
    }
    Ok(name.to_ascii_lowercase())
}

/// The HTTP status that goes with a refusal: 403 for an address, 500 for a template of a policy, else 400.
pub fn status(refusal: &Refusal) -> u16 {
    match refusal.clause {
        "address" => 403,
        "policy-template" => 500,
        _ => 400,
    }
}

impl<'a> Question<'a> {
    /// Everything that is decided before keys are looked at, in the order of the product: configuration, role, token,
    /// address, form.
    ///
    /// # Errors
    /// The first clause that fails.
    pub fn admit(&self) -> Result<Admitted<'a>, Box<Refusal>> {
        noting(&[], |held| self.admit_noting(held)).map(|(admitted, _)| admitted)
    }

    fn admit_noting(&self, held: &mut Vec<&'static str>) -> Result<Admitted<'a>, Box<Refusal>> {
        let config = proof::configured(self.config)?;
        held.push("method");
        let name = role_name(Some(config), self.role_name)?;
        let Some(role) = self.role else {
            return Err(proof::unknown_role(&name));
        };
        if !role.is_jwt() {
            let text = "role with oidc role_type is not allowed";
            let fix = "set `role_type` of the role to `jwt`: the default is the login by browser";
            return Err(refuse("role-type", "oidc", "jwt", text, fix));
        }
        held.push("role");
        proof::present(self.token)?;
        if !role.allows_address(self.peer) {
            let seen = self.peer.map_or_else(|| "not known".to_owned(), |peer| peer.to_string());
            let fix = "log in from one of the networks in `token_bound_cidrs` of the role, or widen them";
            return Err(refuse(
                "address",
                seen,
                role.role().token.token_bound_cidrs.join(", "),
                "permission denied",
                fix,
            ));
        }
        held.push("address");
        let proof = Proof::parse(config, self.token, self.now)?;
        held.push("form");
        Ok(Admitted { proof, role })
    }
}

impl<'a> Admitted<'a> {
    /// The configuration whose keys are needed.
    pub fn config(&self) -> &'a CheckedConfig {
        self.proof.config()
    }

    /// The role.
    pub fn role(&self) -> &'a CheckedRole {
        self.role
    }

    /// The key that the token names, unverified: whether keys that are known already will do.
    pub fn unverified_kid(&self) -> Option<&str> {
        self.proof.unverified_kid()
    }

    /// Signature, claims, times, identity, bound claims, in the order of the product. `keys` as in [`evaluate`].
    ///
    /// # Errors
    /// The first clause that fails.
    pub fn decide(&self, keys: Option<&KeySet>) -> Result<Login, Box<Refusal>> {
        let before = ["method", "role", "address", "form"];
        let (mut login, held) = noting(&before, |held| self.decide_noting(keys, held))?;
        login.grant.held = held;
        Ok(login)
    }

    fn decide_noting(&self, keys: Option<&KeySet>, held: &mut Vec<&'static str>) -> Result<Login, Box<Refusal>> {
        let role = self.role.role();
        let expected = Expected {
            subject: Some(&role.bound_subject),
            audiences: &role.bound_audiences,
            leeways: self.role.leeways(),
        };
        let verified = self.proof.check(keys, &expected, held)?;
        let claims = verified.claims();
        self.check_audience_is_bound(claims)?;
        let identity = identity::map(claims, self.role)?;
        held.push("identity");
        claims::check(claims, self.role)?;
        held.push("bound-claims");
        let policies = template::policies(self.role, claims)?;
        let mut warnings = lint::lint_config(self.config());
        warnings.extend(lint::lint_role(self.role));
        warnings.extend(lint::lint_token(claims));
        warnings.extend(lint::lint_bounds(claims, self.role));
        let grant = Grant {
            principal: identity.alias.clone(),
            lifetime: Some(self.role.lifetime()),
            attributes: attributes(&identity.metadata, &policies, &identity.groups),
            held: Vec::new(),
            warnings,
        };
        Ok(Login { identity, policies, grant })
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
