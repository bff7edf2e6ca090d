//! The process: it leads or stands by, and while it leads its controllers run.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use carnet_core::{BoxFuture, Context, Error, Unnamed, hex};
use carnet_jose::sha256;
use carnet_net::{Client, ClientTls, Limits, Settings, address_of, listen, serve_with};
use carnet_ops::{Component, Health, diagnostics};
use futures_util::future::join_all;
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

use crate::{
    api::{CLUSTER_REGISTRATION_ENTRIES, NAMESPACES, REGISTRATION_ENTRIES, TRUST_RULES},
    control::{Cache, Events, Follow, Leader, LeaseSettings, Queue},
    kube::{Access, ApiError, Key, Kube},
    metrics::Metrics,
    registrar::{Naming, Registrar},
    settings::OperatorPlan,
    workload::{Defaults, KINDS, Keeper, MANAGED_BY, Place},
};

/// Where a pod finds the name of its namespace.
const NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// An operator that has been set up. Nothing is asked of the API server before [`Self::run`].
pub struct Operator {
    plan: OperatorPlan,
    context: Context,
    network: Settings,
    kube: Kube,
    /// Where Authorities, Agents and DiscoveryProviders are kept; one empty name for everywhere.
    workloads_in: Vec<String>,
    /// The same of RegistrationEntries.
    entries_in: Vec<String>,
    /// By what other operators of the cluster know it: its lease.
    name: String,
    leader: Leader,
    diagnostics: Option<TcpListener>,
    health: Health,
    numbers: carnet_ops::Metrics,
    metrics: Metrics,
}

impl std::fmt::Debug for Operator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operator").field("plan", &self.plan).finish_non_exhaustive()
    }
}

impl Operator {
    /// Finds the API server and opens the listener for diagnostics.
    ///
    /// # Errors
    /// When there is no API server to be found, a file cannot be read, or nothing can listen there.
    pub fn bind(plan: &OperatorPlan, context: &Context, network: &Settings) -> Result<Self, Error> {
        let access = Access::find(context, &plan.api, plan.kubeconfig.as_deref(), plan.context.as_deref())?;
        let client = Client::new(network.clone());
        let client = match access.identity() {
            Some(own) => client.with_tls(ClientTls::new().identity(Arc::new(move || Some(own.clone())))),
            None => client,
        };
        let kube = Kube::new(context.clone(), Arc::new(client), access, plan.timing.request);
        let namespace = plan.namespace.clone().map_or_else(|| own_namespace(context), Ok)?;
        let host = context.env("HOSTNAME").unwrap_or_else(|| "operator".to_owned());
        let settings = LeaseSettings {
            key: Key::new(&namespace, &plan.lease),
            identity: format!("{host}_{}", context.random_hex::<8>()),
            duration: plan.timing.lease,
            deadline: plan.timing.lease_deadline,
            retry: plan.timing.lease_retry,
        };
        let name = settings.key.to_string();
        let leader = Leader::new(kube.clone(), context.clone(), settings);
        let diagnostics = plan.diagnostics.map(|address| listen("diagnostics", address)).transpose()?;
        // Who may write an Agent decides what runs on all nodes: what is not asked for is kept in its own namespace only.
        let or =
            |usual: &str| if plan.namespaces.is_empty() { vec![usual.to_owned()] } else { plan.namespaces.clone() };
        let (workloads_in, entries_in) = (or(&namespace), or(""));
        let numbers = carnet_ops::Metrics::new("carnet");
        let metrics = Metrics::new(&numbers);
        let (plan, context, network) = (plan.clone(), context.clone(), network.clone());
        Ok(Self {
            plan,
            context,
            network,
            kube,
            workloads_in,
            entries_in,
            name,
            leader,
            diagnostics,
            health: Health::new(),
            numbers,
            metrics,
        })
    }

    /// Where diagnostics listen.
    pub fn diagnostics_address(&self) -> Option<SocketAddr> {
        self.diagnostics.as_ref().and_then(|listener| address_of(listener).ok())
    }

    /// What its parts say of themselves.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Whether it leads, and whenever that changes.
    pub fn leading(&self) -> watch::Receiver<bool> {
        self.leader.watch()
    }

    /// Works until `shutdown`, then gives its lease back.
    pub async fn run(mut self, shutdown: CancellationToken) {
        let lease = self.health.component("lease");
        let served = self.diagnostics.take().map(|listener| {
            let router = diagnostics(self.health.clone(), self.numbers.clone());
            tokio::spawn(serve_with(listener, router, None, Limits::default(), shutdown.clone()))
        });
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = self.leader.run() => {}
            () = self.work(&lease, &shutdown) => {}
        }
        self.health.stopping();
        self.leader.release().await;
        if let Some(served) = served {
            drop(served.await);
        }
    }

    /// Runs the controllers whenever this operator leads.
    async fn work(&self, lease: &Component, shutdown: &CancellationToken) {
        let mut leading = self.leader.watch();
        lease.ready();
        loop {
            if leading.wait_for(|leading| *leading).await.is_err() {
                return;
            }
            self.metrics.leading(true);
            tokio::select! {
                () = self.lead(shutdown) => {}
                _ = leading.wait_for(|leading| !leading) => {}
            }
            self.metrics.leading(false);
        }
    }

    /// The controllers, from the beginning: nothing is left of an earlier time.
    async fn lead(&self, shutdown: &CancellationToken) {
        let mut controllers: Vec<BoxFuture<'_, ()>> = Vec::new();
        if self.plan.workloads {
            controllers.push(Box::pin(self.keep_workloads()));
        }
        if let (true, Some(_)) = (self.plan.registrations, &self.plan.parent) {
            controllers.push(Box::pin(self.keep_registrations(shutdown)));
        }
        join_all(controllers).await;
    }

    async fn keep_workloads(&self) {
        let keeper = Keeper {
            context: self.context.clone(),
            kube: self.kube.clone(),
            events: Events::new(self.kube.clone(), self.context.clone()),
            defaults: Defaults {
                image: self.plan.image.clone(),
                registrar: self.plan.registrar.clone(),
                allowed: self.plan.allowed.clone(),
            },
            own: KINDS.map(Cache::new).into(),
            made: Keeper::MADE.map(Cache::new).into(),
            queue: Queue::new(self.plan.timing.retry, self.plan.timing.longest_retry),
            metrics: self.metrics.clone(),
            health: self.health.component("workloads"),
            resync: self.plan.timing.resync,
        };
        let keeper = &keeper;
        let selector = format!("{}={}", MANAGED_BY.0, MANAGED_BY.1);
        let mut tasks: Vec<BoxFuture<'_, ()>> = Vec::new();
        for namespace in &self.workloads_in {
            for cache in &keeper.own {
                tasks.push(Box::pin(cache.follow(self.follow(namespace, "", false), |object| {
                    keeper.queue.add(Place { of: cache.of, key: object.key() });
                })));
            }
            for cache in &keeper.made {
                tasks.push(Box::pin(cache.follow(self.follow(namespace, &selector, true), |object| {
                    if let Some(place) = keeper.owner_of(object) {
                        keeper.queue.add(place);
                    }
                })));
            }
        }
        tasks.push(Box::pin(async {
            for cache in &keeper.own {
                cache.wait(self.workloads_in.len()).await;
            }
            keeper.health.ready();
            keeper.run().await;
        }));
        join_all(tasks).await;
    }

    async fn keep_registrations(&self, shutdown: &CancellationToken) {
        let health = self.health.component("registrations");
        let Some(parent) = self.plan.parent.clone() else { return };
        let opened = self.plan.authority.open(&self.context, &self.network, self.metrics.clone(), shutdown);
        let authority = match opened {
            Ok(authority) => authority,
            Err(error) => {
                let text = carnet_core::chain(&error).join(": ");
                tracing::error!(error = text, "the authority cannot be asked: entries and rules are not kept");
                health.failing(text);
                return std::future::pending().await;
            }
        };
        let (mark, former_mark) = self.mark(&health).await;
        let registrar = Registrar {
            context: self.context.clone(),
            kube: self.kube.clone(),
            authority,
            events: Events::new(self.kube.clone(), self.context.clone()),
            naming: Naming::new(mark, parent).formerly(former_mark),
            operator: self.name.clone(),
            namespaces: self.entries_in.clone(),
            entries: Cache::new(REGISTRATION_ENTRIES),
            cluster_entries: Cache::new(CLUSTER_REGISTRATION_ENTRIES),
            rules: Cache::new(TRUST_RULES),
            queue: Queue::new(self.plan.timing.retry, self.plan.timing.longest_retry),
            known: <_>::default(),
            metrics: self.metrics.clone(),
            health,
            resync: self.plan.timing.resync,
        };
        let registrar = &registrar;
        let mut tasks: Vec<BoxFuture<'_, ()>> = Vec::new();
        for namespace in &self.entries_in {
            tasks.push(Box::pin(self.feed(registrar, &registrar.entries, namespace)));
        }
        tasks.push(Box::pin(self.feed(registrar, &registrar.cluster_entries, "")));
        tasks.push(Box::pin(self.feed(registrar, &registrar.rules, "")));
        tasks.push(Box::pin(async {
            registrar.entries.wait(self.entries_in.len()).await;
            registrar.cluster_entries.wait(1).await;
            registrar.rules.wait(1).await;
            registrar.run().await;
        }));
        join_all(tasks).await;
    }

    async fn feed(&self, registrar: &Registrar, cache: &Cache, namespace: &str) {
        let told = |object: &crate::kube::Object| registrar.queue.add(Registrar::item(&cache.of, object.key()));
        cache.follow(self.follow(namespace, "", false), told).await;
    }

    fn follow<'a>(&'a self, namespace: &'a str, selector: &'a str, status: bool) -> Follow<'a> {
        let timing = &self.plan.timing;
        Follow {
            kube: &self.kube,
            namespace,
            selector,
            status,
            lasting: timing.watch,
            wait: (timing.retry, timing.longest_retry.min(Duration::from_secs(30))),
            metrics: &self.metrics,
        }
    }

    /// The mark of this cluster's entries, the configured one or made of what tells clusters apart; and the one that earlier versions made, by which namespaces
    /// are kept, too. Asks until the API server answers.
    async fn mark(&self, health: &Component) -> (String, Option<String>) {
        if let Some(mark) = &self.plan.mark {
            return (mark.clone(), None);
        }
        let mut wait = self.plan.timing.retry;
        loop {
            match self.kube.get(&NAMESPACES, &Key::new("", "kube-system")).await {
                Ok(found) => {
                    let of = |namespaces: &[String]| {
                        let text = format!("{}\n{}", found.uid(), namespaces.join("\n"));
                        hex(sha256(text.as_bytes()).get(..8).unwrap_or_default())
                    };
                    // As it always was where all namespaces are kept.
                    return (of(&[]), Some(of(&self.entries_in)));
                }
                Err(error) => {
                    let error: ApiError = error;
                    tracing::warn!(%error, "the cluster's mark is not known yet: set `mark`, or let the account get the namespace kube-system");
                    health.failing(error.to_string());
                }
            }
            tokio::time::sleep(wait).await;
            wait = wait.saturating_mul(2).min(self.plan.timing.longest_retry);
        }
    }
}

/// The namespace of this pod, or `default` where this is none.
fn own_namespace(context: &Context) -> Result<String, Error> {
    let read = context.files.read_unnamed(std::path::Path::new(NAMESPACE), 256)?;
    let name = match &read {
        Some(Unnamed::Bytes(bytes)) => std::str::from_utf8(bytes.expose()).unwrap_or_default().trim().to_owned(),
        _ => String::new(),
    };
    Ok(if name.is_empty() { "default".to_owned() } else { name })
}
