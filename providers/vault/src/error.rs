//! Vault's refusals: the clause that failed as far as the text tells, and the fix.
//!
//! Vault has no codes: a status and texts. A part that does not vary tells the clause; the texts are those of OpenBao 2.6,
//! `vault-plugin-auth-jwt` and `vault-plugin-auth-oci`. The clauses are those of [`crate::trust`], which decides the same
//! questions. The code of an error is the status, for instance `400`.

use carnet_core::{Error, ErrorKind, Response, Secret, safe_text, without_echo};
use http::StatusCode;
use serde_json::Value;

/// What was attempted, for the hints.
#[derive(Debug, Default)]
pub(crate) struct Attempt<'a> {
    pub(crate) mount: &'a str,
    /// Whether it was a login, which has no token yet.
    pub(crate) login: bool,
    /// Whether a token was to be given back.
    pub(crate) revocation: bool,
    pub(crate) role: Option<&'a str>,
    pub(crate) namespace: Option<&'a str>,
    /// `aud`, `iss` and `sub` of the token that was shown, if known.
    pub(crate) audience: Option<&'a str>,
    pub(crate) issuer: Option<&'a str>,
    pub(crate) subject: Option<&'a str>,
    /// What was sent and no answer may repeat.
    pub(crate) secrets: Vec<&'a Secret>,
}

impl Attempt<'_> {
    fn is_repeated_in(&self, text: &str) -> bool {
        without_echo(text, &self.secrets) != text
    }
}

/// The clause of a policy that is a template and cannot be rendered. The one refusal that comes as a server's error.
const TEMPLATE: &str = "policy-template";

struct Known {
    text: &'static str,
    clause: &'static str,
    kind: ErrorKind,
}

const fn known(text: &'static str, clause: &'static str, kind: ErrorKind) -> Known {
    Known { text, clause, kind }
}

/// Texts by a part that does not vary, in lower case, most telling first.
static CATALOGUE: &[Known] = &[
    known("audience claim found in jwt but no audiences bound", "audience", ErrorKind::Refused),
    known("invalid audience (aud) claim", "audience", ErrorKind::Refused),
    known("invalid issuer (iss) claim", "issuer", ErrorKind::Refused),
    known("invalid subject (sub) claim", "subject", ErrorKind::Refused),
    known("token is expired", "expired", ErrorKind::Expired),
    known("token not yet valid", "not-yet", ErrorKind::Expired),
    known("token issued in the future", "not-yet", ErrorKind::Expired),
    known("no issued at (iat), not before (nbf)", "times", ErrorKind::Refused),
    known("unexpected algorithm", "algorithm", ErrorKind::Refused),
    known("missing kid header", "key", ErrorKind::Refused),
    known("no key found with kid", "key", ErrorKind::Refused),
    known("error configuring token validator", "keys", ErrorKind::Refused),
    known("missing token", "form", ErrorKind::Refused),
    known("malformed token", "form", ErrorKind::Refused),
    known("error verifying token signature", "signature", ErrorKind::Refused),
    known("case variant of registered claim", "claim-name", ErrorKind::Refused),
    known("does not match any associated bound claim values", "bound-claims", ErrorKind::Policy),
    // Of the token's claim, and of the role's.
    known("claim is not a string, bool, int or list", "bound-claims", ErrorKind::Policy),
    known("error validating claims", "claim-missing", ErrorKind::Policy),
    known("failed to fetch groups", "groups", ErrorKind::Refused),
    known("could not be converted to string list", "groups", ErrorKind::Refused),
    known("in groups claim could not be parsed", "groups", ErrorKind::Refused),
    known("not found in token", "user-claim", ErrorKind::Refused),
    known("could not be converted to string", "user-claim", ErrorKind::Refused),
    known("error converting claim", "claim-mapping", ErrorKind::Refused),
    known("map has no entry for key", TEMPLATE, ErrorKind::Refused),
    known("policy template", TEMPLATE, ErrorKind::Refused),
    known("blocked authorization", "condition", ErrorKind::Policy),
    known("error executing cel program", "program", ErrorKind::Refused),
    known("error converting proto auth", "program", ErrorKind::Refused),
    known("auth methods cannot create root tokens", "policy", ErrorKind::Policy),
    known("error validating x-vault-aws-iam-server-id header", "server-id", ErrorKind::Refused),
    known("error making upstream request", "caller-identity", ErrorKind::Refused),
    known("iam principal", "bound-principal", ErrorKind::Policy),
    known("error parsing arn", "principal", ErrorKind::Refused),
    known("auth method iam not allowed", "role-type", ErrorKind::Refused),
    known("entry for role", "role", ErrorKind::Refused),
    known("client identity during renewal", "certificate", ErrorKind::Refused),
    known("during renewal", "role", ErrorKind::Refused),
    known("tokens cannot be renewed", "renewal", ErrorKind::Refused),
    known("lease is not renewable", "renewal", ErrorKind::Refused),
    known("replication dr secondary mode", "standby", ErrorKind::Unreachable),
    known("namespace not found", "namespace", ErrorKind::Refused),
    known("oidc role_type is not allowed", "role-type", ErrorKind::Refused),
    known("could not be found", "role", ErrorKind::Refused),
    known("invalid role name", "role", ErrorKind::Refused),
    known("missing role", "role", ErrorKind::Refused),
    known("role is not found", "role", ErrorKind::Refused),
    known("could not load configuration", "method", ErrorKind::Refused),
    known("namespace not authorized", "subject", ErrorKind::Policy),
    known("service account name not authorized", "subject", ErrorKind::Policy),
    known("no client certificate", "certificate", ErrorKind::Refused),
    known("no chain matching all constraints", "certificate", ErrorKind::Policy),
    known("missing name in alias", "alias", ErrorKind::Refused),
    known("incorrect (request-target)", "request", ErrorKind::Refused),
    known("invalid tenancy", "tenancy", ErrorKind::Policy),
    known("not a part of any of the role ocids", "group", ErrorKind::Policy),
    known("wrapping token is not valid", "wrapping", ErrorKind::Refused),
];

/// The texts in `{"errors":[…]}`, safe to show. What is not there is empty.
pub fn parse_errors(body: &[u8]) -> Vec<String> {
    parse_texts(body).iter().map(|text| safe_text(text)).filter(|text| !text.is_empty()).collect()
}

fn parse_texts(body: &[u8]) -> Vec<String> {
    let Ok(body) = serde_json::from_slice::<Value>(body) else { return Vec::new() };
    let texts = body.get("errors").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    texts.map(ToOwned::to_owned).collect()
}

/// What is shown in place of texts that repeat what was sent.
const HIDDEN: &str = "an error text that repeats what was sent, and is not shown";

/// [`parse_errors`] for people: a text that repeats what was sent is not shown at all, nor is any where it takes all of them.
fn parse_shown(body: &[u8], attempt: &Attempt<'_>) -> Vec<String> {
    let texts = parse_texts(body);
    let (hidden, shown): (Vec<_>, Vec<_>) = texts.iter().partition(|text| attempt.is_repeated_in(text));
    if attempt.is_repeated_in(&shown.iter().map(|text| text.as_str()).collect::<String>()) {
        return vec![HIDDEN.to_owned()];
    }
    let shown = shown.into_iter().map(|text| safe_text(text)).filter(|text| !text.is_empty());
    shown.chain((!hidden.is_empty()).then(|| HIDDEN.to_owned())).collect()
}

/// A refusal of `what`, which was attempted at a login or with its token.
pub(crate) fn refusal(response: &Response, what: &str, attempt: &Attempt<'_>) -> Error {
    let texts = parse_shown(response.body.expose(), attempt);
    // The clause is told by all of them: it is a word of the catalogue and repeats nothing.
    let said = parse_errors(response.body.expose()).join("; ").to_lowercase();
    let by_text = CATALOGUE.iter().find(|known| said.contains(known.text));
    let answered = by_text.is_some_and(|known| known.clause == TEMPLATE);
    if let Some(error) = not_an_answer(response, what, attempt, &texts).filter(|_| !answered) {
        return error;
    }
    let (clause, kind) = match (by_text, response.status) {
        (Some(known), _) => (known.clause, known.kind),
        (None, _) if said.contains("oci authentication failed") || said.contains("wrong principal type") => {
            ("principal", ErrorKind::Refused)
        }
        (None, StatusCode::FORBIDDEN) => ("permission", ErrorKind::Policy),
        (None, StatusCode::NOT_FOUND) => ("path", ErrorKind::Refused),
        (None, _) => ("request", ErrorKind::Refused),
    };
    hints(clause, attempt).into_iter().fold(base(kind, what, response, &texts).clause(clause), Error::hint)
}

fn hints(clause: &str, attempt: &Attempt<'_>) -> Vec<String> {
    let Attempt { mount, login, revocation, role, namespace, audience, issuer, subject, .. } = attempt;
    let here = namespace.unwrap_or("none: the root");
    let role = role.unwrap_or("the mount's default role");
    let read = format!("`vault read auth/{mount}/role/{role}` shows the role");
    let configuration = format!("`vault read auth/{mount}/config`");
    match clause {
        "audience" => vec![format!(
            "the token's audience is {}: it must be one of `bound_audiences` of the role {role}; set it there, or in `audience` of the exchange ({read})",
            audience.unwrap_or("not known")
        )],
        "issuer" => vec![format!(
            "the token's issuer is {}: `bound_issuer` of the mount must be the same, character by character ({configuration})",
            issuer.unwrap_or("not known")
        )],
        "subject" => vec![format!(
            "the token's subject is {}: the role {role} wants another; `bound_subject` knows no `*` ({read})",
            subject.unwrap_or("not known")
        )],
        "expired" => vec![
            "get a new token just before the login".to_owned(),
            "compare the clocks of issuer and server; 60 seconds are tolerated unless `clock_skew_leeway` says otherwise".to_owned(),
        ],
        "not-yet" => vec!["the token counts from a time in the future: compare the clock of the issuer with the server's".to_owned()],
        "times" => vec!["let the issuer put `iat` and `exp` into the token".to_owned()],
        "algorithm" => vec![format!("add the token's algorithm to `jwt_supported_algs` of the mount ({configuration})")],
        "signature" | "key" => vec![format!(
            "the mount {mount} has no key that verifies this token: its key set must be that of {} ({configuration})",
            issuer.unwrap_or("the issuer")
        )],
        "keys" => vec![format!("the server cannot read the keys of {}: it needs a way there and the right roots", issuer.unwrap_or("the issuer"))],
        "claim-name" => vec!["let the issuer write `sub`, `aud` and the like in lower case, once each".to_owned()],
        "bound-claims" | "claim-missing" => {
            vec![format!("compare the token's claims (`carnet inspect`) with `bound_claims` of the role {role} ({read})")]
        }
        "user-claim" | "claim-mapping" | "groups" => {
            vec![format!("the role {role} maps a claim that the token lacks or that is no text ({read})")]
        }
        "role-type" => vec![format!("set `role_type` of {role} to `jwt`: the default is the login by browser")],
        "role" => vec![format!(
            "check the role's name, the mount ({mount}) and the namespace ({here})"
        )],
        "method" => vec![format!("the mount {mount} has no configuration yet: write auth/{mount}/config")],
        "certificate" => vec!["the server did not see a certificate that a role of the mount accepts; a proxy that ends TLS before it takes the certificate away".to_owned()],
        "alias" => vec!["the server names who logs in by the common name of the certificate, and this one has none: let the authority write one into it".to_owned()],
        "tenancy" | "group" | "principal" => {
            vec![format!("the role {role} wants a user or an instance of its home tenancy that is in one of the groups of `ocid_list`")]
        }
        "wrapping" => vec!["the token was unwrapped before, or is over: if nobody of yours did, treat what is in it as stolen".to_owned()],
        "form" => vec!["send the token as the issuer gave it: one line, three parts with dots between them".to_owned()],
        "condition" | "program" => vec![format!(
            "compare the token's claims (`carnet inspect`) with the program of the role {role} (`bao read auth/{mount}/cel/role/{role}`)"
        )],
        TEMPLATE => vec![format!(
            "`token_policies` of the role {role} are made of claims that the token lacks: let the issuer add them ({read})"
        )],
        "policy" => vec![format!("the role {role} gives the policy `root`, which no login can have ({read})")],
        "standby" => vec!["this server answers nobody while its cluster stands by for a disaster: name the active cluster in `address`".to_owned()],
        "server-id" => vec!["set `server_id` of the exchange to `iam_server_id_header_value` of the mount".to_owned()],
        "caller-identity" => vec![
            "AWS did not accept the signature, or the server could not ask it: look at the keys and the clock".to_owned(),
            format!("the region must be that of `sts_endpoint` of the mount: `aws_region` of the exchange (`vault read auth/{mount}/config/client`)"),
        ],
        "bound-principal" => vec![format!(
            "add the role's or user's ARN to `bound_iam_principal_arn` of the role {role}; of a session that is arn:aws:iam::ACCOUNT:role/NAME ({read})"
        )],
        "renewal" => vec!["a batch token, or one that is not renewable, is not renewed: log in anew (leave `renew` out)".to_owned()],
        "namespace" => vec![format!("there is no such namespace: {here}")],
        "permission" if *login => vec![
            format!("either nothing is mounted at auth/{mount} in this namespace ({here}), or the role takes logins from other networks (`token_bound_cidrs`), or the entity is disabled"),
        ],
        "permission" if *revocation => vec![
            "the token was given back before or has ended, or its policies do not grant auth/token/revoke-self, which `default` does".to_owned(),
        ],
        "permission" => vec![
            "the token's policies do not grant this path, or the call comes from a network that the role does not allow".to_owned(),
            "KV v2 wants `MOUNT/data/PATH` in the policy".to_owned(),
        ],
        "path" if *login => vec![format!("nothing answers at auth/{mount} in this namespace ({here})")],
        "path" => vec![format!("check the path, the mount and the namespace ({here})")],
        _ => vec![format!("compare role ({role}), mount ({mount}) and namespace ({here}) with the server's")],
    }
}

/// What is no refusal: overload, a server that is sealed or stands by, or somebody else who answers.
fn not_an_answer(response: &Response, what: &str, attempt: &Attempt<'_>, texts: &[String]) -> Option<Error> {
    let status = response.status;
    let error = || base(ErrorKind::Unreachable, &format!("{what}: HTTP {}", status.as_u16()), response, texts);
    if status.is_redirection() {
        let active = response.header("location").filter(|active| !attempt.is_repeated_in(active));
        let active = active.map_or_else(|| "another address".to_owned(), safe_text);
        return Some(error().clause("standby").hint(format!(
            "this server stands by and points to {active}: name the active server or the load balancer in `address`; carnet takes no token to another address than yours"
        )));
    }
    if status == StatusCode::SERVICE_UNAVAILABLE {
        return Some(
            error().clause("sealed").hint("the server is sealed or has no active node; its operator must unseal it"),
        );
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        return Some(
            error().clause("quota").hint("a rate limit of the server is used up; the same request may succeed later"),
        );
    }
    if status == StatusCode::PRECONDITION_FAILED {
        return Some(
            error().clause("consistency").hint("the node has not caught up; the same request may succeed later"),
        );
    }
    if status.is_server_error() {
        return Some(error().hint("the server is busy or broken; the same request may succeed later"));
    }
    // A 404 without any text is what a read of nothing gets.
    let named = !texts.is_empty() || (status == StatusCode::NOT_FOUND && is_json_object(response));
    (!named).then(|| {
        Error::unreachable(format!("{what}: HTTP {} without an error text", status.as_u16()))
            .hint("this is not how Vault answers: check the address, and whether a proxy stands in between")
    })
}

/// Whether a server says of a token that there is none, and not that it may not do this: "invalid token" beside "permission
/// denied" (Vault's "Tokens", Error responses; servers that say less are taken for a refusal).
pub(crate) fn is_gone(response: &Response) -> bool {
    let says = |text: &String| text.to_lowercase().contains("invalid token");
    response.status == StatusCode::FORBIDDEN && parse_errors(response.body.expose()).iter().any(says)
}

fn is_json_object(response: &Response) -> bool {
    serde_json::from_slice::<Value>(response.body.expose()).is_ok_and(|body| body.is_object())
}

fn base(kind: ErrorKind, what: &str, response: &Response, texts: &[String]) -> Error {
    let said = if texts.is_empty() { "no error text".to_owned() } else { texts.join("; ") };
    Error::new(kind, what).because(Error::new(kind, said)).code(response.status.as_u16().to_string())
}

#[cfg(test)]
mod tests;
