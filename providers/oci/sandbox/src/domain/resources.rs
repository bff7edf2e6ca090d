//! Creating, changing and deleting resources, each as one step: checked, stored, and shown to the rest of the tenancy.

use carnet_core::Secret;
use http::StatusCode;
use serde_json::{Value, json};

use super::{
    Domain, admin_base, references,
    types::{APPS, GRANTS, GROUPS, PLATFORM_APP, STATUS_CHANGER, USERS},
};
use crate::{
    scim::{Patch, Resource, ResourceType, ScimError, Stamp, Store, text, version},
    seed,
    state::{Group, User},
};

/// Whether a resource may be changed: the value of `If-Match`, if there is one (RFC 7644, 3.14).
#[derive(Clone, Copy, Debug)]
pub(super) struct Precondition<'a>(pub(super) Option<&'a str>);

impl Precondition<'_> {
    fn check(self, resource: &Resource) -> Result<(), ScimError> {
        let Some(wanted) = self.0 else { return Ok(()) };
        let current = version(resource);
        let holds = wanted.split(',').map(str::trim).any(|tag| {
            let tag = tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"');
            tag == "*" || tag == current
        });
        if holds {
            return Ok(());
        }
        Err(ScimError::new(
            StatusCode::PRECONDITION_FAILED,
            "error.common.common.preconditionFailed",
            "The resource has been changed since that version.",
        ))
    }
}

/// Names that a resource gets at creation.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) id: String,
    pub(super) ocid: Option<String>,
    /// The client id of an app.
    pub(super) client_id: Option<String>,
}

impl Domain {
    /// Creates a resource under new names.
    pub(super) fn create(&self, kind: &ResourceType, body: Resource, author: &Value) -> Result<Resource, ScimError> {
        let world = self.state().world();
        let names = Names {
            id: world.random_hex::<16>(),
            ocid: kind.ocid_type.map(|name| format!("ocid1.{name}.oc1..aaaaaaaa{}", world.random_hex::<26>())),
            client_id: (kind.endpoint == APPS.endpoint).then(|| world.random_hex::<16>()),
        };
        let part = [world.random_hex::<4>(), world.random_hex::<2>(), world.random_hex::<2>(), world.random_hex::<8>()];
        let secret = Secret::new(format!("idcscs-{}", part.join("-")));
        self.create_as(kind, body, author, &names, Some(secret))
    }

    /// Creates a resource under these names; the secret is for an app that may keep one.
    pub(super) fn create_as(
        &self,
        kind: &ResourceType,
        body: Resource,
        author: &Value,
        names: &Names,
        secret: Option<Secret>,
    ) -> Result<Resource, ScimError> {
        // What only the server sets is passed over on creation (identity domains API, "mutability: readOnly").
        let mut resource = kind.without_read_only(kind.normalise(body));
        kind.check(&resource)?;
        if let Some(ocid) = &names.ocid {
            resource.insert("ocid".to_owned(), ocid.clone().into());
        }
        if let Some(client_id) = &names.client_id {
            resource.insert("name".to_owned(), client_id.clone().into());
        }
        for (name, value) in
            [("domainOcid", seed::DOMAIN), ("compartmentOcid", seed::TENANCY), ("tenancyOcid", seed::TENANCY)]
        {
            resource.insert(name.to_owned(), value.into());
        }
        let mut store = self.store_mut();
        references::complete(&store, kind, &mut resource, None)?;
        if kind.endpoint == GRANTS.endpoint {
            resource.insert("grantor".to_owned(), author.clone());
        }
        let stamp = Stamp { now: self.now(), base: &admin_base(), author: author.clone() };
        let created = store.create(kind, resource, &names.id, &stamp)?;
        if keeps_secret(kind, &created) {
            self.set_secret(&names.id, secret);
        }
        self.publish(&store, kind, None, Some(&created));
        Ok(created)
    }

    /// Replaces a resource with the body of a PUT.
    pub(super) fn replace(
        &self,
        kind: &ResourceType,
        id: &str,
        body: Resource,
        author: &Value,
        precondition: Precondition<'_>,
    ) -> Result<Resource, ScimError> {
        self.change(kind, id, author, precondition, |old| kind.replacement(old, kind.normalise(body)))
    }

    /// Changes a resource as a PATCH says.
    pub(super) fn patch(
        &self,
        kind: &ResourceType,
        id: &str,
        patch: &Patch,
        author: &Value,
        precondition: Precondition<'_>,
    ) -> Result<Resource, ScimError> {
        self.change(kind, id, author, precondition, |old| patch.apply(old).map(|new| kind.normalise(new)))
    }

    /// Deletes a resource and what makes no sense without it.
    pub(super) fn delete(
        &self,
        kind: &ResourceType,
        id: &str,
        precondition: Precondition<'_>,
    ) -> Result<(), ScimError> {
        let mut store = self.store_mut();
        let resource = store.find(kind, id).ok_or_else(|| ScimError::not_found(kind.name, id))?.clone();
        precondition.check(&resource)?;
        let id = text(&resource, "id").unwrap_or_default().to_owned();
        if kind.endpoint == APPS.endpoint {
            if id == PLATFORM_APP {
                return Err(ScimError::forbidden());
            }
            if resource.get("active") == Some(&Value::Bool(true)) {
                let detail = "An active app cannot be deleted. Deactivate it first.";
                return Err(ScimError::new(StatusCode::BAD_REQUEST, "error.apps.app.activeAppDelete", detail));
            }
            self.set_secret(&id, None);
        }
        store.remove(kind, &id);
        store.remove_where(&GRANTS, |grant| references::names_grantee(grant, &id));
        if kind.endpoint == USERS.endpoint {
            references::leave_groups(&mut store, &id, &self.system_stamp(&admin_base()));
        }
        self.publish(&store, kind, Some(&resource), None);
        Ok(())
    }

    /// Activates or deactivates an app: the body and the answer of `AppStatusChanger`.
    pub(super) fn change_status(&self, id: &str, body: &Resource, author: &Value) -> Result<Value, ScimError> {
        let active = body.get("active").ok_or_else(|| ScimError::missing(&["active"]))?;
        let active = active.as_bool().ok_or_else(|| ScimError::invalid_value("active", "it is of another type"))?;
        let named = |name: &str| text(body, name).is_none_or(|named| named == id || self.is_app(named, id));
        if !named("id") || !named("ocid") {
            return Err(ScimError::invalid_value("id", "it is not the one in the path"));
        }
        let app = self.change(&APPS, id, author, Precondition(None), |old| {
            let mut app = old.clone();
            app.insert("active".to_owned(), active.into());
            Ok(app)
        })?;
        let app_id = text(&app, "id").unwrap_or_default();
        Ok(json!({
            "schemas": [STATUS_CHANGER], "id": app_id, "ocid": app.get("ocid"), "active": active,
            "meta": {"resourceType": "AppStatusChanger", "location": format!("{}/AppStatusChanger/{app_id}", admin_base())},
        }))
    }

    fn is_app(&self, one: &str, other: &str) -> bool {
        let store = self.store();
        let id = |id: &str| store.find(&APPS, id).and_then(|app| text(app, "id"));
        id(one).is_some() && id(one) == id(other)
    }

    fn change(
        &self,
        kind: &ResourceType,
        id: &str,
        author: &Value,
        precondition: Precondition<'_>,
        change: impl FnOnce(&Resource) -> Result<Resource, ScimError>,
    ) -> Result<Resource, ScimError> {
        let mut store = self.store_mut();
        let old = store.find(kind, id).ok_or_else(|| ScimError::not_found(kind.name, id))?.clone();
        precondition.check(&old)?;
        let mut new = change(&old)?;
        kind.check_unchanged(&old, &new)?;
        kind.check(&new)?;
        references::complete(&store, kind, &mut new, Some(&old))?;
        let stamp = Stamp { now: self.now(), base: &admin_base(), author: author.clone() };
        let new = store.update(kind, new, &stamp)?;
        if kind.endpoint == APPS.endpoint && !keeps_secret(kind, &new) {
            self.set_secret(text(&new, "id").unwrap_or_default(), None);
        }
        self.publish(&store, kind, Some(&old), Some(&new));
        Ok(new)
    }

    fn system_stamp<'a>(&self, base: &'a str) -> Stamp<'a> {
        Stamp { now: self.now(), base, author: json!({"value": PLATFORM_APP, "type": "App"}) }
    }

    /// Shows users and groups to the rest of the tenancy, whose policies speak of them.
    fn publish(&self, store: &Store, kind: &ResourceType, old: Option<&Resource>, new: Option<&Resource>) {
        let mut directory = self.state().directory_mut();
        let ocid = new.or(old).and_then(|resource| text(resource, "ocid")).unwrap_or_default().to_owned();
        if kind.endpoint == USERS.endpoint {
            let Some(new) = new else {
                directory.users.remove(&ocid);
                return;
            };
            let known = directory.users.get(&ocid);
            let user = User {
                id: ocid.clone(),
                name: text(new, "userName").unwrap_or_default().to_owned(),
                description: text(new, "description").unwrap_or_default().to_owned(),
                email: references::primary_email(new).map(str::to_owned),
                active: new.get("active") == Some(&Value::Bool(true)),
                time_created: known.map_or_else(|| self.now(), |user| user.time_created),
                groups: known.map(|user| user.groups.clone()).unwrap_or_default(),
                api_keys: known.map(|user| user.api_keys.clone()).unwrap_or_default(),
            };
            directory.users.insert(ocid, user);
        } else if kind.endpoint == GROUPS.endpoint {
            let members = new.map(|group| references::member_ocids(store, group)).unwrap_or_default();
            for user in directory.users.values_mut() {
                if members.contains(&user.id) {
                    user.groups.insert(ocid.clone());
                } else {
                    user.groups.remove(&ocid);
                }
            }
            let Some(new) = new else {
                directory.groups.remove(&ocid);
                return;
            };
            let time_created = directory.groups.get(&ocid).map_or_else(|| self.now(), |group| group.time_created);
            let name = text(new, "displayName").unwrap_or_default().to_owned();
            let description = text(new, "description").unwrap_or_default().to_owned();
            directory.groups.insert(ocid.clone(), Group { id: ocid, name, description, time_created });
        }
    }
}

/// Public clients have no secret; neither has the platform's own app.
fn keeps_secret(kind: &ResourceType, resource: &Resource) -> bool {
    kind.endpoint == APPS.endpoint && text(resource, "clientType") != Some("public")
}
