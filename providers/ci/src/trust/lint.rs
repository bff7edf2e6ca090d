//! What works and should not.

use std::collections::BTreeMap;

use carnet_trust::Warning;

use super::{CiTrust, guards, warning};
use crate::system::{Audience, System, Weight, subject_claims};

/// What is dangerous about trusting the tokens of a CI system so. Empty also for a trust of no system that is known here.
pub fn lint(trust: &CiTrust<'_>) -> Vec<Warning> {
    System::of_trust(trust.issuer, trust.subject, |name| trust.claims.contains_key(name))
        .map_or_else(Vec::new, |system| of_system(trust, system))
}

/// The same, of this system.
pub(super) fn of_system(trust: &CiTrust<'_>, system: &'static System) -> Vec<Warning> {
    let pins = Pins::of(trust, system);
    let mut warnings = Vec::new();
    // Where strangers get in, nothing else matters.
    if let Some(strangers) = strangers(trust, system, &pins) {
        warnings.push(strangers);
    } else {
        warnings.extend(whole_tenant(trust, system, &pins));
        warnings.extend(names(system, &pins));
        warnings.extend(guards::of_trust(trust, system, &pins));
    }
    warnings.extend(audience(trust, system));
    warnings
}

/// What a trust says of claims, in its list and in its pattern for the subject.
pub(super) struct Pins(BTreeMap<String, Vec<String>>);

impl Pins {
    fn of(trust: &CiTrust<'_>, system: &System) -> Self {
        let mut pins: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, value) in trust.subject.map(|subject| subject_claims(system, subject)).unwrap_or_default() {
            pins.entry(name.to_owned()).or_default().push(value);
        }
        // What the list says of a claim counts: it must hold beside the subject.
        for (name, values) in &trust.claims {
            let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
            let entry = pins.entry((*name).to_owned()).or_default();
            if is_literal(&values) || !is_literal(entry) {
                *entry = values;
            }
        }
        if system.source == "gitlab-ci" {
            owner_of_projects(&mut pins);
        }
        Self(pins)
    }

    /// Whether the claim must have one of the values that are written out.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|values| is_literal(values))
    }

    /// Whether the claim must have this value and no other.
    pub(super) fn is(&self, name: &str, value: &str) -> bool {
        self.0.get(name).is_some_and(|values| !values.is_empty() && values.iter().all(|one| one == value))
    }

    /// Whether the claim may have this value, among others.
    pub(super) fn may_be(&self, name: &str, value: &str) -> bool {
        self.0.get(name).is_some_and(|values| values.iter().any(|one| one == value))
    }

    /// Whether the claim is compared with a pattern.
    pub(super) fn is_pattern(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|values| values.iter().any(|value| value.contains('*')))
    }

    /// Whether one of these claims is written out.
    pub(super) fn any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.has(name))
    }
}

/// `GROUP/*` names its owner as surely as `GROUP/PROJECT` does: nobody else has a project below another's group.
fn owner_of_projects(pins: &mut BTreeMap<String, Vec<String>>) {
    let owner = |path: &String| {
        let (owner, _) = path.split_once('/')?;
        Some(owner.to_owned()).filter(|owner| !owner.is_empty() && !owner.contains('*'))
    };
    let owners: Option<Vec<String>> = pins.get("project_path").and_then(|paths| paths.iter().map(owner).collect());
    let Some(owners) = owners.filter(|_| !pins.get("project_path").is_some_and(|paths| is_literal(paths))) else {
        return;
    };
    let known = pins.entry("namespace_path".to_owned()).or_default();
    if !is_literal(known) {
        *known = owners;
    }
}

fn is_literal(values: &[String]) -> bool {
    !values.is_empty() && values.iter().all(|value| !value.is_empty() && !value.contains('*'))
}

fn strangers(trust: &CiTrust<'_>, system: &System, pins: &Pins) -> Option<Warning> {
    if !system.is_shared(trust.issuer) || pins.any(system.tenant) {
        return None;
    }
    Some(warning(
        "subject",
        format!("everybody who has an account at {} gets in: its issuer signs for all of them", system.name),
        format!("compare one of {}", system.tenant.join(", ")),
    ))
}

fn whole_tenant(trust: &CiTrust<'_>, system: &System, pins: &Pins) -> Option<Warning> {
    // A subject that is written out names one thing, however this system writes it.
    let exact = trust.subject.is_some_and(|subject| !subject.is_empty() && !subject.contains('*'));
    let by_subject = exact && subject_claims(system, trust.subject.unwrap_or_default()).is_empty();
    if by_subject || pins.any(system.project) {
        return None;
    }
    Some(warning(
        "subject",
        format!("every project, pipeline or workspace of the same owner at {} gets in", system.name),
        format!("compare one of {}", system.project.join(", ")),
    ))
}

fn names(system: &System, pins: &Pins) -> Option<Warning> {
    let binding = || system.project.iter().chain(system.tenant);
    let weight = |name: &str| system.claim(name).map(|claim| claim.weight);
    let mut ids: Vec<&str> = Vec::new();
    for name in binding().copied().filter(|name| weight(name) == Some(Weight::Id)) {
        if !ids.contains(&name) {
            ids.push(name);
        }
    }
    let name = binding().copied().find(|name| weight(name) == Some(Weight::Name) && pins.has(name))?;
    if ids.is_empty() || pins.any(&ids) {
        return None;
    }
    Some(warning(
        "subject",
        format!("`{name}` is a name: whoever registers it after it was given up gets in"),
        format!("compare the id as well, one of {}", ids.join(", ")),
    ))
}

fn audience(trust: &CiTrust<'_>, system: &System) -> Option<Warning> {
    if trust.audiences.is_empty() {
        return Some(warning(
            "audience",
            "no audience is compared: a token that was made for another service gets in, and that service can use it here",
            "compare an audience that only this side has",
        ));
    }
    if let Some(wide) = trust.audiences.iter().find(|audience| audience.chars().all(|c| c == '*')) {
        return Some(warning(
            "audience",
            format!("`{wide}` stands for every audience: a token that was made for another service gets in"),
            "compare an audience that only this side has",
        ));
    }
    let default = trust.audiences.iter().find(|audience| is_default(system, trust, audience))?;
    Some(match system.audience {
        Audience::Fixed => warning(
            "audience",
            format!(
                "{default} is in every token of {}: whoever gets one, for whatever service, can use it here",
                system.name
            ),
            "nobody can choose the audience: exchange the token at one place only, and hand on what that gives",
        ),
        Audience::Asked | Audience::Defined => warning(
            "audience",
            format!(
                "{default} is what {} puts when nobody asks: a token that was made for no service or for another gets in",
                system.name
            ),
            "ask for an audience that only this side has, and compare that",
        ),
    })
}

/// Whether tokens have this audience without anybody's asking.
fn is_default(system: &System, trust: &CiTrust<'_>, audience: &str) -> bool {
    match system.source {
        "github-actions" => audience.strip_prefix("https://github.com/").is_some_and(|owner| !owner.contains('/')),
        "bitbucket-pipelines" => audience.starts_with("ari:cloud:bitbucket::workspace/"),
        "circleci" => trust.issuer.strip_prefix("https://oidc.circleci.com/org/") == Some(audience),
        "buildkite" => audience.strip_prefix("https://buildkite.com/").is_some_and(|owner| !owner.contains('/')),
        "spacelift" => trust.issuer.strip_prefix("https://") == Some(audience),
        "azure-devops" => audience == "api://AzureADTokenExchange",
        _ => audience == trust.issuer,
    }
}
