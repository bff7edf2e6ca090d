//! Sources, exchanges and deliveries that need no cloud.

mod configs;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use carnet_core::{
    AccessToken, BoxFuture, Context, Credential, Delivered, Delivery, Error, Exchange, Found, Kind, Kinds, Material,
    OciSession, Register, Release, Secret, SecretBytes, Source, Want,
};
use jiff::SignedDuration;

use self::configs::{
    KeyringConfig, LetterConfig, NoteConfig, NowhereConfig, PaperConfig, RobotConfig, SwapConfig, UpgradeConfig,
};
use crate::Registry;

pub(crate) fn registry() -> Registry {
    let mut registry = Registry::empty();
    registry.source::<NowhereConfig>();
    registry.source::<RobotConfig>();
    registry.source::<LetterConfig>();
    registry.source::<KeyringConfig>();
    registry.exchange::<SwapConfig>();
    registry.exchange::<UpgradeConfig>();
    registry.delivery::<PaperConfig>();
    registry.delivery::<NoteConfig>();
    registry
}

/// What a fake does, and what it was asked for.
#[derive(Debug)]
pub(crate) struct Fake {
    pub(crate) name: &'static str,
    pub(crate) takes: Kinds,
    pub(crate) gives: Kinds,
    pub(crate) behaves: Behaviour,
    pub(crate) audience: Option<String>,
    pub(crate) wants: Mutex<Vec<Want>>,
    /// Whether it was told to begin its slow local work.
    pub(crate) prepared: AtomicBool,
    /// What it was told of credentials that nobody needs any more.
    pub(crate) returns: Mutex<Vec<&'static str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Gives a credential of this kind that lives an hour, after so many milliseconds.
    Gives(Kind, u64),
    /// Gives a credential that has expired.
    Expired(Kind),
    Absent,
    Broken,
}

impl Fake {
    pub(crate) fn new(name: &'static str, takes: Kinds, gives: Kinds, behaves: Behaviour) -> Self {
        Self {
            name,
            takes,
            gives,
            behaves,
            audience: None,
            wants: Mutex::default(),
            prepared: AtomicBool::new(false),
            returns: Mutex::default(),
        }
    }

    pub(crate) fn audience(mut self, audience: &str) -> Self {
        self.audience = Some(audience.to_owned());
        self
    }

    pub(crate) fn wanted(&self) -> Vec<Option<String>> {
        self.wants.lock().unwrap().iter().map(|want| want.audience.clone()).collect()
    }

    pub(crate) fn returned(&self) -> Vec<&'static str> {
        self.returns.lock().unwrap().clone()
    }

    async fn act(&self, context: &Context, want: &Want) -> Result<Found, Error> {
        self.wants.lock().unwrap().push(want.clone());
        match self.behaves {
            Behaviour::Gives(kind, delay) => {
                tokio::time::sleep(Duration::from_millis(delay)).await;
                Ok(Found::credential(credential(kind, context, SignedDuration::from_hours(1), want)))
            }
            Behaviour::Expired(kind) => {
                Ok(Found::credential(credential(kind, context, SignedDuration::from_hours(-1), want)))
            }
            Behaviour::Absent => Ok(Found::not_here(format!("there is no {} in this place", self.name))),
            Behaviour::Broken => Err(Error::unreachable(format!("ask the {}", self.name)).hint("oil it")),
        }
    }
}

fn credential(kind: Kind, context: &Context, life: SignedDuration, want: &Want) -> Credential {
    let material = match kind {
        Kind::AccessToken => {
            Material::AccessToken(AccessToken { token: Secret::new("s3cr3t-access"), token_type: "Bearer".to_owned() })
        }
        Kind::OciSession => Material::OciSession(OciSession {
            token: Secret::new("s3cr3t-session"),
            private_key: SecretBytes::new(b"s3cr3t-key".to_vec()),
            region: None,
            tenancy: None,
        }),
        _ => Material::Jwt(Secret::new("s3cr3t-jwt")),
    };
    let credential = Credential::new(material).expires_at(context.now() + life).fact("principal", "robot");
    match &want.audience {
        Some(audience) => credential.fact("audience", audience.clone()),
        None => credential,
    }
}

impl Source for Fake {
    fn name(&self) -> &'static str {
        self.name
    }

    fn gives(&self) -> Kinds {
        self.gives
    }

    fn find<'a>(&'a self, context: &'a Context, want: &'a Want) -> BoxFuture<'a, Result<Found, Error>> {
        Box::pin(self.act(context, want))
    }
}

impl Exchange for Fake {
    fn name(&self) -> &'static str {
        self.name
    }

    fn takes(&self) -> Kinds {
        self.takes
    }

    fn gives(&self) -> Kinds {
        self.gives
    }

    fn audience(&self) -> Option<String> {
        self.audience.clone()
    }

    fn prepare(&self) {
        self.prepared.store(true, Ordering::Relaxed);
    }

    fn exchange<'a>(
        &'a self,
        context: &'a Context,
        _credential: &'a Credential,
        want: &'a Want,
    ) -> BoxFuture<'a, Result<Credential, Error>> {
        Box::pin(async move {
            match self.act(context, want).await? {
                Found::Credential(credential) => Ok(*credential),
                Found::NotHere(reason) => Err(Error::refused(reason).code("invalid_grant").clause("audience")),
            }
        })
    }

    /// One that is broken says so, one that is absent never answers.
    fn release<'a>(&'a self, _context: &'a Context, which: Release<'a>) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async move {
            self.returns.lock().unwrap().push(match which {
                Release::All => "all",
                Release::Before(_) => "before",
            });
            match self.behaves {
                Behaviour::Absent => std::future::pending().await,
                Behaviour::Broken => Err(Error::unreachable(format!("ask the {}", self.name))),
                Behaviour::Expired(_) | Behaviour::Gives(..) => Ok(()),
            }
        })
    }

    fn forget(&self, _credential: &Credential) {
        self.returns.lock().unwrap().push("forgotten");
    }
}

impl Delivery for Fake {
    fn name(&self) -> &'static str {
        self.name
    }

    fn takes(&self) -> Kinds {
        self.takes
    }

    fn gives_back(&self) -> bool {
        self.name == "pawnbroker"
    }

    fn deliver<'a>(
        &'a self,
        _context: &'a Context,
        credential: &'a Credential,
    ) -> BoxFuture<'a, Result<Delivered, Error>> {
        Box::pin(async move {
            match self.behaves {
                Behaviour::Broken => Err(Error::configuration("write the note").hint("free some space")),
                _ => Ok(Delivered {
                    environment: vec![("KIND".to_owned(), Secret::new(credential.kind().name()))],
                    ..Delivered::default()
                }),
            }
        })
    }
}

pub(crate) trait IntoArc<T: ?Sized> {
    fn into_arc(self) -> Arc<T>;
}

impl IntoArc<dyn Source> for Arc<Fake> {
    fn into_arc(self) -> Arc<dyn Source> {
        self
    }
}

impl IntoArc<dyn Exchange> for Arc<Fake> {
    fn into_arc(self) -> Arc<dyn Exchange> {
        self
    }
}

impl IntoArc<dyn Delivery> for Arc<Fake> {
    fn into_arc(self) -> Arc<dyn Delivery> {
        self
    }
}
