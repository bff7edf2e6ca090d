//! Does this token log in by that program?

use carnet_core::Secret;
use carnet_jose::{Claims, KeySet};
use carnet_trust::{Decision, Grant, Refusal};
use jiff::Timestamp;

use super::{CelAuth, CheckedCelRole, messages::MARK, refuse};
use crate::trust::{
    config::CheckedConfig,
    lint,
    login::{attributes, decision, noting, role_name},
    proof::{self, Expected, Proof},
};

/// What is asked: this token, at that role, now.
#[derive(Clone, Copy, Debug)]
pub struct CelQuestion<'a> {
    /// The configuration of the mount, if there is one.
    pub config: Option<&'a CheckedConfig>,
    /// The name of the role as it was asked for: [`role_name`].
    pub role_name: &'a str,
    /// The role of that name, if there is one.
    pub role: Option<&'a CheckedCelRole>,
    /// The token. Not kept in any answer.
    pub token: &'a Secret,
    /// The time.
    pub now: Timestamp,
}

/// A login whose role and form are good; keys are needed now.
#[derive(Debug)]
pub struct CelAdmitted<'a> {
    proof: Proof<'a>,
    role: &'a CheckedCelRole,
}

/// A token to be made, and what there is to say about it.
#[derive(Clone, Debug)]
pub struct CelLogin {
    /// What the program has made.
    pub auth: CelAuth,
    /// The decision's grant.
    pub grant: Grant,
}

/// The whole question at once; `keys` as in [`crate::trust::evaluate`].
pub fn evaluate_cel(question: &CelQuestion<'_>, keys: Option<&KeySet>) -> Decision {
    decision(question.admit().and_then(|admitted| admitted.decide(keys)).map(|login| login.grant))
}

impl<'a> CelQuestion<'a> {
    /// Everything that is decided before keys are looked at: configuration, role, token, form.
    ///
    /// # Errors
    /// The first clause that fails.
    pub fn admit(&self) -> Result<CelAdmitted<'a>, Box<Refusal>> {
        noting(&[], |held| self.admit_noting(held)).map(|(admitted, _)| admitted)
    }

    fn admit_noting(&self, held: &mut Vec<&'static str>) -> Result<CelAdmitted<'a>, Box<Refusal>> {
        let config = proof::configured(self.config)?;
        held.push("method");
        let name = role_name(Some(config), self.role_name)?;
        let role = self.role.ok_or_else(|| proof::unknown_role(&name))?;
        held.push("role");
        proof::present(self.token)?;
        let proof = Proof::parse(config, self.token, self.now)?;
        held.push("form");
        Ok(CelAdmitted { proof, role })
    }
}

impl<'a> CelAdmitted<'a> {
    /// The configuration whose keys are needed.
    pub fn config(&self) -> &'a CheckedConfig {
        self.proof.config()
    }

    /// The key that the token names, unverified: whether keys that are known already will do.
    pub fn unverified_kid(&self) -> Option<&str> {
        self.proof.unverified_kid()
    }

    /// Signature, claims, times, program. An audience that the role does not bind is taken, unlike in other roles.
    ///
    /// # Errors
    /// The first clause that fails.
    pub fn decide(&self, keys: Option<&KeySet>) -> Result<CelLogin, Box<Refusal>> {
        let (mut login, held) = noting(&["method", "role", "form"], |held| self.decide_noting(keys, held))?;
        login.grant.held = held;
        Ok(login)
    }

    fn decide_noting(&self, keys: Option<&KeySet>, held: &mut Vec<&'static str>) -> Result<CelLogin, Box<Refusal>> {
        let role = self.role.role();
        let expected = Expected { subject: None, audiences: &role.bound_audiences, leeways: self.role.leeways() };
        let verified = self.proof.check(keys, &expected, held)?;
        let claims = verified.claims();
        let auth = self.run(claims)?;
        held.push("program");
        let mut warnings = lint::lint_config(self.config());
        warnings.extend(lint::lint_cel_role(self.role));
        warnings.extend(lint::lint_token(claims));
        let attributes = attributes(&auth.metadata, &auth.policies, &auth.groups);
        let principal = auth.alias.as_ref().map_or_else(|| auth.display_name.clone(), |alias| alias.name.clone());
        let lifetime = Some(auth.lifetime());
        Ok(CelLogin { auth, grant: Grant { principal, lifetime, attributes, held: Vec::new(), warnings } })
    }

    fn run(&self, claims: &Claims) -> Result<CelAuth, Box<Refusal>> {
        let failed = |seen: &str| {
            let text = format!("error executing cel program: Cel role auth program failed: {seen}");
            let fix = "ask `has(claims.x)` before `claims.x`, and compare only values of one type";
            refuse("program", seen, "a value", text, fix)
        };
        // A token that could make a map of its own pass for a message.
        if serde_json::to_string(&claims.0).is_ok_and(|text| text.contains(MARK)) {
            return Err(failed("a claim holds a text that is taken"));
        }
        let value = self.role.run(&claims.0).map_err(|error| failed(&error.message))?;
        CelAuth::of_value(self.role.name(), &value)
    }
}
