//! Trust rules from files and from the store, as one set.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use carnet_core::{Context, Error, Mistake};
use carnet_issuer::{Rule, RuleSet, TrustedIssuer};
use carnet_ops::{Component, FileWatch};
use carnet_spiffe::TrustDomain;
use carnet_store::{ObjectKind, Store};
use serde::Deserialize;
use tokio::sync::{Mutex, Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::files::toml_files;

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
    trust_domain: TrustDomain,
    set: watch::Sender<Arc<RuleSet>>,
    /// What the set was made of.
    taken: Mutex<Gathered>,
    again: Notify,
}

/// Rules and issuers as they stand in files and store.
#[derive(Debug, Default, PartialEq)]
struct Gathered {
    rules: Vec<Rule>,
    issuers: Vec<TrustedIssuer>,
    /// Where each rule stands, in the same order.
    rules_from: Vec<String>,
    /// Where each issuer stands, in the same order.
    issuers_from: Vec<String>,
}

impl Gathered {
    fn add_rule(&mut self, rule: Rule, place: &str) {
        self.rules_from.push(format!("rule `{}` of {place}", carnet_core::safe_text(&rule.name)));
        self.rules.push(rule);
    }

    fn add_issuer(&mut self, issuer: TrustedIssuer, place: &str) {
        self.issuers_from.push(format!("issuer `{}` of {place}", carnet_core::safe_text(&issuer.issuer)));
        self.issuers.push(issuer);
    }

    /// Takes away those that something else stands in for.
    fn remove(&mut self, rule: impl Fn(&Rule) -> bool, issuer: impl Fn(&TrustedIssuer) -> bool) {
        let rules = std::mem::take(&mut self.rules).into_iter().zip(std::mem::take(&mut self.rules_from));
        (self.rules, self.rules_from) = rules.filter(|(one, _)| !rule(one)).unzip();
        let issuers = std::mem::take(&mut self.issuers).into_iter().zip(std::mem::take(&mut self.issuers_from));
        (self.issuers, self.issuers_from) = issuers.filter(|(one, _)| !issuer(one)).unzip();
    }

    /// What is wrong with rule 3 is told of the rule by its name and file.
    fn named(&self, mut mistake: Mistake) -> Mistake {
        let lists: [(&str, &[String]); 2] = [("rules[", &self.rules_from), ("issuers[", &self.issuers_from)];
        for (start, places) in lists {
            let rest = mistake.field.strip_prefix(start).and_then(|rest| rest.split_once(']'));
            let found = rest.and_then(|(index, field)| Some((places.get(index.parse::<usize>().ok()?)?, field)));
            if let Some((place, field)) = found {
                mistake.field = format!("{place}{}", field.replacen('.', " ", 1));
                return mistake;
            }
        }
        mistake
    }
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
        trust_domain: TrustDomain,
    ) -> Result<Arc<Self>, Error> {
        let rules = Self {
            paths,
            store,
            context,
            trust_domain,
            set: watch::Sender::new(Arc::default()),
            taken: Mutex::default(),
            again: Notify::new(),
        };
        let gathered = rules.gather().await?;
        rules.set.send_replace(Arc::new(rules.load(&gathered)?));
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

    /// Reads everything again now. A set with a mistake is not taken; [`Self::run`] reports that.
    pub async fn reload_now(&self) {
        if self.take().await.is_err() {
            self.reload();
        }
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
            Ok(None) => Ok(()),
            Ok(Some(set)) => {
                tracing::info!(rules = set.len(), "took the trust rules");
                self.set.send_replace(Arc::new(set));
                Ok(())
            }
            Err(error) => {
                let text = carnet_core::chain(&error).join(": ");
                tracing::error!(error = text, "the trust rules are not taken; the last good ones count");
                Err(error)
            }
        }
    }

    /// Reads and checks what files and store hold, together with these rules in place of those of the same name: whether
    /// a change would be taken.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub async fn check(&self, changed: &[Rule], issuers: &[TrustedIssuer]) -> Result<RuleSet, Error> {
        let mut all = self.gather().await?;
        all.remove(
            |rule| changed.iter().any(|new| new.name == rule.name),
            |one| issuers.iter().any(|new| new.issuer == one.issuer),
        );
        for rule in changed {
            all.add_rule(rule.clone(), "the change");
        }
        for issuer in issuers {
            all.add_issuer(issuer.clone(), "the change");
        }
        self.load(&all)
    }

    /// The set, if it is made of something else than the one that counts.
    async fn take_changed(&self) -> Result<Option<RuleSet>, Error> {
        let mut taken = self.taken.lock().await;
        let gathered = self.gather().await?;
        if *taken == gathered {
            return Ok(None);
        }
        let set = self.load(&gathered)?;
        *taken = gathered;
        Ok(Some(set))
    }

    fn load(&self, all: &Gathered) -> Result<RuleSet, Error> {
        RuleSet::load_with(all.rules.clone(), &all.issuers, Some(&self.trust_domain)).map_err(|mistakes| {
            let named: Vec<Mistake> = mistakes.into_iter().map(|mistake| all.named(mistake)).collect();
            refused("the trust rules", &named)
        })
    }

    async fn gather(&self) -> Result<Gathered, Error> {
        let mut all = Gathered::default();
        for path in toml_files(&self.paths)? {
            let file = read_file(&path, &self.context)?;
            let place = path.display().to_string();
            file.rule.into_iter().for_each(|rule| all.add_rule(rule, &place));
            file.issuer.into_iter().for_each(|issuer| all.add_issuer(issuer, &place));
        }
        for object in self.store.objects(ObjectKind::Rule).await? {
            all.add_rule(of_store("rule", &object.name, object.body)?, "the store");
        }
        for object in self.store.objects(ObjectKind::Issuer).await? {
            all.add_issuer(of_store("issuer", &object.name, object.body)?, "the store");
        }
        Ok(all)
    }
}

fn read_file(path: &Path, context: &Context) -> Result<RuleFile, Error> {
    let place = path.display();
    let failed = |text: String| Error::configuration(format!("read the rules in {place}: {text}"));
    let bytes = context.files.read(path, MAX_FILE)?.ok_or_else(|| failed("the file is missing".to_owned()))?;
    let text = std::str::from_utf8(bytes.expose()).map_err(|error| failed(format!("it is not UTF-8: {error}")))?;
    if text.trim().is_empty() {
        // An editor cuts a file before it writes it. No rule at all is said by a comment.
        return Err(failed("it is empty".to_owned()).hint("to allow nothing, write a comment"));
    }
    toml::from_str(text).map_err(|error| failed(error.to_string()))
}

fn of_store<T: serde::de::DeserializeOwned>(what: &str, name: &str, body: serde_json::Value) -> Result<T, Error> {
    let text = || format!("read the {what} `{}` of the store", carnet_core::safe_text(name));
    serde_json::from_value(body).map_err(|error| Error::configuration(text()).because(error))
}

/// All mistakes in one error, one line each.
pub(crate) fn refused(what: &str, mistakes: &[Mistake]) -> Error {
    let lines: Vec<String> = mistakes
        .iter()
        .map(|mistake| match &mistake.hint {
            Some(hint) => format!("{}: {} ({hint})", mistake.field, mistake.message),
            None => format!("{}: {}", mistake.field, mistake.message),
        })
        .collect();
    Error::configuration(format!("{what} cannot be taken:\n  {}", lines.join("\n  ")))
}
