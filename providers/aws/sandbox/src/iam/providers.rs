//! OpenID Connect providers.

use carnet_aws::trust::OidcProvider;

use super::{Ask, any, exists, limit, no_such};
use crate::{
    reply::{Answer, ApiError, seconds},
    seed,
    state::MAX_TRUSTS,
    sts::parameters::{ARN, Rule, invalid},
    xml,
};

const URL: Rule = Rule { shortest: 1, longest: 255, others: None };

pub(super) fn create(ask: &Ask<'_>) -> Answer {
    let provider = OidcProvider {
        account: seed::ACCOUNT.to_owned(),
        // A slash at its end stays: it is part of the issuer, of the ARN and of condition keys.
        url: ask.parameters.required("Url", URL)?.to_owned(),
        client_ids: owned(&ask.parameters.list("ClientIDList", "")),
        thumbprints: owned(&ask.parameters.list("ThumbprintList", "")),
    };
    check(&provider)?;
    let arn = provider.arn();
    ask.permit(&arn)?;
    let now = ask.state.world.now(super::SERVICE);
    let mut inner = ask.state.lock();
    if inner.provider_dates.len() >= MAX_TRUSTS {
        return Err(limit("OpenIdConnectProvidersPerAccount", MAX_TRUSTS));
    }
    if !inner.providers.insert(provider) {
        return Err(exists("Provider with url"));
    }
    inner.provider_dates.insert(arn.clone(), now);
    Ok(ask.ok(&xml::leaf("OpenIDConnectProviderArn", &arn)))
}

pub(super) fn get(ask: &Ask<'_>) -> Answer {
    let arn = arn(ask)?;
    ask.permit(&arn)?;
    let inner = ask.state.lock();
    let provider = inner.providers.named(seed::ACCOUNT, issuer(&arn)).ok_or_else(|| unknown(&arn))?;
    let created = inner.provider_dates.get(&arn).copied().unwrap_or_default();
    let texts = |texts: &[String]| texts.iter().map(|text| xml::escape(text)).collect::<Vec<_>>();
    let result = [
        // As the service tells it: without the scheme.
        xml::leaf("Url", provider.name()),
        xml::members("ClientIDList", texts(&provider.client_ids)),
        xml::members("ThumbprintList", texts(&provider.thumbprints)),
        xml::leaf("CreateDate", &seconds(created)),
    ];
    Ok(ask.ok(&result.concat()))
}

pub(super) fn list(ask: &Ask<'_>) -> Answer {
    ask.permit(&any("oidc-provider"))?;
    let inner = ask.state.lock();
    let mut arns: Vec<String> = inner.providers.of_account(seed::ACCOUNT).map(OidcProvider::arn).collect();
    arns.sort();
    let members = arns.iter().map(|arn| xml::leaf("Arn", arn));
    Ok(ask.ok(&xml::members("OpenIDConnectProviderList", members)))
}

pub(super) fn delete(ask: &Ask<'_>) -> Answer {
    let arn = arn(ask)?;
    ask.permit(&arn)?;
    let mut inner = ask.state.lock();
    inner.providers.remove(seed::ACCOUNT, issuer(&arn)).ok_or_else(|| unknown(&arn))?;
    inner.provider_dates.remove(&arn);
    Ok(ask.done())
}

/// Client ids and thumbprints.
pub(super) fn change(ask: &Ask<'_>) -> Answer {
    let arn = arn(ask)?;
    ask.permit(&arn)?;
    let mut inner = ask.state.lock();
    let found = inner.providers.named(seed::ACCOUNT, issuer(&arn)).ok_or_else(|| unknown(&arn))?;
    let mut provider = found.clone();
    match ask.action.as_str() {
        "UpdateOpenIDConnectProviderThumbprint" => {
            provider.thumbprints = owned(&ask.parameters.list("ThumbprintList", ""));
        }
        action => {
            let id = ask.parameters.required("ClientID", URL)?;
            // Both are idempotent.
            provider.client_ids.retain(|own| own != id);
            if action.starts_with("Add") {
                provider.client_ids.push(id.to_owned());
            }
        }
    }
    check(&provider)?;
    inner.providers.remove(seed::ACCOUNT, issuer(&arn));
    inner.providers.insert(provider);
    Ok(ask.done())
}

fn arn(ask: &Ask<'_>) -> Result<String, ApiError> {
    let arn = ask.parameters.required("OpenIDConnectProviderArn", ARN)?;
    if issuer(arn).is_empty() {
        return Err(invalid(
            "OpenIDConnectProviderArn",
            Some(arn),
            "Member must be the ARN of a provider of the account",
        ));
    }
    Ok(arn.to_owned())
}

/// The issuer in an ARN of the account; empty when it is none.
fn issuer(arn: &str) -> &str {
    let rest = arn.strip_prefix("arn:aws:iam::").and_then(|rest| rest.strip_prefix(seed::ACCOUNT));
    rest.and_then(|rest| rest.strip_prefix(":oidc-provider/")).unwrap_or_default()
}

fn check(provider: &OidcProvider) -> Result<(), ApiError> {
    provider.check().map_err(|refusal| {
        let text = format!("{}: {}", refusal.seen, refusal.wanted);
        ApiError::new(400, "InvalidInput", text).because(refusal)
    })
}

fn unknown(arn: &str) -> ApiError {
    no_such(&format!("OpenIDConnect Provider {}", carnet_core::safe_text(arn)))
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}
