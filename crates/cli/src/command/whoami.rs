//! `carnet whoami`: every identity found here, and why the others were skipped.

use carnet_core::{Error, ErrorKind, Want, chain};
use carnet_jose::{Claims, UnverifiedJwt};
use carnet_route::{Identity, Looked, Registry, find_all};
use serde_json::{Value, json};

use super::inspect::ci;
use crate::{
    args::Whoami,
    output::{Terminal, Text, bold, green, red, without_secrets},
    world,
};

/// How a token that no place gives is named on the command line.
const NAMED: [&str; 2] = ["file path=…", "env variable=…"];

/// What to do about an identity that is given only for an audience.
const ASK_AGAIN: &str = "ask again with `--audience`, for instance the one that the other side expects";

pub(super) fn run(args: &Whoami, terminal: Terminal) -> Result<u8, Error> {
    let context = world::context();
    let registry = Registry::standard();
    let want = Want { audience: args.audience.clone() };
    let looked = world::block_on(async { Ok(find_all(&registry, &context, &want).await) })?;
    if terminal.is_json() {
        let sources: Vec<Value> = looked.iter().map(to_json).collect();
        terminal.json(without_secrets(&json!({"sources": sources})))?;
    } else {
        terminal.text(describe(&looked).redacted())?;
    }
    if looked.iter().any(|one| matches!(one.identity, Identity::Found { .. })) {
        return Ok(0);
    }
    if looked.iter().any(|one| without_audience(&one.identity).is_some()) {
        return Err(Error::configuration("show an identity of this workload: the one that is here needs an audience")
            .hint(ASK_AGAIN));
    }
    Err(Error::not_here("find an identity of this workload: no source has one")
        .hint("each source above says what it looked for")
        .hint(format!(
            "a token in a file or variable is used by naming it: {}",
            NAMED.map(|words| format!("`--from {words}`")).join(", ")
        )))
}

/// Why a source was not asked to the end: its identity is given only for an audience, and none was named. Nothing is
/// broken about that.
fn without_audience(identity: &Identity) -> Option<String> {
    match identity {
        Identity::Broken { error }
            if error.kind() == ErrorKind::Configuration && error.failed_clause() == Some("audience") =>
        {
            Some(format!("{}; {ASK_AGAIN}", chain(error).join(": ")))
        }
        _ => None,
    }
}

/// What the token says, if it is a JWT. Nobody has verified it: it is shown to whoever holds it.
fn claims(identity: &Identity) -> Option<Claims> {
    let Identity::Found { jwt: Some(jwt), .. } = identity else { return None };
    Some(UnverifiedJwt::parse(jwt.expose()).ok()?.unverified_claims().clone())
}

fn to_json(looked: &Looked) -> Value {
    let mut one = json!(looked);
    if let (Some(claims), Some(members)) = (claims(&looked.identity), one.as_object_mut()) {
        members.insert("ci".to_owned(), ci::to_json(&claims));
    }
    if let (Some(reason), Some(members)) = (without_audience(&looked.identity), one.as_object_mut()) {
        members.insert("identity".to_owned(), json!({"state": "skipped", "reason": reason}));
    }
    one
}

fn describe(looked: &[Looked]) -> Text {
    let mut text = Text::default();
    for one in looked {
        if let Some(reason) = without_audience(&one.identity) {
            text.push(format!("skipped    {}: {reason}\n", one.source));
            continue;
        }
        match &one.identity {
            Identity::Found { kind, facts, expires_at, .. } => {
                let end = expires_at.map_or(String::new(), |end| format!(", until {end:.0}"));
                text.styled(green(), "found").push("      ").styled(bold(), one.source);
                text.push(format!(": {kind}{end}\n"));
                for (name, value) in facts {
                    text.push(format!("             {name:<12} {value}\n"));
                }
            }
            Identity::Broken { error } => {
                text.styled(red(), "broken").push(format!("     {}: {}\n", one.source, chain(error).join(": ")));
                for hint in error.hints() {
                    text.push(format!("             {hint}\n"));
                }
            }
            Identity::Skipped { reason } => {
                text.push(format!("skipped    {}: {reason}\n", one.source));
            }
            Identity::NotHere { reason } => {
                text.push(format!("not here   {}: {reason}\n", one.source));
            }
        }
    }
    for claims in looked.iter().filter_map(|one| claims(&one.identity)) {
        ci::describe(&mut text, &claims);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use carnet_core::{Kind, MapEnvironment, Secret};
    use carnet_route::{Part, RouteSpec};

    use super::*;

    /// A source that has found this token.
    fn found(claims: &Value) -> Looked {
        let [header, claims] = [&json!({"alg": "RS256"}), claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let jwt = Some(Secret::new(format!("{header}.{claims}.c2lnbmF0dXJl")));
        let identity = Identity::Found { kind: Kind::Jwt, facts: BTreeMap::new(), expires_at: None, jwt };
        Looked { source: "github-actions", identity, ambient: true }
    }

    #[test]
    fn of_a_job_it_says_what_a_trust_should_compare_and_never_the_token() {
        let job = found(&json!({"iss": "https://token.actions.githubusercontent.com", "aud": "https://a",
            "repository_id": "7", "sub": "repo:o/r:pull_request", "event_name": "pull_request"}));
        let shown = to_json(&job);
        assert_eq!(shown["ci"]["compare"]["repository_id"], "7");
        let text = format!("{:?}", describe(&[job]));
        assert!(text.contains("compare repository_id = 7") && text.contains("beware"), "{text}");
        assert!(!format!("{shown}{text}").contains("c2lnbmF0dXJl"), "{shown} {text}");
        let alice = found(&json!({"iss": "https://idp.example", "sub": "alice"}));
        assert_eq!(to_json(&alice)["ci"], Value::Null);
        assert!(!format!("{:?}", describe(&[alice])).contains("beware"));
    }

    #[test]
    fn what_the_hint_says_can_be_typed() {
        for words in NAMED {
            let words: Vec<String> = words.replace('…', "X").split(' ').map(ToOwned::to_owned).collect();
            let part = Part::parse("--from", &words).unwrap();
            let route = RouteSpec::from_parts(Some(part), Vec::new(), Vec::new());
            route.build(&Registry::standard(), &MapEnvironment::default()).unwrap();
        }
    }
}
