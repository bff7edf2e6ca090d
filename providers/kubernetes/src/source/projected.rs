//! Tokens that the kubelet writes into the pod, where Kubernetes and the clouds' webhooks have it put them.

use std::path::PathBuf;

use carnet_core::{Context, Credential, Error, Secret};
use carnet_jose::SubjectToken;

use super::credential;
use crate::{
    Bound,
    api::{HOST, TOKEN},
    file::{Place, token_of},
};

/// Variables that name a token file, and whose they are: "IAM roles for service accounts" and "EKS Pod Identity" (EKS),
/// "Workload identity" (AKS). The first is also set where no Kubernetes is; the token tells.
const VARIABLES: [(&str, &str); 3] = [
    ("AWS_WEB_IDENTITY_TOKEN_FILE", "EKS (IAM roles for service accounts)"),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "EKS (Pod Identity)"),
    ("AZURE_FEDERATED_TOKEN_FILE", "AKS (workload identity)"),
];
/// Where fleets of GKE project theirs ("Authenticate to Google Cloud from fleet workloads"). GKE itself has a metadata server in
/// place of files: the source `gcp-metadata`.
const FLEET: (&str, &str) = ("/var/run/secrets/tokens/gcp-ksa/token", "GKE (fleet workload identity)");
/// Where every pod has one, for the API server.
const POD: (&str, &str) = (TOKEN, "Kubernetes");

/// What was found.
pub(super) enum Looked {
    /// A token for the audience.
    Found(Box<Credential>),
    /// There is no token at all, and why.
    NotHere(String),
    /// There are tokens, and none of them will do.
    Unfit(Error),
}

/// A token that could be the one.
struct Candidate {
    token: SubjectToken,
    /// Where it is, for people.
    shown: String,
    /// Whose convention that is.
    place: &'static str,
}

/// The first token that is for the audience; without one, that of the pod itself before those that are for somebody.
pub(super) fn look(context: &Context, file: Option<&Place>, audience: Option<&str>) -> Result<Looked, Error> {
    if let Some(file) = file {
        let Some(bytes) = file.read(context)? else {
            return Ok(Looked::NotHere(format!("there is no file {}", file.shown())));
        };
        let candidate = Candidate::of(token_of(&bytes, &file.shown())?, file.shown(), "Kubernetes")?;
        return Ok(candidate.judged(context, audience).map_or_else(Looked::Unfit, Looked::found));
    }
    // The variables of the clouds are set elsewhere too, for instance in jobs of CI systems.
    if context.env(HOST).is_none() {
        return Ok(Looked::NotHere(format!("{HOST} is not set: this is no pod of Kubernetes")));
    }
    let mut unfit: Option<Error> = None;
    let mut candidates = candidates(context)?;
    if audience.is_none() {
        candidates.sort_by_key(|candidate| candidate.place != POD.1);
    }
    for candidate in candidates {
        match candidate.judged(context, audience) {
            Ok(credential) => return Ok(Looked::found(credential)),
            // The last is the pod's own: the one that whoever projects nothing else has.
            Err(error) => unfit = Some(error),
        }
    }
    Ok(match unfit {
        Some(error) => Looked::Unfit(error),
        None => Looked::NotHere(format!("no token is projected into this pod: {TOKEN} does not exist")),
    })
}

/// All that there are. What a variable names must be there; what no service account signed is passed over.
fn candidates(context: &Context) -> Result<Vec<Candidate>, Error> {
    let mut found = Vec::new();
    for (variable, place) in VARIABLES {
        let Some(path) = context.env(variable) else { continue };
        let file = Place::Named(PathBuf::from(path));
        let shown = format!("{} ({variable})", file.shown());
        let Some(bytes) = file.read(context)? else {
            return Err(Error::configuration(format!("read {shown}: it does not exist"))
                .hint("the webhook projects it; look at the volumes of the pod"));
        };
        // A web identity of another place, for instance of a CI job, is nobody's mistake here.
        if let Ok(candidate) = token_of(&bytes, &shown).and_then(|token| Candidate::of(token, shown, place)) {
            found.push(candidate);
        }
    }
    for (path, place) in [FLEET, POD] {
        let file = Place::Usual(path);
        if let Some(bytes) = file.read(context)? {
            found.push(Candidate::of(token_of(&bytes, &file.shown())?, file.shown(), place)?);
        }
    }
    Ok(found)
}

impl Looked {
    fn found(credential: Credential) -> Self {
        Self::Found(Box::new(credential))
    }
}

impl Candidate {
    /// Reads a token of a service account.
    fn of(token: Secret, shown: String, place: &'static str) -> Result<Self, Error> {
        let attempt = || Error::configuration(format!("use the token in {shown}"));
        let token = SubjectToken::parse(token)
            .map_err(|error| attempt().because(error).hint("it holds one token and nothing else"))?;
        Bound::of_claims(token.unverified_claims()).map_err(|refusal| attempt().because(Error::from(*refusal)))?;
        Ok(Self { token, shown, place })
    }

    /// The credential, if it is for the audience and in time.
    fn judged(self, context: &Context, audience: Option<&str>) -> Result<Credential, Error> {
        let what = format!("the token in {}", self.shown);
        self.token.refuse_other_audience(&what, audience).map_err(|error| {
            error.hint("project a token with this audience (serviceAccountToken in a projected volume), or let the API server be asked for one")
        })?;
        self.token.refuse_expired(&what, context.now())?;
        Ok(credential(self.token, context.now()).fact("place", self.place))
    }
}
