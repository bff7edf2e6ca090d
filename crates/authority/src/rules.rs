//! Trust rules from files and from the store, as one set.

mod told;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use carnet_core::{Context, Error, FileMistake, Mistake};
use carnet_issuer::{Rule, RuleSet, TrustedIssuer};
use carnet_ops::{Component, FileWatch};
use carnet_spiffe::TrustDomain;
use carnet_store::{ObjectKind, Store};
use serde::Deserialize;
use tokio::sync::{Mutex, Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::files::toml_files;
use told::{warn, warnings};

/// Largest file of rules, in bytes.
const MAX_FILE: usize = 1 << 20;

/// After a change of the store it waits this long, so that many changes are one.
const SETTLE: Duration = Duration::from_millis(50);

/// What a file of rules holds.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleFile {
    #[serde(default)]
    rule: Vec<Rule>,
    #[serde(default)]
    issuer: Vec<TrustedIssuer>,
}

/// Where rules come from, and the set that counts.
#[derive(Debug)]
pub struct Rules {
    paths: Vec<PathBuf>,
    store: Arc<dyn Store>,
    context: Context,
    ground: Ground,
    set: watch::Sender<Arc<RuleSet>>,
    /// What the set was made of.
    taken: Mutex<Gathered>,
    again: Notify,
}

/// What is settled before there is a rule.
#[derive(Clone, Debug)]
pub struct Ground {
    /// The trust domain of the identities that rules give.
    pub trust_domain: TrustDomain,
    /// `iss` of the clusters whose service accounts are believed: the configuration says how their tokens are verified, and nothing else may.
    pub cluster_issuers: Vec<String>,
    /// Whether callers come by a proxy that is not believed when it names them: all have its address then.
    pub unnamed_callers: bool,
}

impl From<TrustDomain> for Ground {
    fn from(trust_domain: TrustDomain) -> Self {
        Self { trust_domain, cluster_issuers: Vec::new(), unnamed_callers: false }
    }
}

/// Where something stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    File(PathBuf),
    Store,
    /// What is asked for.
    Change,
}

impl Place {
    fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Store | Self::Change => None,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Store => f.write_str("the store"),
            Self::Change => f.write_str("the change"),
        }
    }
}

/// Rules and issuers as they stand in files and store, each with its place.
#[derive(Debug, Default, PartialEq)]
struct Gathered {
    rules: Vec<(Rule, Place)>,
    issuers: Vec<(TrustedIssuer, Place)>,
}

impl Gathered {
    fn of_files(paths: &[PathBuf], context: &Context) -> Result<Self, Error> {
        let mut all = Self::default();
        for path in toml_files(paths)? {
            let file = read_file(&path, context)?;
            let place = Place::File(path);
            all.rules.extend(file.rule.into_iter().map(|rule| (rule, place.clone())));
            all.issuers.extend(file.issuer.into_iter().map(|issuer| (issuer, place.clone())));
        }
        Ok(all)
    }

    fn load(&self, ground: &Ground) -> Result<RuleSet, Error> {
        let rules = self.rules.iter().map(|(rule, _)| rule.clone()).collect();
        let issuers: Vec<TrustedIssuer> = self.issuers.iter().map(|(issuer, _)| issuer.clone()).collect();
        let mut mistakes = ground.clashes(&issuers);
        let set = RuleSet::load_with(rules, &issuers, Some(&ground.trust_domain));
        let set = set.map_err(|found| mistakes.extend(found));
        match set {
            Ok(set) if mistakes.is_empty() => Ok(set),
            _ => {
                let (named, told): (Vec<Mistake>, Vec<FileMistake>) =
                    mistakes.into_iter().map(|mistake| self.named(mistake)).unzip();
                Err(rejected("the trust rules", &named).mistakes(told))
            }
        }
    }

    /// What is wrong with rule 3 is told of the rule by its name and file.
    fn named(&self, mistake: Mistake) -> (Mistake, FileMistake) {
        let mut told = FileMistake::from(&mistake);
        let found = if let Some((index, field)) = element(&mistake.field, "rules[") {
            self.rules.get(index).map(|(rule, place)| ("rule", &rule.name, place, field))
        } else if let Some((index, field)) = element(&mistake.field, "issuers[") {
            self.issuers.get(index).map(|(issuer, place)| ("issuer", &issuer.issuer, place, field))
        } else {
            None
        };
        let Some((what, name, place, field)) = found else { return (mistake, told) };
        let (name, field) = (carnet_core::safe_text(name), field.replacen('.', " ", 1));
        told.file = place.file().map(Path::to_owned);
        told.field = format!("{what} `{name}`{field}");
        (Mistake { field: format!("{what} `{name}` of {place}{field}"), ..mistake }, told)
    }
}

impl Ground {
    /// Issuers that are those of clusters: they would be verified in two ways.
    fn clashes(&self, issuers: &[TrustedIssuer]) -> Vec<Mistake> {
        let of_cluster = |issuer: &TrustedIssuer| self.cluster_issuers.contains(&issuer.issuer);
        let clashing = issuers.iter().enumerate().filter(|(_, issuer)| of_cluster(issuer));
        let mistake = |(place, _): (usize, _)| {
            let message = "the configuration has a cluster of this issuer, and says how its tokens are verified";
            Mistake::new(format!("issuers[{place}].issuer"), message).hint("take one of them away")
        };
        clashing.map(mistake).collect()
    }
}

/// The index in `rules[3].subject`, and what comes after it.
fn element<'f>(field: &'f str, list: &str) -> Option<(usize, &'f str)> {
    let (index, rest) = field.strip_prefix(list)?.split_once(']')?;
    Some((index.parse().ok()?, rest))
}

impl Rules {
    /// Reads all of them.
    ///
    /// # Errors
    /// Everything that is wrong with them: an authority does not start with rules that it cannot hold to.
    pub async fn open(
        paths: Vec<PathBuf>,
        store: Arc<dyn Store>,
        context: Context,
        ground: impl Into<Ground>,
    ) -> Result<Arc<Self>, Error> {
        let rules = Self {
            paths,
            store,
            context,
            ground: ground.into(),
            set: watch::Sender::new(Arc::default()),
            taken: Mutex::default(),
            again: Notify::new(),
        };
        let gathered = rules.gather().await?;
        let set = rules.load(&gathered)?;
        warn(&set, &rules.ground);
        rules.set.send_replace(Arc::new(set));
        *rules.taken.lock().await = gathered;
        Ok(Arc::new(rules))
    }

    /// The set that counts, and whenever another does.
    pub fn watch(&self) -> watch::Receiver<Arc<RuleSet>> {
        self.set.subscribe()
    }

    /// Reads everything again, soon.
    pub fn reload(&self) {
        self.again.notify_one();
    }

    /// Reads everything again now: it counts when this returns. A set with a mistake is not taken; [`Self::run`] reports that.
    ///
    /// # Errors
    /// Why it is not taken. The last good rules count.
    pub async fn reload_now(&self) -> Result<(), Error> {
        self.take().await.inspect_err(|_reported| self.reload())
    }

    /// Follows files and store until `shutdown`. A set with a mistake is not taken: the last good one stays, and the
    /// component says so.
    pub async fn run(&self, component: Component, shutdown: CancellationToken) {
        component.ready();
        let (sender, mut files) = watch::channel(0);
        let watching = FileWatch::start(self.paths.clone());
        let watch_files = async {
            match watching {
                Ok(watch) => watch.run(sender, shutdown.clone()).await,
                Err(error) => tracing::warn!(%error, "files with rules are not watched; SIGHUP reads them again"),
            }
        };
        let follow = async {
            let mut store = self.store.changes();
            let mut watched = true;
            loop {
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    () = self.again.notified() => {}
                    changed = files.changed(), if watched => {
                        watched = changed.is_ok();
                        if !watched {
                            continue;
                        }
                    }
                    changed = store.changed() => {
                        if changed.is_err() {
                            return;
                        }
                        // The store tells of every change there is, entries by the thousand among them.
                        tokio::time::sleep(SETTLE).await;
                        store.mark_unchanged();
                    }
                }
                match self.take().await {
                    Ok(()) => component.ready(),
                    Err(error) => component.degraded(format!("the last good rules count: {error}")),
                }
            }
        };
        tokio::join!(watch_files, follow);
    }

    async fn take(&self) -> Result<(), Error> {
        match self.take_changed().await {
            Ok(()) => Ok(()),
            Err(error) => {
                let text = carnet_core::chain(&error).join(": ");
                tracing::error!(error = text, "the trust rules are not taken; the last good ones count");
                Err(error)
            }
        }
    }

    /// Reads and checks what files and store hold, together with these in place of those of the same name in the store: whether
    /// a change would be taken.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub async fn check(&self, changed: &[Rule], issuers: &[TrustedIssuer]) -> Result<RuleSet, Error> {
        let mut all = self.gather().await?;
        let replaced = |rule: &Rule| changed.iter().any(|new| new.name == rule.name);
        all.rules.retain(|(rule, place)| *place != Place::Store || !replaced(rule));
        let replaced = |issuer: &TrustedIssuer| issuers.iter().any(|new| new.issuer == issuer.issuer);
        all.issuers.retain(|(issuer, place)| *place != Place::Store || !replaced(issuer));
        all.rules.extend(changed.iter().map(|rule| (rule.clone(), Place::Change)));
        all.issuers.extend(issuers.iter().map(|issuer| (issuer.clone(), Place::Change)));
        self.load(&all)
    }

    /// The rules that count and stand in files, each with its file.
    pub async fn of_files(&self) -> Vec<(Rule, PathBuf)> {
        self.taken.lock().await.rules.iter().filter_map(in_file).collect()
    }

    /// The issuers that count and stand in files, each with its file.
    pub async fn issuers_of_files(&self) -> Vec<(TrustedIssuer, PathBuf)> {
        self.taken.lock().await.issuers.iter().filter_map(in_file).collect()
    }

    /// Takes the set, if it is made of something else than the one that counts. One at a time, from reading to taking: else what
    /// was read first could be taken last.
    async fn take_changed(&self) -> Result<(), Error> {
        let mut taken = self.taken.lock().await;
        let gathered = self.gather().await?;
        if *taken != gathered {
            let set = self.load(&gathered)?;
            tracing::info!(rules = set.len(), "took the trust rules");
            warn(&set, &self.ground);
            self.set.send_replace(Arc::new(set));
            *taken = gathered;
        }
        Ok(())
    }

    /// What is wrong with files and store taken together, if something is.
    ///
    /// # Errors
    /// When they cannot be read: then nobody knows.
    pub(crate) async fn clash(&self) -> Result<Option<Error>, Error> {
        let all = self.gather().await?;
        Ok(self.load(&all).err())
    }

    fn load(&self, all: &Gathered) -> Result<RuleSet, Error> {
        all.load(&self.ground)
    }

    async fn gather(&self) -> Result<Gathered, Error> {
        let mut all = Gathered::of_files(&self.paths, &self.context)?;
        for object in self.store.objects(ObjectKind::Rule).await? {
            all.rules.push((of_store("rule", &object.name, object.body)?, Place::Store));
        }
        for object in self.store.objects(ObjectKind::Issuer).await? {
            all.issuers.push((of_store("issuer", &object.name, object.body)?, Place::Store));
        }
        Ok(all)
    }
}

/// Reads and checks the rules of files alone: no store makes a mistake in them good. Gives back what is taken and should not be.
pub(crate) fn check_files(paths: &[PathBuf], context: &Context, ground: &Ground) -> Result<Vec<Mistake>, Error> {
    let loaded = Gathered::of_files(paths, context)?.load(ground);
    let set = loaded.map_err(|error| error.hint("mend each of them, then look again with `carnet config check`"))?;
    Ok(warnings(&set, ground))
}

fn in_file<T: Clone>((one, place): &(T, Place)) -> Option<(T, PathBuf)> {
    Some((one.clone(), place.file()?.to_owned()))
}

fn read_file(path: &Path, context: &Context) -> Result<RuleFile, Error> {
    let place = path.display();
    let failed = |text: String| {
        let told = FileMistake::in_text(path, "", None, text.as_str());
        Error::configuration(format!("read the rules in {place}: {text}")).mistakes([told])
    };
    let bytes = context.files.read(path, MAX_FILE)?.ok_or_else(|| failed("the file is missing".to_owned()))?;
    let text = std::str::from_utf8(bytes.expose()).map_err(|error| failed(format!("it is not UTF-8: {error}")))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        // An editor cuts a file before it writes it. No rule at all is said by a comment.
        return Err(failed("it is empty".to_owned()).hint("to allow nothing, write a comment"));
    }
    toml::from_str(text).map_err(|error| {
        // Not the lines around it: a secret may stand there.
        let told = FileMistake::in_document(path, text, error.span(), error.message());
        Error::configuration(format!("read the rules in {place}: {told}")).mistakes([told])
    })
}

fn of_store<T: serde::de::DeserializeOwned>(what: &str, name: &str, body: serde_json::Value) -> Result<T, Error> {
    let text = || format!("read the {what} `{}` of the store", carnet_core::safe_text(name));
    serde_json::from_value(body).map_err(|error| Error::configuration(text()).because(error))
}

/// All mistakes in one error, one line each.
pub(crate) fn refused(what: &str, mistakes: &[Mistake]) -> Error {
    rejected(what, mistakes).mistakes(mistakes.iter().map(FileMistake::from))
}

fn rejected(what: &str, mistakes: &[Mistake]) -> Error {
    let lines: Vec<String> = mistakes
        .iter()
        .map(|mistake| match &mistake.hint {
            Some(hint) => format!("{}: {} ({hint})", mistake.field, mistake.message),
            None => format!("{}: {}", mistake.field, mistake.message),
        })
        .collect();
    Error::configuration(format!("{what} cannot be taken:\n  {}", lines.join("\n  ")))
}
