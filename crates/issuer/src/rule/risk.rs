//! Rules that a stranger could match.

use carnet_core::Mistake;
use carnet_trust::Expression;
use serde_json::{Map, Value, json};

use super::{Rule, compiled::Compiled, pattern::Pattern, shared};

pub(crate) mod ci;
mod pods;
mod signed;

/// Claims that do not tell subjects apart: who has made the token, and for whom.
const ALIKE: [&str; 2] = ["iss", "aud"];

/// What stands before claims that the API server of a cluster writes: the names below are of objects, not of people.
const KUBERNETES: &str = "kubernetes.io/";

/// Claims that the subject writes itself, whoever the issuer is: texts of a profile (OpenID Connect Core 1.0, 5.7 says so of all but `iss` and `sub`), and
/// what a push or a pull request names.
const FREE_TEXT: &[&str] = &[
    "name",
    "given_name",
    "family_name",
    "middle_name",
    "nickname",
    "preferred_username",
    "profile",
    "picture",
    "website",
    "email",
    "gender",
    "birthdate",
    "zoneinfo",
    "locale",
    "phone_number",
    "address",
    "upn",
    "unique_name",
    "actor",
    "head_ref",
    "base_ref",
    "ref",
    "workflow",
    "workflow_ref",
    "job_workflow_ref",
    "ref_path",
    "login",
    "username",
    "user_login",
    "user_email",
    "branch",
    "branchName",
    "build_branch",
    "build_tag",
];

const HINT: &str = "or say with accept_risk why it is as it should be";

/// What is dangerous about a rule that has no other mistake.
pub(super) fn risks(rule: &Rule, compiled: &Compiled) -> Vec<Mistake> {
    let mut risks = Vec::new();
    no_condition(rule, compiled, &mut risks);
    wildcards(rule, compiled, &mut risks);
    shared_issuer(rule, compiled, &mut risks);
    free_text(rule, compiled, &mut risks);
    signed::risks(rule, compiled, &mut risks);
    pods::risks(rule, compiled, &mut risks);
    risks
}

fn risk(field: &str, message: impl Into<String>, hint: &str) -> Mistake {
    Mistake::new(field, message).hint(format!("{hint}, {HINT}"))
}

fn no_condition(rule: &Rule, compiled: &Compiled, risks: &mut Vec<Mistake>) {
    let by_claim = rule.claims.keys().any(|name| !ALIKE.contains(&name.as_str()));
    // One that does not compile is a mistake of its own.
    let by_condition = rule.condition.is_some()
        && !compiled.condition.as_ref().is_some_and(|condition| lets_strangers_in(rule, condition));
    if rule.subject.is_some() || by_claim || by_condition {
        return;
    }
    let (field, message) = if rule.condition.is_some() {
        ("condition", "it holds for made-up subjects, and nothing else says who is meant: strangers would match")
    } else if rule.claims.is_empty() {
        ("subject", "there is neither subject nor claims nor condition: every subject of the issuer would match")
    } else {
        ("claims", "iss and aud do not tell subjects apart: every subject of the issuer would match")
    };
    risks.push(risk(field, message, "say who is meant"));
}

/// Whether the condition holds for one of two subjects of the issuer that nobody knows: with no claims but those that every
/// token has, or with all that RFC 7519, 4.1 registers; whether somebody unknown acts for it or nobody.
fn lets_strangers_in(rule: &Rule, condition: &Expression) -> bool {
    let audience = rule.expected_audiences.first().map_or("https://stranger.invalid", String::as_str);
    let stranger = |name: &str| {
        let subject =
            if rule.issuer.starts_with("spiffe://") { format!("{}/{name}", rule.issuer) } else { name.to_owned() };
        let members = [
            ("iss", json!(rule.issuer)),
            ("sub", json!(subject)),
            ("aud", json!(audience)),
            ("iat", json!(4_000_000_000_u32)),
            ("exp", json!(4_000_000_300_u32)),
        ];
        members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>()
    };
    let bare = stranger("somebody/stranger.invalid");
    let mut full = stranger("4000000000000000000");
    full.insert("nbf".to_owned(), json!(4_000_000_000_u32));
    full.insert("jti".to_owned(), json!("8f14e45f-ceea-467f-a8c5-0d3b1a6f2e47"));
    let nobody = Map::new();
    let holds = |claims: &Map<String, Value>, actor: &Map<String, Value>| {
        condition
            .evaluate_members(&[("claims", claims), ("actor", actor)])
            .is_ok_and(|value| value == Value::Bool(true))
    };
    [&bare, &full].into_iter().any(|claims| holds(claims, &nobody) || holds(claims, &full))
}

fn wildcards(rule: &Rule, compiled: &Compiled, risks: &mut Vec<Mistake>) {
    let crossing = "\"**\" crosses separators, and so stands for parts of the name that somebody else may choose";
    if let Some(subject) = &compiled.subject {
        if subject.crosses() {
            risks.push(risk("subject", crossing, "use \"*\", one for each part"));
        }
        if !subject.is_exact() && subject.prefix().is_empty() {
            risks.push(risk(
                "subject",
                "it begins with a wildcard, so anybody's name can match",
                "begin with a literal text",
            ));
        }
    }
    for (place, actor) in compiled.actors.iter().enumerate() {
        let field = format!("actors[{place}].subject");
        if actor.subject.crosses() || (!actor.subject.is_exact() && actor.subject.prefix().is_empty()) {
            risks.push(risk(
                &field,
                "it begins with a wildcard or has \"**\", so strangers can match",
                "name the actor",
            ));
        }
    }
    let lists =
        [("audiences", &rule.audiences, &compiled.audiences), ("resources", &rule.resources, &compiled.resources)];
    for (field, texts, patterns) in lists {
        for (text, pattern) in texts.iter().zip(patterns) {
            if pattern.crosses() || (!pattern.is_exact() && pattern.prefix().is_empty()) {
                let message = format!("{text:?} stands for tokens to anybody");
                risks.push(risk(field, message, "name the audiences"));
            }
        }
    }
}

fn shared_issuer(rule: &Rule, compiled: &Compiled, risks: &mut Vec<Mistake>) {
    let issuers = std::iter::once(("issuer".to_owned(), rule.issuer.as_str(), compiled.subject.as_ref())).chain(
        rule.actors.iter().zip(&compiled.actors).enumerate().map(|(place, (data, actor))| {
            (format!("actors[{place}].issuer"), data.issuer.as_str(), Some(&actor.subject))
        }),
    );
    for (place, (field, issuer, subject)) in issuers.enumerate() {
        let Some(shared) = shared::find(issuer) else { continue };
        // Claims are those of the subject; an actor has its subject only.
        let by_claim = place == 0 && shared.tenant_claims.iter().any(|name| pins(rule, name));
        let exact_subject = shared.tenant_claims.contains(&"sub") && subject.is_some_and(Pattern::is_exact);
        if by_claim || exact_subject || subject.is_some_and(|subject| shared.subject_names_tenant(subject.prefix())) {
            continue;
        }
        let message = format!("{} is shared by many tenants, and nothing binds the token to one of them", shared.name);
        let claims = shared.tenant_claims.join(", ");
        let hint = match shared.subject_hint() {
            empty if empty.is_empty() => format!("pin one of the claims {claims}"),
            subject => format!("pin one of the claims {claims}, or let the subject begin with {subject}"),
        };
        risks.push(risk(&field, message, &format!("{hint} (a condition in CEL can only narrow that further)")));
    }
}

/// Whether the rule names the values of this claim.
fn pins(rule: &Rule, name: &str) -> bool {
    rule.claims.get(name).is_some_and(|value| !matches!(value, Value::Array(values) if values.is_empty()))
}

fn free_text(rule: &Rule, compiled: &Compiled, risks: &mut Vec<Mistake>) {
    let Some(identity) = &compiled.identity else { return };
    for name in identity.claims().filter(|name| is_free_text(name) && !pins(rule, name)) {
        let message =
            format!("the claim {name:?} is a text that the subject chooses, and so it would choose its identity");
        risks.push(risk("identity", message, "use an id that the issuer assigns, or pin the claim"));
    }
}

/// A profile is as free a text when it is a member of another claim, or of a name that is a URL.
fn is_free_text(name: &str) -> bool {
    let last = name.rsplit('/').next().unwrap_or(name);
    FREE_TEXT.contains(&last) && !name.starts_with(KUBERNETES)
}
