//! Issuers of tokens.

use carnet_core::Mistake;
use carnet_jose::KeySet;
use serde_json::Value;
use url::Url;

use crate::trust::Oidc;

/// Most `allowedAudiences`.
const MAX_AUDIENCES: usize = 10;
/// Longest allowed audience, in characters.
const MAX_AUDIENCE: usize = 256;
/// Longest `discoveryUri` (and, UNCONFIRMED, issuer), in characters.
const MAX_URI: usize = 2000;
/// The members that an uploaded key may have.
const KEY_MEMBERS: [&str; 9] = ["alg", "crv", "e", "kid", "kty", "n", "use", "x", "y"];

/// What is wrong with an issuer; gives the uploaded keys, parsed.
pub(super) fn check(oidc: &Oidc, mistakes: &mut Vec<Mistake>) -> Option<KeySet> {
    check_issuer(oidc, mistakes);
    check_keys(oidc, mistakes)
}

fn check_issuer(oidc: &Oidc, mistakes: &mut Vec<Mistake>) {
    let issuer = Url::parse(&oidc.issuer_uri)
        .ok()
        .filter(|url| url.scheme() == "https" && url.has_host() && url.query().is_none() && url.fragment().is_none());
    if issuer.is_none() || oidc.issuer_uri.len() > MAX_URI {
        let mistake = Mistake::new("oidc.issuerUri", "not an https URL without query and fragment");
        mistakes.push(mistake.hint("take the claim `iss` of a token, character by character"));
    }
    if oidc.allowed_audiences.len() > MAX_AUDIENCES {
        mistakes.push(Mistake::new("oidc.allowedAudiences", format!("more than {MAX_AUDIENCES} audiences")));
    }
    if oidc.allowed_audiences.iter().any(|one| one.is_empty() || one.chars().count() > MAX_AUDIENCE) {
        mistakes.push(Mistake::new("oidc.allowedAudiences", format!("an audience has 1 to {MAX_AUDIENCE} characters")));
    }
    if let Some(discovery) = &oidc.discovery_uri {
        let fits = Url::parse(discovery).ok().is_some_and(|url| {
            issuer.as_ref().is_some_and(|issuer| issuer.origin() == url.origin())
                && url.path().contains("/.well-known/")
        });
        if !fits || discovery.len() > MAX_URI {
            let message = "not a URL with `/.well-known/` in its path at the issuer's scheme, host and port";
            mistakes.push(Mistake::new("oidc.discoveryUri", message));
        }
    }
}

fn check_keys(oidc: &Oidc, mistakes: &mut Vec<Mistake>) -> Option<KeySet> {
    let json = oidc.jwks_json.as_ref()?;
    let wrong = || Mistake::new("oidc.jwksJson", "Input JWK is not in a valid json format");
    let Ok(document) = serde_json::from_str::<Value>(json) else {
        mistakes.push(wrong());
        return None;
    };
    let keys = document.get("keys").and_then(Value::as_array);
    let odd = keys.into_iter().flatten().find_map(|key| {
        let members = key.as_object()?;
        members.keys().find(|member| !KEY_MEMBERS.contains(&member.as_str())).cloned()
    });
    if let Some(odd) = odd {
        let hint = format!("leave out the member `{odd}`: only {} are accepted", KEY_MEMBERS.join(", "));
        mistakes.push(wrong().hint(hint));
        return None;
    }
    let kinds_fit = keys.is_some_and(|keys| {
        !keys.is_empty() && keys.iter().all(|key| matches!(key.get("kty").and_then(Value::as_str), Some("RSA" | "EC")))
    });
    match KeySet::from_json(json.as_bytes()) {
        Ok(keys) if kinds_fit => Some(keys),
        Ok(_) => {
            mistakes.push(wrong().hint("upload RSA or EC keys, at least one"));
            None
        }
        Err(error) => {
            mistakes.push(wrong().hint(error.to_string()));
            None
        }
    }
}
