//! `carnet inspect TOKEN|FILE|-`: what it says, without believing it; with an issuer or keys, whether it is true.

pub(super) mod ci;

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use carnet_ci::System;
use carnet_core::{Context, Destination, Error, Files as _, Secret, SecretBytes, SystemFiles};
use carnet_gcp::{CredentialSource, ExternalAccount, parse_external_account};
use carnet_jose::{Algorithm, JwtError, KeySet, Rules, UnverifiedJwt, discover, fetch_key_set, verify_jwt};
use carnet_trust::Warning;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::{
    args::Inspect,
    output::{Terminal, Text, bold, cyan, green, red},
    world,
};

/// Largest input that is looked at.
const MAX_INPUT: usize = 256 * 1024;

/// Every algorithm that can be verified here; the key decides which one counts.
const ALGORITHMS: &[Algorithm] = &[
    Algorithm::Rs256,
    Algorithm::Rs384,
    Algorithm::Rs512,
    Algorithm::Ps256,
    Algorithm::Ps384,
    Algorithm::Ps512,
    Algorithm::Es256,
    Algorithm::Es384,
    Algorithm::Es512,
    Algorithm::EdDsa,
];

pub(super) fn run(args: &Inspect, terminal: Terminal) -> Result<u8, Error> {
    let (input, place) = read(&args.token)?;
    let text = std::str::from_utf8(input.expose())
        .map_err(|error| {
            Error::configuration(format!("read {place}: it is not text"))
                .because(error)
                .hint("give a JSON Web Token in compact form, or a Google credential file")
        })?
        .trim();
    if text.is_empty() {
        return Err(Error::configuration(format!("read {place}: there is nothing in it"))
            .hint("look at what should have written the token"));
    }
    if text.starts_with('{') {
        return external_account(text, &place, terminal);
    }
    // OCI writes its session tokens with this prefix into signatures.
    let token = Secret::new(text.strip_prefix("ST$").unwrap_or(text));
    let jwt = UnverifiedJwt::parse(token.expose()).map_err(|error| {
        Error::configuration(format!("read {place}: it is not a JSON Web Token in compact form"))
            .because(error)
            .hint("an opaque access token, such as Google's ya29…, says nothing that could be shown")
    })?;
    let context = world::context();
    let now = context.now();
    let verdict = world::block_on(verify(&context, args, &jwt))?;
    let warnings = warnings(&jwt, now);
    if terminal.is_json() {
        terminal.json(json!({
            "kind": "jwt",
            "looks_like": looks_like(&jwt),
            "header": jwt.unverified_header(),
            "claims": jwt.unverified_claims().0,
            "expires_in_seconds": jwt.unverified_expiry().map(|end| end.duration_since(now).as_secs()),
            "verified": verdict.as_ref().map(Result::is_ok),
            "refused_by": verdict.as_ref().and_then(|verdict| verdict.as_ref().err()).map(ToString::to_string),
            "warnings": warnings,
            "ci": ci::to_json(jwt.unverified_claims()),
        }))?;
    } else {
        let mut text = describe(&jwt, now, verdict.as_ref(), &warnings);
        ci::describe(&mut text, jwt.unverified_claims());
        terminal.text(text)?;
    }
    match verdict {
        Some(Err(error)) => {
            Err(Error::from(error).hint("what the token says is above; what it must say is what was asked for"))
        }
        _ => Ok(0),
    }
}

/// The input, and where it is from, for people.
fn read(argument: &str) -> Result<(SecretBytes, String), Error> {
    if argument == "-" {
        let mut bytes = Vec::new();
        let most = u64::try_from(MAX_INPUT).unwrap_or(u64::MAX).saturating_add(1);
        let read = std::io::stdin().take(most).read_to_end(&mut bytes);
        // Wrapped before anything can fail, so that it is wiped in any case.
        let bytes = SecretBytes::new(bytes);
        read.map_err(|error| Error::configuration("read standard input").because(error))?;
        if bytes.len() > MAX_INPUT {
            return Err(Error::configuration(format!("read standard input: it is larger than {MAX_INPUT} bytes"))
                .hint("give one token or one credential file, and nothing else"));
        }
        return Ok((bytes, "standard input".to_owned()));
    }
    let looks_like_token = argument.matches('.').count() == 2 && argument.starts_with("eyJ");
    if looks_like_token || argument.starts_with("ST$") || argument.starts_with('{') {
        return Ok((SecretBytes::new(argument.as_bytes().to_vec()), "the argument".to_owned()));
    }
    let bytes = SystemFiles.read(&PathBuf::from(argument), MAX_INPUT)?.ok_or_else(|| {
        Error::configuration("find the token: the argument is neither a token nor a file that exists")
            .hint("give a token, the path of a file, or `-` for standard input")
    })?;
    Ok((bytes, format!("the file {argument}")))
}

async fn verify(context: &Context, args: &Inspect, jwt: &UnverifiedJwt) -> Result<Option<Result<(), JwtError>>, Error> {
    let keys = match (&args.issuer, &args.jwks) {
        (Some(issuer), _) => {
            let url = discover(context, issuer, Destination::Configured).await?;
            fetch_key_set(context, &url, Destination::Configured).await?
        }
        (None, Some(path)) => key_file(path)?,
        (None, None) => return Ok(None),
    };
    let audience = args.audience.as_deref().map(|audience| [audience]);
    let rules = Rules {
        issuer: args.issuer.as_deref(),
        audiences: audience.as_ref().map(<[_; 1]>::as_slice),
        algorithms: ALGORITHMS,
        leeway: SignedDuration::ZERO,
        require_expiry: true,
        max_lifetime: None,
        types: &[],
    };
    Ok(Some(verify_jwt(jwt, &keys, &rules, context.now()).map(drop)))
}

fn key_file(path: &Path) -> Result<KeySet, Error> {
    let document = SystemFiles
        .read(path, MAX_INPUT)?
        .ok_or_else(|| Error::configuration(format!("read {}: there is no such file", path.display())))?;
    KeySet::from_json(document.expose())
        .map_err(|error| Error::configuration(format!("read the keys in {}", path.display())).because(error))
}

/// What the token is, going by the marks that its issuer leaves.
fn looks_like(jwt: &UnverifiedJwt) -> &'static str {
    let claims = jwt.unverified_claims();
    let issuer = claims.str("iss").unwrap_or_default();
    if is_access_token(jwt) {
        return "access token (RFC 9068)";
    }
    if let Some(system) = System::of_token(claims) {
        return system.token;
    }
    match issuer {
        "authService.oracle.com" => match claims.str("ptype") {
            Some("instance") => "OCI instance principal session token (needs its private key)",
            Some("resource") => "OCI resource principal session token (needs its private key)",
            Some("user") => "OCI user principal session token (needs its private key)",
            _ => "OCI session token (needs its private key)",
        },
        _ if claims.get("tok_type").is_some() => "OCI identity domain token",
        _ if claims.get("kubernetes.io").is_some() => "Kubernetes service-account token",
        _ if claims.str("sub").is_some_and(|subject| subject.starts_with("spiffe://")) => "SPIFFE JWT-SVID",
        _ => "JSON Web Token",
    }
}

/// Whether its `typ` says so: `at+jwt`, in any case, with or without `application/` (RFC 9068, 2.1; RFC 7515, 4.1.9).
fn is_access_token(jwt: &UnverifiedJwt) -> bool {
    let kind = jwt.unverified_header().get("typ").and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
    kind.strip_prefix("application/").unwrap_or(&kind) == "at+jwt"
}

fn warnings(jwt: &UnverifiedJwt, now: Timestamp) -> Vec<String> {
    let mut warnings = Vec::new();
    let claims = jwt.unverified_claims();
    match jwt.unverified_expiry() {
        None => warnings.push("it has no `exp`: nobody should accept it".to_owned()),
        Some(end) if end <= now => warnings.push(format!("it has expired, at {end}")),
        Some(_) => {}
    }
    if let Some(start) = claims.time("nbf").or_else(|| claims.time("iat"))
        && start > now
    {
        warnings.push(format!("it counts only from {start}; this machine's clock says {now}"));
    }
    if claims.audiences().is_empty() {
        warnings.push("it names no audience: whoever gets it can use it anywhere its issuer is trusted".to_owned());
    }
    let algorithm = jwt.unverified_alg();
    if algorithm.eq_ignore_ascii_case("none") || algorithm.starts_with("HS") {
        warnings.push(format!(
            "its algorithm is {algorithm}: anybody, or anybody with the shared key, can make such a token"
        ));
    }
    for member in ["jku", "x5u", "jwk", "crit"] {
        if jwt.unverified_header().contains_key(member) {
            warnings.push(format!(
                "its header has `{member}`, which carnet refuses: keys come from the issuer, not the token"
            ));
        }
    }
    warnings
}

fn describe(jwt: &UnverifiedJwt, now: Timestamp, verdict: Option<&Result<(), JwtError>>, warnings: &[String]) -> Text {
    let mut text = Text::default();
    text.styled(bold(), looks_like(jwt)).push("\n");
    members(&mut text, "header", jwt.unverified_header());
    members(&mut text, "claims", &jwt.unverified_claims().0);
    if let Some(end) = jwt.unverified_expiry() {
        text.push(format!("\nexpires   {end} ({:#})\n", whole_seconds(end.duration_since(now))));
    }
    match verdict {
        None => text.push("\nnot verified; give --issuer or --jwks to check the signature\n"),
        Some(Ok(())) => text.push("\n").styled(green(), "verified").push("\n"),
        Some(Err(_)) => text.push("\n").styled(red(), "not valid").push("\n"),
    };
    for warning in warnings {
        text.styled(cyan(), "warning").push(format!("   {warning}\n"));
    }
    text
}

fn whole_seconds(time: SignedDuration) -> SignedDuration {
    SignedDuration::from_secs(time.as_secs())
}

fn members(text: &mut Text, title: &str, members: &Map<String, Value>) {
    text.push(format!("\n{title}\n"));
    for (name, value) in members {
        let time = ["exp", "iat", "nbf", "auth_time"]
            .contains(&name.as_str())
            .then(|| value.as_i64().and_then(|seconds| Timestamp::from_second(seconds).ok()))
            .flatten()
            .map_or(String::new(), |at| format!("  ({at})"));
        // The terminal shows what of a hostile name or claim would steer it, see `output::visible`.
        text.push(format!("  {name:<24} {value}{time}\n"));
    }
}

/// A Google credential file: what it points at, and what of that is not Google.
fn external_account(text: &str, place: &str, terminal: Terminal) -> Result<u8, Error> {
    let file = parse_external_account(text.as_bytes()).map_err(|mistakes| {
        let error =
            Error::configuration(format!("read {place}: it is not a credential file that Google's libraries take"));
        mistakes.into_iter().fold(error, |error, mistake| {
            let hint = mistake.hint.map_or(String::new(), |hint| format!(" ({hint})"));
            error.hint(format!("{} {}{hint}", mistake.field, mistake.message))
        })
    })?;
    let facts = facts(&file);
    if terminal.is_json() {
        let facts: Map<String, Value> =
            facts.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
        terminal.json(json!({"kind": "external-account", "file": facts, "warnings": file.warnings}))?;
        return Ok(0);
    }
    let mut shown = Text::default();
    shown.styled(bold(), "Google credential file").push("\n");
    for (name, value) in facts {
        shown.push(format!("  {name:<24} {value}\n"));
    }
    for Warning { clause, message, fix } in &file.warnings {
        shown.styled(cyan(), "warning").push(format!("   {clause}: {message}; {fix}\n"));
    }
    terminal.text(shown)?;
    Ok(0)
}

fn facts(file: &ExternalAccount) -> Vec<(&'static str, String)> {
    let source = match &file.source {
        CredentialSource::Aws => "the AWS identity of this machine".to_owned(),
        CredentialSource::Certificate => "a client certificate".to_owned(),
        CredentialSource::Executable { command, .. } => format!("the program {command}"),
        CredentialSource::File { path, .. } => format!("the file {}", path.display()),
        CredentialSource::Url { url, .. } => format!("the URL {url}"),
    };
    let mut facts = vec![
        ("audience", file.audience.to_string()),
        ("subject token from", source),
        ("subject token type", file.subject_token_type.clone()),
        ("token endpoint", file.token_url.to_string()),
        ("universe", file.universe_domain.clone()),
    ];
    facts.extend(file.service_account.clone().map(|account| ("impersonates", account)));
    facts.extend(file.lifetime.map(|seconds| ("lifetime", format!("{seconds} seconds"))));
    facts.extend(file.quota_project.clone().map(|project| ("quota project", project)));
    facts
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

    use super::*;

    fn seen(header: &Value, claims: &Value) -> &'static str {
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        looks_like(&UnverifiedJwt::parse(&format!("{header}.{claims}.c2lnbmF0dXJl")).unwrap())
    }

    #[test]
    fn an_access_token_is_told_from_an_svid_by_its_type() {
        let claims =
            json!({ "iss": "https://authority.example", "sub": "spiffe://example.org/job", "client_id": "job" });
        for kind in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/at+JWT"] {
            assert_eq!(seen(&json!({ "alg": "ES256", "typ": kind }), &claims), "access token (RFC 9068)", "{kind}");
        }
        for header in
            [json!({ "alg": "ES256" }), json!({ "alg": "ES256", "typ": "JWT" }), json!({ "alg": "ES256", "typ": 7 })]
        {
            assert_eq!(seen(&header, &claims), "SPIFFE JWT-SVID", "{header}");
        }
        assert_eq!(seen(&json!({ "alg": "ES256", "typ": "x/at+jwt" }), &json!({ "sub": "a" })), "JSON Web Token");
    }

    #[test]
    fn tokens_of_ci_systems_are_known_by_issuer_or_claims() {
        for (claims, expected) in [
            (json!({ "iss": "https://github.example/_services/token" }), "GitHub Actions identity token"),
            (
                json!({ "iss": "https://a.example", "project_path": "g/p", "pipeline_id": "1" }),
                "GitLab CI identity token",
            ),
            (json!({ "iss": "https://oidc.circleci.com/org/o" }), "CircleCI identity token"),
            (json!({ "iss": "https://app.terraform.io" }), "HCP Terraform workload identity token"),
            (json!({ "iss": "https://accounts.google.com" }), "Google ID token"),
        ] {
            assert_eq!(seen(&json!({ "alg": "RS256" }), &claims), expected, "{claims}");
        }
    }
}
