//! Codes, their clauses and what to do about each clause.

use carnet_core::ErrorKind;

use super::{Attempt, EntraError};

/// New credentials, service principals and role assignments are not everywhere at once (azure-workload-identity #1200).
const PROPAGATION: &str = "a credential that was made or changed in the last minutes is refused now and then: try again before you change anything";
/// Shows what is configured.
const SHOW: &str =
    "`az ad app federated-credential list --id CLIENT_ID` or `az identity federated-credential list` shows it";

/// A code and what it means.
#[derive(Clone, Copy)]
pub(super) struct Known {
    pub(super) code: u32,
    pub(super) clause: &'static str,
    pub(super) kind: ErrorKind,
}

const fn known(code: u32, clause: &'static str, kind: ErrorKind) -> Known {
    Known { code, clause, kind }
}

const CATALOGUE: [Known; 34] = {
    use ErrorKind::{Configuration, Expired, Policy, Refused};
    [
        known(50_027, "form", Refused),
        known(50_166, "keys", Refused),
        known(53_003, "policy", Policy),
        known(70_011, "scope", Configuration),
        known(70_021, "credential", Refused),
        known(70_025, "credential", Refused),
        known(90_002, "tenant", Refused),
        known(90_014, "claims", Refused),
        known(90_061, "keys", Refused),
        known(500_011, "resource", Refused),
        known(700_016, "client", Refused),
        known(700_021, "own-issuer", Refused),
        known(700_024, "expired", Expired),
        known(700_027, "own-issuer", Refused),
        known(700_211, "issuer", Refused),
        known(700_212, "audience", Refused),
        known(700_213, "subject", Refused),
        known(700_222, "own-issuer", Refused),
        known(700_223, "policy", Policy),
        known(700_238, "policy", Policy),
        known(900_023, "tenant", Configuration),
        known(1_002_012, "scope", Configuration),
        known(5_002_723, "key-id", Refused),
        known(5_002_730, "algorithm", Refused),
        known(5_002_738, "algorithm", Refused),
        known(7_000_215, "secret", Refused),
        known(7_000_272, "key", Refused),
        known(7_002_137, "subject", Refused),
        known(7_002_138, "case", Refused),
        known(7_002_381, "policy", Policy),
        // Conditional access in its other forms ("Microsoft Entra authentication error codes").
        known(53_000, "policy", Policy),
        known(53_001, "policy", Policy),
        known(53_002, "policy", Policy),
        known(53_004, "policy", Policy),
    ]
};

/// What a code means; one that is not known is a refusal of the token.
pub(super) fn recognise(said: &EntraError) -> &'static Known {
    const SCOPE: Known = known(0, "scope", ErrorKind::Configuration);
    const CHALLENGE: Known = known(0, "policy", ErrorKind::Policy);
    const TOKEN: Known = known(0, "subject-token", ErrorKind::Refused);
    let by_code = said.code.and_then(|code| CATALOGUE.iter().find(|known| known.code == code));
    by_code.unwrap_or(match said.error.as_deref() {
        Some("invalid_scope") => &SCOPE,
        Some("interaction_required") => &CHALLENGE,
        _ if said.has_claims => &CHALLENGE,
        _ => &TOKEN,
    })
}

/// What the reader can do.
pub(super) fn hints(clause: &str, said: &EntraError, attempt: &Attempt<'_>) -> Vec<String> {
    let Attempt { tenant, client_id, scope, issuer, subject, audience, .. } = attempt;
    let seen = |value: Option<&str>| value.unwrap_or("not known").to_owned();
    let one = |text: &str| vec![text.to_owned()];
    match clause {
        "issuer" => vec![
            format!(
                "the token's issuer is {}: a federated credential of {client_id} must have the same, character by character; a slash at the end counts ({SHOW})",
                seen(*issuer)
            ),
            PROPAGATION.to_owned(),
        ],
        "subject" => vec![
            format!(
                "the token's subject is {}: a federated credential of {client_id} must have the same, character by character, and there are no wildcards in it ({SHOW})",
                seen(*subject)
            ),
            PROPAGATION.to_owned(),
        ],
        "audience" => vec![
            format!(
                "the token's audience is {}: set `subject_audience` to the audience of the federated credential, or the other way round ({SHOW})",
                seen(*audience)
            ),
            PROPAGATION.to_owned(),
        ],
        "credential" => vec![
            format!(
                "{client_id} needs a federated credential with issuer {}, subject {} and audience {} ({SHOW})",
                seen(*issuer),
                seen(*subject),
                seen(*audience)
            ),
            PROPAGATION.to_owned(),
        ],
        "case" => vec![format!(
            "a federated credential differs from the token in upper and lower case only: the token has issuer {}, subject {} and audience {} ({SHOW})",
            seen(*issuer),
            seen(*subject),
            seen(*audience)
        )],
        "own-issuer" => one(
            "the token comes from Entra itself: only a managed identity's may be used, by an application, with its object id as the subject; else take the token of the workload's own issuer",
        ),
        "expired" => vec![
            "get a new subject token just before the exchange; a job's token lives some minutes only".to_owned(),
            "compare the clocks of the issuer and of this machine with the real time".to_owned(),
        ],
        "not-yet" => one(
            "the token counts from a time in the future: compare the clocks of the issuer and of this machine with the real time",
        ),
        "keys" => vec![
            format!(
                "Entra must be able to read {}/.well-known/openid-configuration and the key set over https with a public certificate; a private issuer cannot be used",
                issuer.unwrap_or("ISSUER").trim_end_matches('/')
            ),
            "if it can, the service may have failed for a moment: try again".to_owned(),
        ],
        "key" => one(
            "the token's key is not in the issuer's published key set as Entra knows it: publish new keys a day before they sign",
        ),
        "key-id" => one("let the issuer put `kid` into the header of its tokens"),
        "algorithm" => one(
            "Entra takes RSA signatures only (RS256): set the issuer's key type accordingly (SPIRE: `jwt_key_type = \"rsa-2048\"`)",
        ),
        "form" => {
            one("what was sent is no JWT as its issuer made it: look for a newline, quotes or a cut (`carnet inspect`)")
        }
        "claims" => one("the token must have iss, sub, aud and exp (`carnet inspect` shows them)"),
        "client" => vec![
            format!(
                "{tenant} has no application or managed identity with the client id {client_id}: give the client id and not the object id, and the tenant where it lives"
            ),
            "a new one takes some minutes".to_owned(),
        ],
        "tenant" => vec![format!("check the tenant {tenant}, and that `cloud` is the one where it is")],
        "resource" | "scope" => {
            vec![format!("check the scope {scope}: one resource with `/.default` at its end, of this cloud")]
        }
        "secret" => one("carnet sends no client secret: something else made this request, or a proxy changed it"),
        "policy" if said.has_claims => one(
            "the resource or a policy asks for more: put the challenge into `claims`, or let the tenant's administrator exempt the workload identity",
        ),
        "policy" => one(
            "a policy of the tenant denies it (conditional access for workload identities, or who may federate): ask its administrator",
        ),
        _ => vec![
            "compare the token with the federated credential (`carnet inspect` shows its claims)".to_owned(),
            PROPAGATION.to_owned(),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_code_is_there_twice() {
        let codes: std::collections::BTreeSet<u32> = CATALOGUE.iter().map(|known| known.code).collect();
        assert_eq!(codes.len(), CATALOGUE.len());
    }
}
