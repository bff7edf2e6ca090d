//! The routes of the manual. Each is configuration as a user writes it, and a call with what it gives.

use carnet_core::{Context, Error};
use carnet_gcp::{CredentialSource, parse_external_account};
use carnet_sandbox::{Issuer, MintRequest, ci, gcp, oci};

use super::{
    calls::{self, Call},
    report::Row,
    rotation,
    stage::{self, Stage},
    verifier,
};

/// One row.
pub(super) struct Crossing {
    pub(super) name: &'static str,
    /// The CI system whose job it plays.
    job: Option<(&'static str, Option<&'static str>)>,
    /// A token that the row finds in a file, by claims that differ from the usual job's.
    token: Option<(&'static str, &'static str)>,
    /// The route: what stands after `[route.demo]`.
    route: String,
    /// The principal that must be reached, or a part of it.
    principal: &'static str,
    shown: Shown,
    /// Whether the credential is used through the credential file that the route delivers.
    through_file: bool,
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
}

impl From<Call> for Shown {
    fn from(call: Call) -> Self {
        Self::Cloud(call)
    }
}

impl Crossing {
    pub(super) fn new(name: &'static str, route: String, principal: &'static str, shown: impl Into<Shown>) -> Self {
        Self { name, job: None, token: None, route, principal, shown: shown.into(), through_file: false }
    }

    /// A job of this CI system; `audience` is what a GitLab job's definition fixes.
    pub(super) fn job(self, system: &'static str, audience: Option<&'static str>) -> Self {
        Self { job: Some((system, audience)), ..self }
    }

    fn token(self, claim: &'static str, value: &'static str) -> Self {
        Self { token: Some((claim, value)), ..self }
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
        .token("sub", "repo:carnet-sandbox/app:environment:production"),
        Crossing::new(
            "external JWT to UPST, rule `co`: the deployment user",
            from_file(&upst()),
            oci::DEPLOY_USER,
            Call::OciListBuckets,
        )
        .token("job_workflow_ref", "carnet-sandbox/app/.github/workflows/release.yml@refs/tags/v1"),
        Crossing::new(
            "external JWT to UPST, rule `eq` with `*`: the CI user",
            from_file(&upst()),
            oci::SERVICE_USER,
            Call::OciListBuckets,
        )
        .token("sub", "repo:carnet-sandbox/app:pull_request"),
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

pub(super) fn from_file(exchange: &str) -> String {
    format!("source = {{ file = {{ path = \"${{DEMO}}/token.jwt\" }} }}\nthrough = [{exchange}]")
}

pub(super) fn upst() -> String {
    format!(
        "{{ oci-upst = {{ url = \"{url}\", client_id = \"{}\", client_secret_env = \"CLIENT_SECRET\", audience = \"{url}\" }} }}",
        oci::EXCHANGE_CLIENT_ID,
        url = oci::DOMAIN_URL,
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

async fn play(stage: &Stage, crossing: &Crossing, row: &mut Row) -> Result<(), Error> {
    if let Some((claim, value)) = crossing.token {
        let request = MintRequest::new(Issuer::Github, oci::DOMAIN_URL).claim(claim, value);
        stage.put_token("token.jwt", &request)?;
    }
    if !matches!(crossing.shown, Shown::Cloud(_)) {
        stage.domain().await?;
    }
    let context = stage.context(crossing.job)?;
    run(stage, &context, &format!("version = 1\n[route.demo]\n{}\n", crossing.route), crossing, row).await?;
    if crossing.through_file {
        let route = from_credential_file(stage, &context)?;
        run(stage, &context, &route, crossing, row).await?;
    }
    let reached = row.principal.as_deref().unwrap_or_default();
    if !reached.contains(crossing.principal) {
        return Err(Error::internal(format!("reach {}: the principal is {reached}", crossing.principal)));
    }
    Ok(())
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
    if crossing.through_file && !route.deliveries().is_empty() {
        return Ok(());
    }
    row.call = Some(match crossing.shown {
        Shown::Cloud(call) => calls::make(call, context, &run.credential).await?,
        Shown::Verifier => verifier::show(stage.domain().await?, context, &run.credential).await?,
        Shown::VerifierMeanwhile => rotation::during(stage.domain().await?, context, &route, &run.credential).await?,
    });
    Ok(())
}

/// The route that a Google library takes when it reads the credential file: the subject token from its file, the token
/// service, impersonation.
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
