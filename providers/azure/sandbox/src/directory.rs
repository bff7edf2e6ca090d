//! Applications and managed identities of the tenant, found by hash whatever their number.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

use carnet_azure::trust::{Client, ClientKind, FederatedCredentials};
use jiff::{SignedDuration, Timestamp};

/// Most applications and identities. With one federated credential each, ten thousand must fit; a credential costs a
/// kilobyte at most.
pub(crate) const MAX_CLIENTS: usize = 20_000;

/// How many former states of one are kept for those who learn late.
const MAX_OLDER: usize = 8;

/// The tenant's applications and identities.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    /// By client id, in lower case.
    clients: HashMap<String, Principal>,
    /// Client ids by object id of the application.
    by_application: HashMap<String, String>,
    /// Client ids by object id of the service principal.
    by_principal: HashMap<String, String>,
    /// Client ids by Resource Manager's id of the identity, in lower case and in order.
    by_resource: BTreeMap<String, String>,
    /// Client ids by identifier URI.
    by_uri: HashMap<String, String>,
    /// Client ids by display name, which several may have.
    by_name: HashMap<String, BTreeSet<String>>,
}

/// An application or a managed identity.
#[derive(Clone, Debug)]
pub(crate) struct Principal {
    /// As it was configured last.
    pub(crate) client: Arc<Client>,
    /// As it was before that, oldest first, each with the time of the change that ended it.
    older: VecDeque<(Timestamp, Arc<Client>)>,
    pub(crate) display_name: String,
    pub(crate) registration: Registration,
}

/// What it is.
#[derive(Clone, Debug)]
pub(crate) enum Registration {
    /// An app registration.
    Application(Application),
    /// A managed identity, with Resource Manager's id of it or of the machine whose it is.
    Identity(Identity),
}

/// What an app registration has beside its credentials.
#[derive(Clone, Debug, Default)]
pub(crate) struct Application {
    /// Its own object id; that of its service principal is another.
    pub(crate) object_id: String,
    /// Whether it has a service principal in the tenant. Without one nobody can be it.
    pub(crate) has_principal: bool,
    pub(crate) identifier_uris: Vec<String>,
    /// `api.requestedAccessTokenVersion`: the form of tokens for it.
    pub(crate) token_version: u8,
    pub(crate) created: Timestamp,
    /// Ids of its federated credentials by name.
    pub(crate) credential_ids: BTreeMap<String, String>,
}

/// What a managed identity has beside its credentials.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identity {
    /// `/subscriptions/…/userAssignedIdentities/NAME`, or that of the machine.
    pub(crate) resource_id: String,
    /// Whether it is a resource of its own.
    pub(crate) user_assigned: bool,
    pub(crate) location: String,
    pub(crate) tags: serde_json::Map<String, serde_json::Value>,
}

impl Principal {
    /// One without credentials.
    pub(crate) fn new(client_id: &str, object_id: &str, display_name: &str, registration: Registration) -> Self {
        let kind = match registration {
            Registration::Application(_) => ClientKind::Application,
            Registration::Identity(_) => ClientKind::ManagedIdentity,
        };
        let client = Arc::new(Client {
            kind,
            client_id: client_id.to_owned(),
            object_id: object_id.to_owned(),
            credentials: FederatedCredentials::default(),
        });
        Self { client, older: VecDeque::new(), display_name: display_name.to_owned(), registration }
    }

    /// As the token service knows it, which learns of a change so much later.
    pub(crate) fn known(&self, now: Timestamp, delay: SignedDuration) -> &Arc<Client> {
        let is_known = |changed: Timestamp| changed.saturating_add(delay).unwrap_or(Timestamp::MAX) <= now;
        self.older.iter().find(|(changed, _)| !is_known(*changed)).map_or(&self.client, |(_, client)| client)
    }

    /// Changes the federated credentials; nothing happens where the change fails.
    pub(crate) fn change<T, E>(
        &mut self,
        now: Timestamp,
        change: impl FnOnce(&mut FederatedCredentials) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut client = Client::clone(&self.client);
        let outcome = change(&mut client.credentials)?;
        if self.older.len() >= MAX_OLDER {
            self.older.pop_front();
        }
        self.older.push_back((now, std::mem::replace(&mut self.client, Arc::new(client))));
        Ok(outcome)
    }

    /// Gives it the object id of a service principal.
    pub(crate) fn set_object_id(&mut self, object_id: &str) {
        let client = Client { object_id: object_id.to_owned(), ..Client::clone(&self.client) };
        self.client = Arc::new(client);
        self.older.clear();
    }

    /// Whether somebody can be it: an application needs a service principal.
    pub(crate) fn is_usable(&self) -> bool {
        match &self.registration {
            Registration::Application(application) => application.has_principal,
            Registration::Identity(_) => true,
        }
    }

    pub(crate) fn application(&self) -> Option<&Application> {
        match &self.registration {
            Registration::Application(application) => Some(application),
            Registration::Identity(_) => None,
        }
    }

    pub(crate) fn application_mut(&mut self) -> Option<&mut Application> {
        match &mut self.registration {
            Registration::Application(application) => Some(application),
            Registration::Identity(_) => None,
        }
    }

    pub(crate) fn identity(&self) -> Option<&Identity> {
        match &self.registration {
            Registration::Identity(identity) => Some(identity),
            Registration::Application(_) => None,
        }
    }

    pub(crate) fn identity_mut(&mut self) -> Option<&mut Identity> {
        match &mut self.registration {
            Registration::Identity(identity) => Some(identity),
            Registration::Application(_) => None,
        }
    }
}

impl Directory {
    /// Puts one there, in place of one with its client id.
    pub(crate) fn put(&mut self, principal: Principal) {
        let id = principal.client.client_id.to_ascii_lowercase();
        self.remove(&id);
        self.index(&id, &principal);
        self.clients.insert(id, principal);
    }

    /// Changes one. What it is found by may change as well.
    pub(crate) fn change<T>(&mut self, client_id: &str, change: impl FnOnce(&mut Principal) -> T) -> Option<T> {
        let id = client_id.to_ascii_lowercase();
        let mut principal = self.take(&id)?;
        let outcome = change(&mut principal);
        self.index(&id, &principal);
        self.clients.insert(id, principal);
        Some(outcome)
    }

    /// Takes one away.
    pub(crate) fn remove(&mut self, client_id: &str) -> bool {
        self.take(&client_id.to_ascii_lowercase()).is_some()
    }

    fn index(&mut self, id: &str, principal: &Principal) {
        self.by_name.entry(principal.display_name.clone()).or_default().insert(id.to_owned());
        if principal.is_usable() {
            self.by_principal.insert(principal.client.object_id.to_ascii_lowercase(), id.to_owned());
        }
        match &principal.registration {
            Registration::Application(application) => {
                self.by_application.insert(application.object_id.to_ascii_lowercase(), id.to_owned());
                for uri in &application.identifier_uris {
                    self.by_uri.insert(uri.clone(), id.to_owned());
                }
            }
            Registration::Identity(identity) => {
                self.by_resource.insert(identity.resource_id.to_ascii_lowercase(), id.to_owned());
            }
        }
    }

    /// Takes one out of everything that it is found by.
    fn take(&mut self, id: &str) -> Option<Principal> {
        let principal = self.clients.remove(id)?;
        self.by_principal.remove(&principal.client.object_id.to_ascii_lowercase());
        if let Some(ids) = self.by_name.get_mut(&principal.display_name) {
            ids.remove(id);
            if ids.is_empty() {
                self.by_name.remove(&principal.display_name);
            }
        }
        match &principal.registration {
            Registration::Application(application) => {
                self.by_application.remove(&application.object_id.to_ascii_lowercase());
                for uri in &application.identifier_uris {
                    self.by_uri.remove(uri);
                }
            }
            Registration::Identity(identity) => {
                self.by_resource.remove(&identity.resource_id.to_ascii_lowercase());
            }
        }
        Some(principal)
    }

    /// By client id.
    pub(crate) fn client(&self, client_id: &str) -> Option<&Principal> {
        self.clients.get(&client_id.to_ascii_lowercase())
    }

    /// By the application's own object id.
    pub(crate) fn application(&self, object_id: &str) -> Option<&Principal> {
        self.clients.get(self.by_application.get(&object_id.to_ascii_lowercase())?)
    }

    /// By the object id of the service principal.
    pub(crate) fn principal(&self, object_id: &str) -> Option<&Principal> {
        self.clients.get(self.by_principal.get(&object_id.to_ascii_lowercase())?)
    }

    /// By Resource Manager's id.
    pub(crate) fn resource(&self, resource_id: &str) -> Option<&Principal> {
        self.clients.get(self.by_resource.get(&resource_id.to_ascii_lowercase())?)
    }

    /// By identifier URI.
    pub(crate) fn uri(&self, uri: &str) -> Option<&Principal> {
        self.clients.get(self.by_uri.get(uri)?)
    }

    /// All of this display name.
    pub(crate) fn named<'a>(&'a self, display_name: &str) -> impl Iterator<Item = &'a Principal> {
        let ids = self.by_name.get(display_name);
        ids.into_iter().flatten().filter_map(move |id| self.clients.get(id))
    }

    /// All identities whose id begins like this (in lower case), in order.
    pub(crate) fn resources<'a>(&'a self, start: &'a str) -> impl Iterator<Item = &'a Principal> {
        let from = self.by_resource.range(start.to_owned()..);
        from.take_while(move |(id, _)| id.starts_with(start)).filter_map(move |(_, client)| self.clients.get(client))
    }

    /// All of them, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Principal> {
        self.clients.values()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.clients.len()
    }
}

#[cfg(test)]
mod tests {
    use carnet_azure::trust::FederatedCredential;

    use super::*;

    fn application(client_id: &str, uri: &str) -> Principal {
        let application = Application {
            object_id: format!("app-{client_id}"),
            has_principal: true,
            identifier_uris: vec![uri.to_owned()],
            ..Application::default()
        };
        let object_id = format!("sp-{client_id}");
        Principal::new(client_id, &object_id, "x", Registration::Application(application))
    }

    #[test]
    fn one_is_found_by_each_of_its_names_until_it_is_gone() {
        let mut directory = Directory::default();
        directory.put(application("A", "api://a"));
        assert!(directory.client("a").is_some() && directory.application("APP-A").is_some());
        assert!(directory.principal("sp-a").is_some() && directory.uri("api://a").is_some());
        directory.change("a", |own| {
            own.application_mut().unwrap().identifier_uris = vec!["api://b".to_owned()];
        });
        assert!(directory.uri("api://a").is_none() && directory.uri("api://b").is_some());
        assert!(directory.remove("A"));
        assert!(directory.client("a").is_none() && directory.uri("api://b").is_none());
        assert_eq!((directory.by_application.len(), directory.by_principal.len()), (0, 0));
    }

    #[test]
    fn a_change_is_known_after_its_delay() {
        let mut principal = application("a", "api://a");
        let at = |second| Timestamp::from_second(second).unwrap();
        let credential = FederatedCredential {
            name: "main".to_owned(),
            issuer: "https://issuer.example".to_owned(),
            subject: Some("s".to_owned()),
            audiences: vec!["a".to_owned()],
            ..FederatedCredential::default()
        };
        principal.change(at(100), |own| own.put(ClientKind::Application, credential)).unwrap();
        let delay = SignedDuration::from_secs(10);
        assert!(principal.known(at(109), delay).credentials.is_empty());
        assert_eq!(principal.known(at(110), delay).credentials.len(), 1);
        assert_eq!(principal.known(at(100), SignedDuration::ZERO).credentials.len(), 1);
        // A second change does not bring the first one forward.
        principal.change(at(105), |own| if own.remove("main") { Ok(()) } else { Err(()) }).unwrap();
        for (seconds, known) in [(109, 0), (110, 1), (114, 1), (115, 0)] {
            assert_eq!(principal.known(at(seconds), delay).credentials.len(), known, "{seconds}");
        }
    }

    #[test]
    fn ten_thousand_credentials_are_each_found_by_hash_among_at_most_twenty() {
        let mut directory = Directory::default();
        for number in 0..500 {
            let mut own = application(&format!("c{number}"), &format!("api://{number}"));
            for credential in 0..20 {
                let credential = FederatedCredential {
                    name: format!("name-{credential}"),
                    issuer: "https://issuer.example".to_owned(),
                    subject: Some(format!("{number}/{credential}")),
                    audiences: vec!["a".to_owned()],
                    ..FederatedCredential::default()
                };
                own.change(Timestamp::UNIX_EPOCH, |own| own.put(ClientKind::Application, credential)).unwrap();
            }
            directory.put(own);
        }
        assert_eq!(directory.iter().map(|own| own.client.credentials.len()).sum::<usize>(), 10_000);
        let found = directory.client("C499").unwrap();
        assert_eq!(found.client.credentials.get("name-19").unwrap().subject.as_deref(), Some("499/19"));
        assert!(found.client.credentials.len() <= carnet_azure::trust::MAX_CREDENTIALS);
    }
}
