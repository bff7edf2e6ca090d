//! Applications and managed identities with their federated credentials.

use carnet_core::Mistake;

use super::{FederatedCredential, MatchingExpression};

/// Most federated credentials of one application or managed identity ("Workload identity federation considerations").
pub const MAX_CREDENTIALS: usize = 20;

/// What a client is. Only applications have expressions and descriptions, and trust managed identities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientKind {
    /// An app registration (its service principal in a tenant).
    Application,
    /// A user-assigned managed identity.
    ManagedIdentity,
}

/// Somebody whom a token can become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// What it is.
    pub kind: ClientKind,
    /// The client id (application id), a GUID.
    pub client_id: String,
    /// The object id of the service principal: `oid` and `sub` of its access tokens, and whom roles are assigned to.
    pub object_id: String,
    /// Whom it trusts.
    pub credentials: FederatedCredentials,
}

/// The federated credentials of one client, checked, in the order of their creation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FederatedCredentials(Vec<Entry>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) credential: FederatedCredential,
    pub(super) expression: Option<MatchingExpression>,
}

impl FederatedCredentials {
    /// Adds one, or changes the one of the same name. Says whether it is new.
    ///
    /// # Errors
    /// Everything that Microsoft refuses: what is wrong with its members, more than [`MAX_CREDENTIALS`], and issuer and subject
    /// that another has (field `subject`). Nothing is changed then.
    pub fn put(&mut self, kind: ClientKind, credential: FederatedCredential) -> Result<bool, Vec<Mistake>> {
        let expression = credential.check(kind)?;
        let others = || self.0.iter().filter(|entry| entry.credential.name != credential.name);
        let same = |entry: &Entry| {
            entry.credential.issuer == credential.issuer
                && entry.credential.subject == credential.subject
                && entry.credential.claims_matching_expression == credential.claims_matching_expression
        };
        if others().any(same) {
            let message = "Issuer and subject combination already exists for this Managed Identity.";
            return Err(vec![Mistake::new("subject", message).hint("change the one that is there")]);
        }
        let at = self.0.iter().position(|entry| entry.credential.name == credential.name);
        if at.is_none() && self.0.len() >= MAX_CREDENTIALS {
            let mistake = Mistake::new("", format!("there are {MAX_CREDENTIALS} federated credentials already"));
            return Err(vec![mistake.hint("use a second identity, or an expression that covers several subjects")]);
        }
        let entry = Entry { credential, expression };
        if let Some(old) = at.and_then(|at| self.0.get_mut(at)) {
            *old = entry;
            return Ok(false);
        }
        self.0.push(entry);
        Ok(true)
    }

    /// Removes the one of this name. Says whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|entry| entry.credential.name != name);
        self.0.len() != before
    }

    /// The one of this name.
    pub fn get(&self, name: &str) -> Option<&FederatedCredential> {
        self.iter().find(|credential| credential.name == name)
    }

    /// All of them, in the order of their creation.
    pub fn iter(&self) -> impl Iterator<Item = &FederatedCredential> {
        self.0.iter().map(|entry| &entry.credential)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.0
    }
}
