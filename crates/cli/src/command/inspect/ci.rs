//! Of a token of a CI system: what in it a trust should compare, and what could happen where its subject alone is trusted.

use carnet_ci::{Audience, Seen, Weight, look};
use carnet_jose::Claims;
use carnet_trust::Warning;
use serde_json::{Map, Value, json};

use crate::output::{Text, cyan};

/// `null` for a token that is of no CI system.
pub(in crate::command) fn to_json(claims: &Claims) -> Value {
    let Some(seen) = look(claims) else { return Value::Null };
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
pub(in crate::command) fn describe(text: &mut Text, claims: &Claims) {
    let Some(seen) = look(claims) else { return };
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
    use super::*;

    fn claims(claims: &Value) -> Claims {
        Claims(claims.as_object().unwrap().clone())
    }

    #[test]
    fn it_says_what_to_compare_and_what_could_happen() {
        let seen = claims(
            &json!({"iss": "https://token.actions.githubusercontent.com", "aud": "https://a", "repository_id": "7",
            "sub": "repo:o/r:pull_request", "event_name": "pull_request"}),
        );
        let answer = to_json(&seen);
        assert_eq!((&answer["system"], &answer["compare"]["repository_id"]), (&json!("GitHub Actions"), &json!("7")));
        assert_eq!(answer["where_its_subject_is_trusted"].as_array().unwrap().len(), 3, "{answer}");
    }

    #[test]
    fn of_others_it_says_nothing() {
        assert_eq!(to_json(&claims(&json!({"iss": "https://idp.example", "sub": "alice"}))), Value::Null);
    }
}
