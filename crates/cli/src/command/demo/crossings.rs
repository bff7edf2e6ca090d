//! The routes of the manual. Each is configuration as a user writes it, and a call with what it gives.

mod credential_file;

use carnet_core::{Context, Credential, Error};
use carnet_gcp::{CredentialSource, parse_external_account};
use carnet_sandbox::{Issuer, MintRequest, ci, gcp, oci};
use carnet_trust::Decision;

use super::{
    calls::{self, Call},
    report::Row,
    rotation,
    stage::{self, PodName, Stage, TOKEN},
    tokens::{self, Life},
    verifier,
};

/// One row.
pub(super) struct Crossing {
    pub(super) name: &'static str,
    /// The CI system whose job it plays.
    job: Option<(&'static str, Option<&'static str>)>,
    /// The pod of an emulated cluster that it plays in.
    place: Option<PodName>,
    /// A token that the row finds in a file.
    token: Option<Token>,
    /// Whether it needs the trust domain.
    domain: bool,
    /// The route: what stands after `[route.demo]`.
    route: String,
    /// The principal that must be reached, or a part of it.
    principal: &'static str,
    shown: Shown,
    /// Whether the credential is used through the credential file that the route delivers.
    through_file: bool,
}

/// A token in a file.
enum Token {
    /// Of a CI system's job.
    Job(MintRequest),
    /// Of a pod of the cluster.
    Pod { service_account: &'static str, audience: String },
}

/// To whom the credential is shown, to see that it works.
#[derive(Clone, Copy)]
pub(super) enum Shown {
    /// The cloud that it is for.
    Cloud(Call),
    /// Somebody who knows its issuer by URL only.
    Verifier,
    /// The same while the issuer's keys rotate.
    VerifierMeanwhile,
    /// A resource server that asks the authority about the access token.
    ResourceServer(Life),
}

impl From<Call> for Shown {
    fn from(call: Call) -> Self {
        Self::Cloud(call)
    }
}

impl Crossing {
    pub(super) fn new(name: &'static str, route: String, principal: &'static str, shown: impl Into<Shown>) -> Self {
        let shown = shown.into();
        let domain = !matches!(shown, Shown::Cloud(_));
        Self { name, job: None, place: None, token: None, domain, route, principal, shown, through_file: false }
    }

    /// One that needs the trust domain.
    pub(super) fn in_domain(self) -> Self {
        Self { domain: true, ..self }
    }

    /// A job of this CI system; `audience` is what a GitLab job's definition fixes.
    pub(super) fn job(self, system: &'static str, audience: Option<&'static str>) -> Self {
        Self { job: Some((system, audience)), ..self }
    }

    /// In this pod of an emulated cluster.
    pub(super) fn within(self, cluster: &'static str, name: &'static str) -> Self {
        Self { place: Some(PodName { cluster, name }), ..self }
    }

    /// A job whose token lies in a file.
    pub(super) fn token(self, request: MintRequest) -> Self {
        Self { token: Some(Token::Job(request)), ..self }
    }

    /// A pod with this service account, whose token is for this audience.
    pub(super) fn pod(self, service_account: &'static str, audience: String) -> Self {
        Self { token: Some(Token::Pod { service_account, audience }), ..self }
    }
}

/// All rows, in order.
pub(super) fn all() -> Vec<Crossing> {
    vec![
        Crossing::new(
            "GitHub JWT to UPST to object storage",
            format!("source = \"github-actions\"\nthrough = [{}]", upst()),
            oci::SERVICE_USER,
            Call::OciListBuckets,
        )
        .job("github", None),
        Crossing::new(
            "GitLab JWT to RPST, claims used in a policy",
            format!("source = \"gitlab-ci\"\nthrough = [{}]", rpst()),
            ci::GITLAB_SUBJECT,
            Call::OciPutObject("from-gitlab.json"),
        )
        .job("gitlab", Some(oci::DOMAIN_URL)),
        Crossing::new(
            "external JWT to UPST, rule `eq`: the deployment user",
            from_file(&upst()),
            oci::DEPLOY_USER,
            Call::OciListBuckets,
        )
        .token(usual("sub", "repo:carnet-sandbox/app:environment:production")),
        Crossing::new(
            "external JWT to UPST, rule `co`: the deployment user",
            from_file(&upst()),
            oci::DEPLOY_USER,
            Call::OciListBuckets,
        )
        .token(usual("job_workflow_ref", "carnet-sandbox/app/.github/workflows/release.yml@refs/tags/v1")),
        Crossing::new(
            "external JWT to UPST, rule `eq` with `*`: the CI user",
            from_file(&upst()),
            oci::SERVICE_USER,
            Call::OciListBuckets,
        )
        .token(usual("sub", "repo:carnet-sandbox/app:pull_request")),
        Crossing::new(
            "instance principal to identity domain to Google to buckets",
            format!("source = \"oci-instance\"\nthrough = [{}, {}]", domain(), google("")),
            oci::INSTANCE,
            Call::GoogleListBuckets,
        ),
        Crossing::new(
            "resource principal to identity domain to Google, impersonating",
            format!("source = \"oci-resource\"\nthrough = [{}, {}]", domain(), google(&impersonate())),
            gcp::READER,
            Call::GoogleListBuckets,
        ),
        Crossing {
            through_file: true,
            ..Crossing::new(
                "the same through an external_account file",
                format!(
                    "source = \"oci-resource\"\nthrough = [{}]\ndeliver = [{{ gcp-credential-file = {{ path = \
                     \"${{DEMO}}/google.json\", audience = \"{}\", service_account = \"{}\" }} }}]",
                    domain(),
                    gcp::audience(gcp::ORACLE),
                    gcp::READER
                ),
                gcp::READER,
                Call::GoogleListBuckets,
            )
        },
        Crossing::new(
            "GitHub JWT to Google, no service account",
            format!(
                "source = \"github-actions\"\nthrough = [{{ gcp = {{ audience = \"{}\" }} }}]",
                gcp::audience(gcp::GITHUB)
            ),
            ci::GITHUB_SUBJECT,
            Call::GoogleListBuckets,
        )
        .job("github", None),
    ]
}

/// The token of the usual job, for the identity domain, but for this claim.
fn usual(claim: &str, value: &str) -> MintRequest {
    MintRequest::new(Issuer::Github, oci::DOMAIN_URL).claim(claim, value)
}

pub(super) fn from_file(exchange: &str) -> String {
    format!("source = {{ file = {{ path = \"${{DEMO}}/{TOKEN}\" }} }}\nthrough = [{exchange}]")
}

pub(super) fn upst() -> String {
    upst_for(oci::DOMAIN_URL)
}

/// The exchange with OCI of a token for this audience.
pub(super) fn upst_for(audience: &str) -> String {
    format!(
        "{{ oci-upst = {{ url = \"{}\", client_id = \"{}\", client_secret_env = \"CLIENT_SECRET\", audience = \"{audience}\" }} }}",
        oci::DOMAIN_URL,
        oci::EXCHANGE_CLIENT_ID,
    )
}

fn rpst() -> String {
    format!(
        "{{ oci-rpst = {{ url = \"{url}\", res_type = \"{}\", client_id = \"{}\", client_secret_env = \"CLIENT_SECRET\", \
         audience = \"{url}\" }} }}",
        oci::GITLAB_RESOURCE,
        oci::EXCHANGE_CLIENT_ID,
        url = oci::DOMAIN_URL,
    )
}

fn domain() -> String {
    format!("{{ oci-domain = {{ url = \"{}\" }} }}", oci::DOMAIN_URL)
}

fn google(more: &str) -> String {
    format!("{{ gcp = {{ audience = \"{}\"{more} }} }}", gcp::audience(gcp::ORACLE))
}

fn impersonate() -> String {
    format!(", service_account = \"{}\"", gcp::READER)
}

/// Plays a row.
pub(super) async fn cross(stage: &Stage, crossing: &Crossing) -> Row {
    let mut row = Row::new(crossing.name);
    if let Err(error) = play(stage, crossing, &mut row).await {
        row.error = Some(error);
    }
    row
}

/// Tries one that is to be refused; the error is the refusal.
pub(super) async fn attempt(stage: &Stage, crossing: &Crossing) -> Result<(), Error> {
    play(stage, crossing, &mut Row::new(crossing.name)).await
}

async fn play(stage: &Stage, crossing: &Crossing, row: &mut Row) -> Result<(), Error> {
    match &crossing.token {
        Some(Token::Job(request)) => drop(stage.put_token(TOKEN, request)?),
        Some(Token::Pod { service_account, audience }) => stage.put_pod_token(service_account, audience)?,
        None => {}
    }
    if crossing.domain {
        stage.domain().await?;
    }
    let context = match &crossing.place {
        Some(pod) => stage.context_in(pod)?,
        None => stage.context(crossing.job)?,
    };
    let before = stage.sandbox.world().decisions.count();
    run(stage, &context, &format!("version = 1\n[route.demo]\n{}\n", crossing.route), crossing, row).await?;
    if crossing.through_file {
        // As carnet reads the file, and then as somebody else does, whose credential is shown.
        let route = from_credential_file(stage, &context)?;
        run(stage, &context, &route, crossing, row).await?;
        let credential = credential_file::use_file(stage.folder().join("google.json"), &context).await?;
        show(stage, &context, crossing, &credential, row).await?;
    }
    // Whom a cloud takes the caller for is known to that cloud only: what its emulator decided counts, not what the client
    // supposes. The verifier has compared for itself.
    if matches!(crossing.shown, Shown::Cloud(_)) {
        row.principal = decided(stage, before);
    }
    check_principal(crossing.principal, row.principal.as_deref().unwrap_or_default(), row.assumed())
}

/// Whether the principal that was reached is the one wanted, and the one that the client supposed, if it had to.
fn check_principal(wanted: &str, reached: &str, assumed: Option<&str>) -> Result<(), Error> {
    if !reached.contains(wanted) {
        return Err(Error::internal(format!("reach {wanted}: the principal is {reached}")));
    }
    match assumed.filter(|assumed| *assumed != reached) {
        Some(assumed) => Err(Error::internal(format!("assume the principal {assumed}: it is {reached}"))),
        None => Ok(()),
    }
}

/// The principal of the last decision after number `before` that allowed something.
fn decided(stage: &Stage, before: u64) -> Option<String> {
    stage.sandbox.world().decisions.since(before).into_iter().rev().find_map(|one| match one.decision {
        Decision::Allow(grant) => Some(grant.principal),
        Decision::Refuse(_) => None,
    })
}

async fn run(stage: &Stage, context: &Context, text: &str, crossing: &Crossing, row: &mut Row) -> Result<(), Error> {
    let route = stage::route(text, context)?;
    let run = match route.run(context).await {
        Ok(run) => run,
        Err(failure) => {
            row.hops.extend(failure.hops);
            return Err(failure.error);
        }
    };
    row.reached(&run);
    route.deliver(context, &run.credential).await?;
    if crossing.through_file {
        return Ok(());
    }
    row.call = Some(match crossing.shown {
        Shown::VerifierMeanwhile => rotation::during(stage.domain().await?, context, &route, &run.credential).await?,
        Shown::Cloud(_) | Shown::Verifier | Shown::ResourceServer(_) => {
            return show(stage, context, crossing, &run.credential, row).await;
        }
    });
    Ok(())
}

/// Shows the credential to whom it is for.
async fn show(
    stage: &Stage,
    context: &Context,
    crossing: &Crossing,
    credential: &Credential,
    row: &mut Row,
) -> Result<(), Error> {
    row.call = Some(match crossing.shown {
        Shown::Cloud(call) => calls::make(call, context, credential).await?,
        Shown::ResourceServer(life) => tokens::live(stage.domain().await?, context, credential, life, row).await?,
        Shown::Verifier | Shown::VerifierMeanwhile => {
            verifier::show(stage.domain().await?, context, credential).await?
        }
    });
    Ok(())
}

/// The route that carnet reads from the credential file.
fn from_credential_file(stage: &Stage, context: &Context) -> Result<String, Error> {
    let path = stage.folder().join("google.json");
    let bytes = context.files.read(&path, 1 << 16)?.ok_or_else(|| Error::internal("find the credential file"))?;
    let file = parse_external_account(bytes.expose())
        .map_err(|mistakes| Error::internal(format!("read the credential file: {} mistakes", mistakes.len())))?;
    let (CredentialSource::File { path, .. }, Some(email)) = (&file.source, &file.service_account) else {
        return Err(Error::internal("find the subject token's file and the service account in the credential file"));
    };
    Ok(format!(
        "version = 1\n[route.demo]\nsource = {{ file = {{ path = \"{}\" }} }}\nthrough = [{{ gcp = {{ audience = \"{}\", \
         token_url = \"{}\", service_account = \"{email}\", subject_audience = \"{}\" }} }}]\n",
        path.display(),
        file.audience,
        file.token_url,
        oci::DOMAIN_URL,
    ))
}

#[cfg(test)]
mod tests {
    use super::check_principal;

    #[test]
    fn a_principal_passes_only_as_the_cloud_has_seen_it() {
        let seen = "principal://pool/subject/repo:a";
        check_principal("repo:a", seen, None).unwrap();
        check_principal("repo:a", seen, Some(seen)).unwrap();
        check_principal("repo:b", seen, Some("principal://pool/subject/repo:b")).unwrap_err();
        check_principal("repo:a", seen, Some("principal://other/subject/repo:a")).unwrap_err();
        check_principal("repo:a", "", None).unwrap_err();
    }
}
