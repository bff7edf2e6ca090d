//! The identity of this place, whichever it is.

use std::sync::Arc;

use carnet_core::{Context, Credential, Error, Found, Kinds, Material, Mistake, Source, Want};
use futures_util::{StreamExt, future, stream::FuturesOrdered};
use serde::Serialize;

use crate::registry::Registry;

/// Sources that need no field but are not the identity of a place: a person has put them on the disk. `auto` would
/// otherwise let a job act as whoever once logged in on the machine. `carnet whoami` shows them all the same.
const PERSONAL: &[&str] = &["oci-config"];

/// Tries every source that needs no setting, in the order of the registry: what was given to this very job (a CI
/// job's token) before what belongs to the machine (its metadata service).
///
/// - The first identity in that order wins, also when a later one answers sooner.
/// - A source that can only give what the next step does not take is passed over.
/// - An identity that is there but broken **stops** the search with its error. Going on would let the job act as somebody
///   else, with other rights, because of a passing failure.
#[derive(Clone, Debug)]
pub struct Auto {
    candidates: Vec<Arc<dyn Source>>,
    takes: Kinds,
    /// Why others are not tried.
    passed_over: Vec<(&'static str, String)>,
}

impl Auto {
    /// Its name in configuration.
    pub const NAME: &str = "auto";

    /// All sources of the registry that can be built without a field.
    pub fn new(registry: &Registry) -> Self {
        let (mut candidates, mut passed_over) = (Vec::new(), Vec::new());
        for (name, source) in bare(registry) {
            match source {
                Ok(_) if PERSONAL.contains(&name) => {
                    let why = format!("it belongs to a person; to use it, write source = \"{name}\"");
                    passed_over.push((name, why));
                }
                Ok(source) => candidates.push(source),
                Err(why) => passed_over.push((name, why)),
            }
        }
        Self { candidates, takes: Kinds::ANY, passed_over }
    }

    /// These sources, in this order. For programs that choose themselves what counts as the identity of their place.
    pub fn of(candidates: Vec<Arc<dyn Source>>) -> Self {
        Self { candidates, takes: Kinds::ANY, passed_over: Vec::new() }
    }

    /// Leaves out the sources that can only give what the next step does not take.
    pub(crate) fn only_for(mut self, takes: Kinds) -> Self {
        let (fit, misfit): (Vec<_>, Vec<_>) =
            self.candidates.into_iter().partition(|source| source.gives().meets(takes));
        let why = |source: &Arc<dyn Source>| {
            (source.name(), format!("it gives {}, and the next step takes {takes}", source.gives()))
        };
        self.passed_over.extend(misfit.iter().map(why));
        self.candidates = fit;
        self.takes = takes;
        self
    }

    /// Whether there is nothing to try.
    pub(crate) fn is_empty(&self) -> bool {
        self.candidates.is_empty()
    }

    /// The first identity in order, with the name of its source; or the error, with the source that is broken.
    pub(crate) async fn find(
        &self,
        context: &Context,
        want: &Want,
    ) -> Result<(&'static str, Credential), (Option<&'static str>, Error)> {
        let mut skipped = self.passed_over.clone();
        // All are asked at once, and answers are looked at in order: dropping the rest stops it.
        let mut answers: FuturesOrdered<_> = self
            .candidates
            .iter()
            .map(|source| async move { (source.name(), source.find(context, want).await) })
            .collect();
        while let Some((name, answer)) = answers.next().await {
            match answer {
                Ok(Found::Credential(credential)) if self.takes.contains(credential.kind()) => {
                    tracing::info!(route.source = name, "found the identity of this place");
                    return Ok((name, *credential));
                }
                Ok(Found::Credential(credential)) => {
                    let kind = credential.kind();
                    skipped.push((name, format!("it gave {kind}, and the next step takes {}", self.takes)));
                }
                Ok(Found::NotHere(reason)) => skipped.push((name, reason)),
                Err(error) => {
                    let hint = format!(
                        "`auto` goes no further when an identity is there but broken; to use another in place of {name}, \
                         name it: source = \"…\""
                    );
                    return Err((Some(name), error.hint(hint)));
                }
            }
        }
        let mut error = Error::not_here("find an identity in this place");
        for (name, reason) in skipped {
            error = error.hint(format!("{name}: {reason}"));
        }
        Err((None, error.hint("name a source in the route, or run this where the workload has an identity")))
    }
}

/// What one source had to say.
#[derive(Debug, Serialize)]
pub struct Looked {
    /// The source.
    pub source: &'static str,
    /// What it found.
    pub identity: Identity,
    /// Whether `auto` would take it, were it the first.
    pub ambient: bool,
}

/// What a source found. Safe to show.
#[derive(Debug, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Identity {
    /// An identity that is there but cannot be used.
    Broken {
        /// Why, outermost first.
        #[serde(serialize_with = "messages")]
        error: Error,
    },
    /// A credential.
    Found {
        /// Its kind.
        kind: carnet_core::Kind,
        /// Facts about it.
        facts: std::collections::BTreeMap<&'static str, String>,
        /// When it ends, if known.
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_at: Option<jiff::Timestamp>,
        /// The token itself, if it is a JWT, for whoever reads its claims. It is not among what is shown.
        #[serde(skip)]
        jwt: Option<carnet_core::Secret>,
    },
    /// It was not asked: its name alone does not say enough.
    Skipped {
        /// What is missing.
        reason: String,
    },
    /// This place does not give it.
    NotHere {
        /// Why.
        reason: String,
    },
}

/// Asks every source that needs no setting, all at once: what `carnet whoami` shows. In the order of the registry. Left out are
/// those that have a field without which they are nothing, such as the path of a file.
pub async fn find_all(registry: &Registry, context: &Context, want: &Want) -> Vec<Looked> {
    let sources = bare(registry);
    let looks = sources.iter().map(|(name, source)| async move {
        let identity = match source {
            Ok(source) => identity(&**source, context, want).await,
            Err(reason) => Identity::Skipped { reason: reason.clone() },
        };
        Looked { source: name, identity, ambient: source.is_ok() && !PERSONAL.contains(name) }
    });
    future::join_all(looks).await
}

async fn identity(source: &dyn Source, context: &Context, want: &Want) -> Identity {
    match source.find(context, want).await {
        Ok(Found::Credential(credential)) => Identity::Found {
            kind: credential.kind(),
            facts: credential.facts.clone(),
            expires_at: credential.expires_at,
            jwt: match &credential.material {
                Material::Jwt(token) => Some(token.clone()),
                _ => None,
            },
        },
        Ok(Found::NotHere(reason)) => Identity::NotHere { reason },
        Err(error) => Identity::Broken { error },
    }
}

/// A source that is named without a field as it then is, or why it cannot be asked like that.
type Bare = Result<Arc<dyn Source>, String>;

/// The sources for which no field is required.
fn bare(registry: &Registry) -> Vec<(&'static str, Bare)> {
    let built = registry.sources().iter().filter_map(|entry| Some((entry.name(), entry.build_bare()?)));
    built.map(|(name, source)| (name, source.map_err(|mistakes| more(name, &mistakes)))).collect()
}

/// What has to be said beside the name of a source.
fn more(name: &str, mistakes: &[Mistake]) -> String {
    let needs = mistakes.iter().map(|Mistake { field, message, hint, .. }| match hint {
        Some(hint) => format!("{field} {message} ({hint})"),
        None => format!("{field} {message}"),
    });
    let needs = needs.collect::<Vec<_>>().join("; ");
    format!("its name alone does not say enough: {needs}; to use it, write source = {{ {name} = {{ … }} }}")
}

fn messages<S: serde::Serializer>(error: &Error, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(carnet_core::chain(error))
}
