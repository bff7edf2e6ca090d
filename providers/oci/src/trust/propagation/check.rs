//! What the identity domain refuses when a trust is created.

use url::Url;

use super::{
    MAX_CLOCK_SKEW, MAX_PROPAGATED_CLAIMS, PROPAGATED_PREFIX, PropagationTrust, Rule, SubjectType, TrustMistake,
    TrustType,
};

pub(super) fn mistakes(trust: &PropagationTrust) -> Vec<TrustMistake> {
    let mut mistakes = Vec::new();
    required(trust, &mut mistakes);
    keys(trust, &mut mistakes);
    rules(trust, &mut mistakes);
    resource(trust, &mut mistakes);
    propagations(trust, &mut mistakes);
    validations(trust, &mut mistakes);
    mistakes
}

fn required(trust: &PropagationTrust, mistakes: &mut Vec<TrustMistake>) {
    for (attribute, empty) in [("name", trust.name.is_empty()), ("issuer", trust.issuer.is_empty())] {
        if empty {
            mistakes.push(TrustMistake { attribute, missing: true, message: "it is required".to_owned() });
        }
    }
    if trust.kind == TrustType::Jwt && trust.public_key_endpoint.is_none() && trust.public_certificate.is_none() {
        let message = "this or publicCertificate is required".to_owned();
        mistakes.push(TrustMistake { attribute: "publicKeyEndpoint", missing: true, message });
    }
}

fn keys(trust: &PropagationTrust, mistakes: &mut Vec<TrustMistake>) {
    let mut wrong = |attribute, message: String| mistakes.push(TrustMistake { attribute, missing: false, message });
    let is_url =
        |text: &str| Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if trust.public_key_endpoint.as_deref().is_some_and(|text| !is_url(text)) {
        wrong("publicKeyEndpoint", "it is not an http URL".to_owned());
    }
    if trust.clock_skew() > MAX_CLOCK_SKEW {
        wrong("clockSkewSeconds", format!("it is more than {}", MAX_CLOCK_SKEW.as_secs()));
    }
}

fn rules(trust: &PropagationTrust, mistakes: &mut Vec<TrustMistake>) {
    let attribute = "impersonationServiceUsers";
    for entry in &trust.impersonation_service_users {
        if entry.value.is_none() && entry.ocid.is_none() {
            let message = format!("rule {:?} names no user: value or ocid is required", entry.rule);
            mistakes.push(TrustMistake { attribute, missing: true, message });
        }
        if let Err(error) = Rule::parse(&entry.rule) {
            mistakes.push(TrustMistake { attribute, missing: false, message: error.to_string() });
        }
    }
}

fn resource(trust: &PropagationTrust, mistakes: &mut Vec<TrustMistake>) {
    let label = trust.impersonating_resource.as_deref().unwrap_or_default();
    if trust.subject_type == SubjectType::Resource && label.is_empty() {
        let message = "it is required when subjectType is Resource".to_owned();
        mistakes.push(TrustMistake { attribute: "impersonatingResource", missing: true, message });
    }
    if trust.subject_type == SubjectType::Resource && !trust.allow_impersonation {
        let message = "it must be true when subjectType is Resource".to_owned();
        mistakes.push(TrustMistake { attribute: "allowImpersonation", missing: false, message });
    }
}

fn propagations(trust: &PropagationTrust, mistakes: &mut Vec<TrustMistake>) {
    let attribute = "claimPropagations";
    let count = trust.claim_propagations.len();
    if count > MAX_PROPAGATED_CLAIMS {
        let message = format!("{count} claims are named, {MAX_PROPAGATED_CLAIMS} is the most");
        mistakes.push(TrustMistake { attribute, missing: false, message });
    }
    for name in &trust.claim_propagations {
        if name.strip_prefix(PROPAGATED_PREFIX).is_none_or(str::is_empty) {
            let message = format!("{name:?} must be {PROPAGATED_PREFIX} followed by the name of a claim");
            mistakes.push(TrustMistake { attribute, missing: false, message });
        }
    }
}

fn validations(trust: &PropagationTrust, mistakes: &mut Vec<TrustMistake>) {
    let attribute = "claimValidations";
    for (at, validation) in trust.claim_validations.iter().enumerate() {
        if validation.name.is_empty() {
            mistakes.push(TrustMistake { attribute, missing: true, message: "a claim has no name".to_owned() });
        }
        if trust.claim_validations.iter().take(at).any(|earlier| earlier.name == validation.name) {
            let message = format!("{:?} is named twice", validation.name);
            mistakes.push(TrustMistake { attribute, missing: false, message });
        }
    }
}
