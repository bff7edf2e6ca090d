//! What it takes to trust a job's token: what is dangerous about a trust, and what one token is good for.

mod guards;
mod lint;

use std::collections::BTreeMap;

use carnet_jose::Claims;
use carnet_trust::Warning;

use crate::{
    system::{Claim, System, Weight},
    token::fact_text,
};

pub use lint::lint;

/// What a receiving side compares of a token, in no service's own words. `*` in a text stands for anything.
#[derive(Clone, Debug, Default)]
pub struct CiTrust<'a> {
    /// `iss`, compared exactly.
    pub issuer: &'a str,
    /// The audiences of which one must be there. Empty when none is compared.
    pub audiences: Vec<&'a str>,
    /// The pattern for `sub`. `None` when it is not compared.
    pub subject: Option<&'a str>,
    /// Other claims, and the patterns of which one must match.
    pub claims: BTreeMap<&'a str, Vec<&'a str>>,
}

/// What there is to say of one token.
#[derive(Debug)]
pub struct Seen {
    /// The system that has made it, going by its marks.
    pub system: &'static System,
    /// What its claims are, in the order of the system's table, with their values safe to show.
    pub claims: Vec<(&'static Claim, String)>,
    /// The ids in it that a trust should compare: they are never given to somebody else.
    pub bind: Vec<(&'static str, String)>,
    /// What could happen where exactly its subject and audience are trusted.
    pub warnings: Vec<Warning>,
}

/// Looks at a token, unverified. `None` when it is of no system that is known here.
pub fn look(claims: &Claims) -> Option<Seen> {
    let system = System::of_token(claims)?;
    let shown: Vec<_> =
        system.claims.iter().filter_map(|claim| Some((claim, fact_text(claims.get(claim.name)?)?))).collect();
    let binds = |claim: &Claim| {
        claim.weight == Weight::Id && (system.project.contains(&claim.name) || system.tenant.contains(&claim.name))
    };
    let bind =
        shown.iter().filter(|(claim, _)| binds(claim)).map(|(claim, value)| (claim.name, value.clone())).collect();
    let trust = CiTrust {
        issuer: claims.str("iss").unwrap_or_default(),
        audiences: claims.audiences(),
        subject: claims.str("sub"),
        claims: BTreeMap::new(),
    };
    let mut warnings = guards::of_run(system, claims);
    warnings.extend(lint::of_system(&trust, system));
    Some(Seen { system, claims: shown, bind, warnings })
}

fn warning(clause: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Warning {
    Warning { clause, message: message.into(), fix: fix.into() }
}

#[cfg(test)]
mod tests;
