//! Names of workload and workforce identity providers.

use std::fmt;

use carnet_core::Mistake;

/// The universe of the public cloud. Others (sovereign clouds) have the same hosts under another domain.
pub(crate) const DEFAULT_UNIVERSE: &str = "googleapis.com";

/// The full resource name of an identity provider, of any universe and as strict as Google documents it: the `audience`
/// parameter of the token exchange. [`crate::trust::ProviderName`] is what the emulated token service makes of one. Not
/// to be mixed up with the `aud` claim of the subject token, which [`ProviderResource::default_subject_audience`] gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderResource {
    universe: String,
    owner: Owner,
    pool: String,
    provider: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Owner {
    /// A workload identity pool lives in a project, which is named by its number.
    Project(String),
    /// A workforce identity pool lives in an organisation.
    Workforce,
}

impl ProviderResource {
    /// Parses `//iam.googleapis.com/projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER`, or the
    /// workforce form `//iam.googleapis.com/locations/global/workforcePools/POOL/providers/PROVIDER`.
    ///
    /// # Errors
    /// The first mistake, with the field `audience` and how to write it.
    pub fn parse(text: &str, universe: &str) -> Result<Self, Mistake> {
        let host = format!("//iam.{universe}/");
        let Some(path) = text.strip_prefix(&host) else { return Err(wrong_start(text, &host)) };
        let parts: Vec<&str> = path.split('/').collect();
        let (owner, pool, provider) = match parts.as_slice() {
            ["projects", project, "locations", location, "workloadIdentityPools", pool, "providers", provider] => {
                check_project(project, text)?;
                check_location(location)?;
                (Owner::Project((*project).to_owned()), *pool, *provider)
            }
            ["locations", location, "workforcePools", pool, "providers", provider] => {
                check_location(location)?;
                (Owner::Workforce, *pool, *provider)
            }
            [.., "workloadIdentityPools" | "workforcePools", _] => {
                return Err(mistake("names a pool, not a provider").hint("append `/providers/PROVIDER`"));
            }
            _ => {
                return Err(mistake("is not the full resource name of an identity provider").hint(format!(
                    "write {host}projects/PROJECT_NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER"
                )));
            }
        };
        check_id("pool", pool)?;
        check_id("provider", provider)?;
        Ok(Self { universe: universe.to_owned(), owner, pool: pool.to_owned(), provider: provider.to_owned() })
    }

    /// The audience that a subject token must name when the provider lists no audiences of its own: its name with
    /// `https:` before it. `None` for workforce pools, where it is the client id that the provider was given.
    pub fn default_subject_audience(&self) -> Option<String> {
        match self.owner {
            Owner::Project(_) => Some(format!("https:{self}")),
            Owner::Workforce => None,
        }
    }

    /// Whether it belongs to a workforce pool.
    pub fn is_workforce(&self) -> bool {
        self.owner == Owner::Workforce
    }

    /// The IAM policy member for a subject of the pool ("Principal identifiers", cloud.google.com). The provider is not
    /// part of it.
    pub fn principal(&self, subject: &str) -> String {
        format!("principal:{}/subject/{subject}", self.pool_name())
    }

    fn pool_name(&self) -> String {
        let Self { universe, owner, pool, .. } = self;
        match owner {
            Owner::Project(number) => {
                format!("//iam.{universe}/projects/{number}/locations/global/workloadIdentityPools/{pool}")
            }
            Owner::Workforce => format!("//iam.{universe}/locations/global/workforcePools/{pool}"),
        }
    }
}

impl fmt::Display for ProviderResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/providers/{}", self.pool_name(), self.provider)
    }
}

fn mistake(message: impl Into<String>) -> Mistake {
    Mistake::new("audience", message)
}

fn wrong_start(text: &str, host: &str) -> Mistake {
    let without_scheme = text.strip_prefix("https:").or_else(|| text.strip_prefix("http:"));
    if let Some(name) = without_scheme.filter(|name| name.starts_with(host)) {
        return mistake("is the audience of the subject token (`https://iam…`), not the provider's name").hint(
            format!("write {name} here; if the subject token needs another audience, say so in `subject_audience`"),
        );
    }
    if text.trim_start_matches('/').starts_with("projects/") || text.starts_with("locations/") {
        let path = text.trim_start_matches('/');
        return mistake("lacks the service's name at its start").hint(format!("write {host}{path}"));
    }
    if text.starts_with("principal:") || text.starts_with("principalSet:") {
        return mistake("is a member of an IAM policy, not the name of a provider")
            .hint("copy the provider's name from `gcloud iam workload-identity-pools providers describe`");
    }
    if text.starts_with("//iam.") {
        return mistake(format!("is of another universe than {}", host.trim_matches('/').trim_start_matches("iam.")))
            .hint("set `universe_domain` to what stands after `//iam.`");
    }
    mistake("is not the full resource name of an identity provider").hint(format!(
        "write {host}projects/PROJECT_NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER"
    ))
}

fn check_project(project: &str, whole: &str) -> Result<(), Mistake> {
    if !project.is_empty() && project.chars().all(|c| c.is_ascii_digit()) {
        return Ok(());
    }
    let project = carnet_core::safe_text(project);
    let right = carnet_core::safe_text(&whole.replacen(&format!("/{project}/"), "/PROJECT_NUMBER/", 1));
    Err(mistake(format!("names the project by its id `{project}`; the token service wants the number")).hint(format!(
        "find it with `gcloud projects describe {project} --format='value(projectNumber)'` and write {right}"
    )))
}

fn check_location(location: &str) -> Result<(), Mistake> {
    if location == "global" {
        return Ok(());
    }
    Err(mistake("names a location other than `global`, and there is no other").hint("write `locations/global`"))
}

/// Letters, digits and dashes; dots occur in the pools that Google makes for clusters (`PROJECT.svc.id.goog`).
fn check_id(what: &str, id: &str) -> Result<(), Mistake> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | ':');
    if !id.is_empty() && id.chars().all(fits) {
        return Ok(());
    }
    Err(mistake(format!("has a {what} id that is not of lower-case letters, digits and dashes"))
        .hint("copy it from `gcloud iam workload-identity-pools providers describe`"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAME: &str =
        "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/github/providers/github";

    fn refused(text: &str) -> Mistake {
        ProviderResource::parse(text, DEFAULT_UNIVERSE).unwrap_err()
    }

    #[test]
    fn a_workload_provider_knows_its_audience_and_principals() {
        let name = ProviderResource::parse(NAME, DEFAULT_UNIVERSE).unwrap();
        assert_eq!(name.to_string(), NAME);
        assert_eq!(name.default_subject_audience().unwrap(), format!("https:{NAME}"));
        assert_eq!(
            name.principal("repo:a/b"),
            "principal://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/github/subject/repo:a/b"
        );
    }

    #[test]
    fn a_workforce_provider_has_no_default_audience() {
        let text = "//iam.googleapis.com/locations/global/workforcePools/staff/providers/sso";
        let name = ProviderResource::parse(text, DEFAULT_UNIVERSE).unwrap();
        assert_eq!((name.to_string().as_str(), name.default_subject_audience()), (text, None));
    }

    #[test]
    fn rejects_the_audience_of_the_subject_token() {
        let mistake = refused(&format!("https:{NAME}"));
        assert!(mistake.hint.unwrap().contains(&format!("write {NAME} here")));
    }

    #[test]
    fn rejects_project_id() {
        let mistake = refused(&NAME.replace("123456789012", "carnet-sandbox"));
        assert!(mistake.message.contains("`carnet-sandbox`"), "{mistake:?}");
        assert!(mistake.hint.unwrap().contains("gcloud projects describe carnet-sandbox"));
    }

    #[test]
    fn rejects_name_without_host() {
        let mistake = refused(NAME.trim_start_matches("//iam.googleapis.com/"));
        assert_eq!(mistake.hint.unwrap(), format!("write {NAME}"));
    }

    #[test]
    fn rejects_pool_without_provider() {
        assert!(refused(NAME.trim_end_matches("/providers/github")).message.contains("a pool"));
    }

    #[test]
    fn rejects_other_location() {
        assert!(refused(&NAME.replace("global", "us-east1")).message.contains("location"));
    }

    #[test]
    fn rejects_other_universe() {
        assert!(refused(&NAME.replace("googleapis.com", "example.cloud")).message.contains("universe"));
    }

    #[test]
    fn rejects_member_of_a_policy() {
        assert!(refused("principal://iam.googleapis.com/projects/1/x").message.contains("member"));
    }

    proptest! {
        #[test]
        fn never_panics_and_prints_what_it_read(text in "(https:)?(//iam.googleapis.com/)?.{0,120}") {
            if let Ok(name) = ProviderResource::parse(&text, DEFAULT_UNIVERSE) {
                prop_assert_eq!(name.to_string(), text);
            }
        }
    }
}
