//! The sections of the configuration.

use std::sync::Arc;

use carnet_core::{Exchange, ExchangeConfig, Kind, Kinds, Mistake};
use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    endpoint::Endpoints,
    exchange::{Federation, Impersonation, Issue},
    resource::{DEFAULT_UNIVERSE, ProviderResource},
    subject::{Subject, is_region},
    wire::{CLOUD_PLATFORM, SubjectTokenType},
};

/// Shortest and longest life of an impersonated token, in seconds ("service_account_impersonation" of Google's own
/// credential file). Over an hour the organisation must allow it for the account.
pub(crate) const LIFETIME: std::ops::RangeInclusive<i64> = 600..=43_200;
/// How long an executable may take, in milliseconds ("executable-sourced credentials").
pub(crate) const EXECUTABLE_TIMEOUT: std::ops::RangeInclusive<i64> = 5_000..=120_000;

/// Exchanges a JWT, AWS keys or an X.509 certificate for a Google Cloud access token, or for an ID token by impersonation.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gcp {
    /// The full name of the identity provider:
    /// `//iam.googleapis.com/projects/PROJECT_NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER`.
    pub audience: String,
    /// The service account to impersonate: its e-mail or its numeric id. Without it, the federated identity itself is
    /// used (direct resource access).
    #[serde(default)]
    pub service_account: Option<String>,
    /// Scopes of the access token. By default `https://www.googleapis.com/auth/cloud-platform`.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// Life of the impersonated access token, for instance `1h` or `3600s`; from 10 minutes to 12 hours. Google's default
    /// is one hour, and more needs an organisation policy.
    #[serde(default)]
    pub lifetime: Option<String>,
    /// Service accounts between the federated identity and `service_account`, in the order of delegation.
    #[serde(default)]
    pub delegates: Vec<String>,
    /// Gives an ID token (a JWT) for this audience in place of an access token: for Cloud Run, IAP, or a next step. Needs
    /// `service_account`.
    #[serde(default)]
    pub id_token_audience: Option<String>,
    /// Whether that ID token names the account's e-mail. By default it does.
    #[serde(default)]
    pub include_email: Option<bool>,
    /// The audience that the subject token must name. By default the provider's name with `https:` before it, which is what
    /// a provider without allowed audiences of its own accepts.
    #[serde(default)]
    pub subject_audience: Option<String>,
    /// How the subject token is announced: `jwt` (default) or `id-token`.
    #[serde(default)]
    pub subject_token_type: SubjectTokenType,
    /// Keys of AWS only: the region whose STS the signed request is for. By default that of the keys, then `AWS_REGION` and
    /// `AWS_DEFAULT_REGION`.
    #[serde(default)]
    pub aws_region: Option<String>,
    /// The project that is billed and whose quota is used.
    #[serde(default)]
    pub quota_project: Option<String>,
    /// Workforce pools only: the project that is billed for the exchange.
    #[serde(default)]
    pub workforce_user_project: Option<String>,
    /// The domain of a sovereign cloud. By default `googleapis.com`.
    #[serde(default)]
    pub universe_domain: Option<String>,
    /// The token endpoint. By default `https://sts.UNIVERSE/v1/token`, or under the address in
    /// `CLOUDSDK_API_ENDPOINT_OVERRIDES_STS`.
    #[serde(default)]
    pub token_url: Option<String>,
    /// The base of the IAM Service Account Credentials API. By default `https://iamcredentials.UNIVERSE/`, or the address in
    /// `CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS`.
    #[serde(default)]
    pub iamcredentials_url: Option<String>,
}

impl ExchangeConfig for Gcp {
    const NAME: &'static str = "gcp";
    const ABOUT: &'static str =
        "a JWT, AWS keys or a certificate to a Google Cloud access token or ID token (workload identity federation)";
    const TAKES: Kinds = Subject::TAKES;
    const GIVES: Kinds = Kinds::of(&[Kind::AccessToken, Kind::Jwt]);

    fn build(self) -> Result<Arc<dyn Exchange>, Vec<Mistake>> {
        Ok(Arc::new(self.check()?))
    }
}

impl Gcp {
    /// Checks the raw form, reporting all mistakes.
    pub(crate) fn check(self) -> Result<Federation, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let endpoints = Endpoints::check(
            self.universe_domain.as_deref(),
            self.token_url.as_deref(),
            self.iamcredentials_url.as_deref(),
            &mut mistakes,
        );
        let universe = self.universe_domain.as_deref().unwrap_or(DEFAULT_UNIVERSE);
        let provider = ProviderResource::parse(&self.audience, universe).map_err(|mistake| mistakes.push(mistake)).ok();
        if self.scopes.iter().any(|scope| scope.is_empty() || scope.contains(char::is_whitespace)) {
            mistakes.push(
                Mistake::new("scopes", "holds an empty scope or several in one").hint("give one scope per element"),
            );
        }
        if self.subject_audience.as_deref().is_some_and(str::is_empty) {
            mistakes
                .push(Mistake::new("subject_audience", "is empty").hint("leave it out to use the provider's default"));
        }
        let workforce = provider.as_ref().is_some_and(ProviderResource::is_workforce);
        if self.workforce_user_project.is_some() && provider.is_some() && !workforce {
            mistakes.push(
                Mistake::new(
                    "workforce_user_project",
                    "is only for workforce pools, and `audience` names a workload pool",
                )
                .hint("use `quota_project`"),
            );
        }
        if self.aws_region.as_deref().is_some_and(|region| !is_region(region)) {
            mistakes.push(Mistake::new("aws_region", "is not the name of a region").hint("for instance eu-central-1"));
        }
        let impersonation = self.impersonation(&mut mistakes);
        let (Some(provider), true) = (provider, mistakes.is_empty()) else { return Err(mistakes) };
        Ok(Federation {
            subject_audience: self.subject_audience.or_else(|| provider.default_subject_audience()),
            audience: provider.to_string(),
            provider,
            scopes: if self.scopes.is_empty() { vec![CLOUD_PLATFORM.to_owned()] } else { self.scopes },
            subject_token_type: self.subject_token_type,
            aws_region: self.aws_region,
            impersonation,
            quota_project: self.quota_project,
            workforce_user_project: self.workforce_user_project,
            endpoints,
        })
    }

    fn impersonation(&self, mistakes: &mut Vec<Mistake>) -> Option<Impersonation> {
        let lifetime = self
            .lifetime
            .as_deref()
            .and_then(|text| check_lifetime(text).map_err(|mistake| mistakes.push(mistake)).ok());
        for delegate in &self.delegates {
            mistakes.extend(check_account("delegates", delegate).err());
        }
        let Some(account) = &self.service_account else {
            for (field, given) in [
                ("lifetime", self.lifetime.is_some()),
                ("delegates", !self.delegates.is_empty()),
                ("id_token_audience", self.id_token_audience.is_some()),
                ("include_email", self.include_email.is_some()),
            ] {
                if given {
                    mistakes.push(
                        Mistake::new(field, "only works by impersonation")
                            .hint("set `service_account`, or leave it out"),
                    );
                }
            }
            return None;
        };
        mistakes.extend(check_account("service_account", account).err());
        let issue = match &self.id_token_audience {
            Some(audience) => {
                if audience.is_empty() {
                    mistakes.push(Mistake::new("id_token_audience", "is empty"));
                }
                if self.lifetime.is_some() {
                    mistakes.push(
                        Mistake::new("lifetime", "does not apply to ID tokens, which live one hour")
                            .hint("leave it out"),
                    );
                }
                Issue::IdToken { audience: audience.clone(), include_email: self.include_email.unwrap_or(true) }
            }
            None => Issue::AccessToken { lifetime },
        };
        Some(Impersonation { account: account.clone(), delegates: self.delegates.clone(), issue })
    }
}

/// A duration such as `3600s`, `90m` or `1h 30m`, in whole seconds.
pub(crate) fn check_lifetime(text: &str) -> Result<i64, Mistake> {
    let hint = format!("give a time such as `3600s` or `1h`, from {}s to {}s", LIFETIME.start(), LIFETIME.end());
    let duration: SignedDuration =
        text.parse().ok().ok_or_else(|| Mistake::new("lifetime", "is not a length of time").hint(hint.clone()))?;
    if duration.subsec_nanos() != 0 || !LIFETIME.contains(&duration.as_secs()) {
        return Err(Mistake::new("lifetime", "is out of range").hint(hint));
    }
    Ok(duration.as_secs())
}

/// A service account by e-mail or by its numeric id. It becomes part of a path, so nothing else passes.
pub(crate) fn check_account(field: &str, account: &str) -> Result<(), Mistake> {
    let numeric = !account.is_empty() && account.chars().all(|c| c.is_ascii_digit());
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let e_mail = account.split_once('@').is_some_and(|(name, domain)| {
        !name.is_empty() && name.chars().all(fits) && domain.contains('.') && domain.chars().all(fits)
    });
    if numeric || e_mail {
        return Ok(());
    }
    // A variable may have given it: nothing of it is said again.
    let hint = match account.rsplit_once('/') {
        _ if account.starts_with("serviceAccount:") => "leave `serviceAccount:` out: write its e-mail alone",
        Some((_, rest)) if rest.contains('@') => "write its e-mail alone, which stands behind the last `/`",
        _ => "write its e-mail, for instance reader@PROJECT.iam.gserviceaccount.com",
    };
    Err(Mistake::new(field, "is not the e-mail or numeric id of a service account").hint(hint))
}

#[cfg(test)]
mod tests;
