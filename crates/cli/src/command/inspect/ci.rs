//! Of a token of a CI system: what in it a trust should compare, and what could happen where its subject alone is trusted.

use carnet_ci::{Audience, Seen, Weight, look};
use carnet_jose::UnverifiedJwt;
use carnet_trust::Warning;
use serde_json::{Map, Value, json};

use crate::output::{Text, cyan};

/// `null` for a token that is of no CI system.
pub(super) fn to_json(jwt: &UnverifiedJwt) -> Value {
    let Some(seen) = look(jwt.unverified_claims()) else { return Value::Null };
    let claims: Vec<Value> = seen
        .claims
        .iter()
        .map(|(claim, value)| json!({"name": claim.name, "value": value, "worth": worth(claim.weight), "about": claim.about}))
        .collect();
    let compare: Map<String, Value> =
        seen.bind.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    json!({
        "system": seen.system.name,
        "source": seen.system.source,
        "audience": audience(&seen),
        "claims": claims,
        "compare": compare,
        "where_its_subject_is_trusted": seen.warnings,
        "documentation": seen.system.documentation,
    })
}

/// Adds it to what is shown to people; nothing for a token that is of no CI system.
pub(super) fn describe(text: &mut Text, jwt: &UnverifiedJwt) {
    let Some(seen) = look(jwt.unverified_claims()) else { return };
    text.push(format!("\nto trust jobs of {}: {}\n", seen.system.name, seen.system.documentation));
    text.push(format!("  the audience is {}\n", audience(&seen)));
    for (name, value) in &seen.bind {
        text.push(format!("  compare {name} = {value}\n"));
    }
    for Warning { message, fix, .. } in &seen.warnings {
        text.styled(cyan(), "  beware").push(format!(" {message}; {fix}\n"));
    }
}

fn audience(seen: &Seen) -> &'static str {
    match seen.system.audience {
        Audience::Asked => "what the job asks for",
        Audience::Defined => "what the job's definition says",
        Audience::Fixed => "the same for every service",
    }
}

fn worth(weight: Weight) -> &'static str {
    match weight {
        Weight::Id => "id",
        Weight::Name => "name",
        Weight::Guard => "vouched-for",
        Weight::Chosen => "chosen-by-whoever-can-push",
        Weight::Run => "of-the-run",
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

    use super::*;

    fn token(claims: &Value) -> UnverifiedJwt {
        let [header, claims] = [&json!({"alg": "RS256"}), claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        UnverifiedJwt::parse(&format!("{header}.{claims}.c2lnbmF0dXJl")).unwrap()
    }

    #[test]
    fn it_says_what_to_compare_and_what_could_happen() {
        let jwt = token(
            &json!({"iss": "https://token.actions.githubusercontent.com", "aud": "https://a", "repository_id": "7",
            "sub": "repo:o/r:pull_request", "event_name": "pull_request"}),
        );
        let answer = to_json(&jwt);
        assert_eq!((&answer["system"], &answer["compare"]["repository_id"]), (&json!("GitHub Actions"), &json!("7")));
        assert_eq!(answer["where_its_subject_is_trusted"].as_array().unwrap().len(), 3, "{answer}");
    }

    #[test]
    fn of_others_it_says_nothing() {
        assert_eq!(to_json(&token(&json!({"iss": "https://idp.example", "sub": "alice"}))), Value::Null);
    }
}
