//! The workload's own identity, from the Workload API.

mod jwt;
mod x509;

use std::sync::Arc;

use carnet_core::{
    BoxFuture, Context, Error, ErrorKind, Found, Kind, Kinds, Mistake, Source, SourceConfig, Want, chain, safe_text,
};
use carnet_grpc::{ENDPOINT_VARIABLE, Endpoint, WorkloadApi};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::SpiffeId;

/// Most SPIFFE IDs or hints that a message lists.
const SHOWN: usize = 5;

/// What a Workload API answers a process that it has no identity for.
const REFUSED: &str = "PermissionDenied";

/// The SPIFFE identity of this workload, from the agent on this machine: carnet's, SPIRE's, or any other with the Workload
/// API.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spiffe {
    /// `jwt` (default): a JWT-SVID for an audience. `x509`: an X509-SVID with its private key.
    #[serde(default)]
    pub svid: SvidKind,
    /// Where the agent listens: `unix:///absolute/path` or `tcp://IP:PORT`. By default `SPIFFE_ENDPOINT_SOCKET`.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// The audience of the JWT-SVID. By default what the next step needs.
    #[serde(default)]
    pub audience: Option<String>,
    /// The identity, for a workload that has several. By default the agent's first.
    #[serde(default)]
    pub spiffe_id: Option<SpiffeId>,
    /// The operator's label of the identity, for a workload that has several. By default the agent's first.
    #[serde(default)]
    pub hint: Option<String>,
}

/// Which form of the identity is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SvidKind {
    /// A JWT-SVID.
    #[default]
    Jwt,
    /// An X509-SVID with its private key.
    X509,
}

impl SourceConfig for Spiffe {
    const NAME: &'static str = "spiffe";
    const ABOUT: &'static str = "the SPIFFE identity of this workload, from the agent on this machine";

    fn build(self) -> Result<Arc<dyn Source>, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        if let Some(Err(error)) = self.endpoint.as_deref().map(str::parse::<Endpoint>) {
            let mistake = Mistake::new("endpoint", error.to_string());
            mistakes.push(error.hints().first().map_or(mistake.clone(), |hint| mistake.hint(*hint)));
        }
        if self.audience.as_deref().is_some_and(str::is_empty) {
            let mistake = Mistake::new("audience", "is empty");
            mistakes.push(mistake.hint("leave it out to ask for what the next step needs"));
        }
        if self.svid == SvidKind::X509 && self.audience.is_some() {
            let mistake = Mistake::new("audience", "does not apply to X509-SVIDs");
            mistakes.push(mistake.hint("set `svid = \"jwt\"`, or leave it out"));
        }
        if self.spiffe_id.as_ref().is_some_and(SpiffeId::is_root) {
            let mistake = Mistake::new("spiffe_id", "names a trust domain and no workload");
            mistakes.push(mistake.hint("add the path of the workload"));
        }
        if self.hint.as_deref().is_some_and(str::is_empty) {
            mistakes.push(Mistake::new("hint", "is empty").hint("leave it out to take the agent's first identity"));
        }
        if mistakes.is_empty() { Ok(Arc::new(self)) } else { Err(mistakes) }
    }
}

impl Source for Spiffe {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn gives(&self) -> Kinds {
        match self.svid {
            SvidKind::Jwt => Kinds::of(&[Kind::Jwt]),
            SvidKind::X509 => Kinds::of(&[Kind::X509]),
        }
    }

    fn find<'a>(&'a self, context: &'a Context, want: &'a Want) -> BoxFuture<'a, Result<Found, Error>> {
        Box::pin(async move {
            let Some(endpoint) = self.endpoint.clone().or_else(|| context.env(ENDPOINT_VARIABLE)) else {
                return Ok(Found::not_here(format!("{ENDPOINT_VARIABLE} is not set")));
            };
            let found = match self.svid {
                SvidKind::Jwt => jwt::find(self, &endpoint, context, want).await,
                SvidKind::X509 => x509::find(self, &endpoint, context).await,
            };
            match found {
                // The agent is there and knows nothing of this workload.
                Err(error) if error.kind() == ErrorKind::NotHere => Ok(Found::not_here(self.absence(&error))),
                found => found,
            }
        })
    }
}

/// An identity that the agent offers.
trait Offered {
    fn spiffe_id(&self) -> &str;
    fn hint(&self) -> Option<&str>;
}

impl Spiffe {
    /// Why there is none, with causes and hints: whoever looks at several sources is told the reason and nothing else.
    fn absence(&self, error: &Error) -> String {
        let mut parts = vec![chain(error).join(": ")];
        parts.extend(error.hints().into_iter().map(ToOwned::to_owned));
        if error.provider_code() == Some(REFUSED) {
            // An agent says no more than that: which of these it is would be told to anybody who asks.
            parts.extend(self.spiffe_id.as_ref().map(|id| format!("or leave `spiffe_id` out, if {id} is not its own")));
            parts.push("or, if there is such an entry, see whether the agent is banned".to_owned());
        }
        parts.join("; ")
    }

    /// The identity that is configured, or the agent's first.
    ///
    /// # Errors
    /// [`ErrorKind::NotHere`] with what there is instead.
    fn pick<T: Offered>(&self, offered: Vec<T>) -> Result<T, Error> {
        let fits = |one: &T| {
            self.spiffe_id.as_ref().is_none_or(|id| id.as_str() == one.spiffe_id())
                && self.hint.as_deref().is_none_or(|hint| one.hint() == Some(hint))
        };
        let names: Vec<String> = offered.iter().take(SHOWN).map(described).collect();
        offered.into_iter().find(fits).ok_or_else(|| {
            let id = self.spiffe_id.as_ref().map(|id| format!(" {id}")).unwrap_or_default();
            let hint =
                self.hint.as_deref().map(|hint| format!(" with the hint {}", safe_text(hint))).unwrap_or_default();
            Error::not_here(format!("the agent gives this workload no identity{id}{hint}, but {}", names.join(", ")))
        })
    }
}

fn described<T: Offered>(one: &T) -> String {
    let id = safe_text(one.spiffe_id());
    match one.hint() {
        Some(hint) => format!("{id} (hint {})", safe_text(hint)),
        None => id,
    }
}

async fn connect(endpoint: &str) -> Result<WorkloadApi, Error> {
    WorkloadApi::connect(endpoint).await.map_err(|error| {
        Error::new(error.kind(), "reach the agent of this machine").because(error).hint(format!(
            "the address comes from `endpoint` or {ENDPOINT_VARIABLE}; start the agent, or unset it where there is none"
        ))
    })
}

/// What the agent said is not what an agent says.
fn malformed(what: &str, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::unreachable(format!("read the {what} from the agent")).because(cause)
}
