//! The two verbs and the way out.

use std::{fmt, path::PathBuf};

use crate::{BoxFuture, Context, Credential, Error, Kinds, Secret, SecretBytes};

/// What the next step needs of a credential. Flows backwards along a route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Want {
    /// The audience that the credential must name, if the next step cares.
    pub audience: Option<String>,
}

/// What a source found.
#[derive(Debug)]
pub enum Found {
    /// This is the identity here.
    Credential(Box<Credential>),
    /// This place does not give that identity, and why. Not an error.
    NotHere(String),
}

impl Found {
    /// This is the identity here.
    pub fn credential(credential: Credential) -> Self {
        Self::Credential(Box::new(credential))
    }

    /// This place does not give that identity, for this reason.
    pub fn not_here(reason: impl Into<String>) -> Self {
        Self::NotHere(reason.into())
    }
}

/// Yields the credential that this place gives.
pub trait Source: Send + Sync + fmt::Debug {
    /// Its name in configuration, for instance `oci-instance`.
    fn name(&self) -> &'static str;

    /// The kinds it may give.
    fn gives(&self) -> Kinds;

    /// Looks for it. An absent identity is [`Found::NotHere`] with the reason; an identity that is there but broken
    /// is an error.
    fn find<'a>(&'a self, context: &'a Context, want: &'a Want) -> BoxFuture<'a, Result<Found, Error>>;
}

/// Takes one credential and returns another.
pub trait Exchange: Send + Sync + fmt::Debug {
    /// Its name in configuration, for instance `gcp`.
    fn name(&self) -> &'static str;

    /// The kinds it takes.
    fn takes(&self) -> Kinds;

    /// The kinds it gives.
    fn gives(&self) -> Kinds;

    /// The audience that the step before must put into its credential, if this exchange knows one.
    fn audience(&self) -> Option<String> {
        None
    }

    /// Called when a route starts, before its source is asked: an exchange may begin slow local work here, such as
    /// the search for an RSA key, so that it overlaps with the network. Must return at once.
    fn prepare(&self) {}

    /// Exchanges it. `want` is what the step after this one needs.
    fn exchange<'a>(
        &'a self,
        context: &'a Context,
        credential: &'a Credential,
        want: &'a Want,
    ) -> BoxFuture<'a, Result<Credential, Error>>;

    /// Gives back what it gave, where the other side has a way to end a credential early and the configuration wants that.
    /// Called when nobody uses those credentials any more. What could not be given back is tried again at the next call.
    ///
    /// # Errors
    /// The first that could not be given back; the others were tried all the same.
    fn release<'a>(&'a self, _context: &'a Context, _which: Release<'a>) -> BoxFuture<'a, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }

    /// Called when a delivery that [gives credentials back](Delivery::gives_back) was handed this one: it is no longer this
    /// exchange's to give back.
    fn forget(&self, _credential: &Credential) {}
}

/// What of all that it gave an exchange gives back.
#[derive(Clone, Copy, Debug)]
pub enum Release<'a> {
    /// All of it: whoever used it has ended.
    All,
    /// What it gave before this credential, which has taken the place of the others. Nothing, if it is not this exchange's.
    Before(&'a Credential),
}

/// What a delivery did. Everything in it is for the process that asked, nothing for a log.
#[derive(Debug, Default)]
pub struct Delivered {
    /// What goes to standard output, if this form is a stream.
    pub output: Option<SecretBytes>,
    /// Variables for a child process.
    pub environment: Vec<(String, Secret)>,
    /// Files that were replaced as a whole.
    pub files: Vec<PathBuf>,
    /// Files of which a part was changed; the rest is somebody else's.
    pub shared: Vec<PathBuf>,
}

/// What a delivery has for standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    /// Nothing.
    #[default]
    Nothing,
    /// Its variables, as `export` lines for a shell. Those of several deliveries may follow one another.
    Exports,
    /// A token, a document, an answer: whoever reads it expects nothing else on the stream.
    Whole,
}

/// Writes a credential in somebody's native form.
pub trait Delivery: Send + Sync + fmt::Debug {
    /// Its name in configuration, for instance `oci-profile`.
    fn name(&self) -> &'static str;

    /// The kinds it can write.
    fn takes(&self) -> Kinds;

    /// What it has for standard output, as it is configured: [`Delivered::output`] of every run. Known before anything is
    /// sent, because two that want the stream for themselves do not fit together.
    fn output(&self) -> Output {
        Output::Nothing
    }

    /// Whether it gives the credential back to where it is from, as it is configured, whatever else comes of it.
    fn gives_back(&self) -> bool {
        false
    }

    /// Writes it. What is on disk is replaced whole or not at all.
    fn deliver<'a>(
        &'a self,
        context: &'a Context,
        credential: &'a Credential,
    ) -> BoxFuture<'a, Result<Delivered, Error>>;
}
