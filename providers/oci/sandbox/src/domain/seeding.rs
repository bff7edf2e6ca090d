//! Puts the seeds into the domain, through the same doors as everybody else.

use carnet_core::Secret;
use serde_json::{Map, Value, json};

use super::{
    Domain, Resource,
    resources::Names,
    seed,
    types::{
        ADMINISTRATOR_ROLE, APP_ROLES, APPS, GRANTS, GROUPS, PLATFORM_APP, SETTINGS, TRUSTS, USER_EXTENSION, USERS,
    },
};
use crate::{
    scim::{ResourceType, text},
    seed as tenancy,
    state::User,
};

impl Domain {
    /// Fills the empty domain. A seed that its own domain refuses is left out and logged; the test of the seeds finds it.
    pub(super) fn seed(&self) {
        self.plant(&SETTINGS, SETTINGS.name, None, settings());
        for (id, client_id, secret, body) in seed::apps() {
            let names = Names {
                id: id.to_owned(),
                ocid: Some(fixed_ocid("domainapp", client_id)),
                client_id: Some(client_id.to_owned()),
            };
            self.plant_as(&APPS, &names, secret.map(Secret::new), body);
        }
        for (id, name) in seed::ROLES {
            let role = json!({"displayName": name, "app": {"value": PLATFORM_APP}, "adminRole": true});
            self.plant(&APP_ROLES, id, Some(fixed_ocid("domainapprole", id)), role);
        }
        self.seed_directory();
        let admin_app = self.store().find_by(&APPS, "name", seed::ADMIN_CLIENT_ID).and_then(id_of);
        let admins = self.store().find_by(&GROUPS, "ocid", tenancy::ADMIN_GROUP).and_then(id_of);
        self.grant(1, "ADMINISTRATOR_TO_APP", "App", admin_app);
        self.grant(2, "ADMINISTRATOR_TO_GROUP", "Group", admins);
        for (number, trust) in (1_u8..).zip(seed::trusts()) {
            let id = format!("7245700000000000000000000000{number:04}");
            self.plant(&TRUSTS, &id, Some(fixed_ocid("domainidentitypropagationtrust", &id)), trust);
        }
    }

    /// The users and groups that the tenancy has already, and the service user of deployments, whom the domain adds.
    fn seed_directory(&self) {
        let now = self.now();
        self.state().directory_mut().users.entry(seed::DEPLOY_USER.to_owned()).or_insert_with(|| {
            let description = "Service user that deployments become";
            let mut user = User::new(seed::DEPLOY_USER, seed::DEPLOY_USER_NAME, description, now);
            user.groups.insert(tenancy::DEPLOYERS_GROUP.to_owned());
            user
        });
        let (users, groups) = {
            let directory = self.state().directory();
            let known = directory.users.values();
            let users: Vec<(String, Value)> = known
                .map(|known| (known.id.clone(), user(&known.name, &known.description, known.email.as_deref())))
                .collect();
            let groups = directory.groups.values().map(|group| {
                let members = directory.users.values().filter(|user| user.groups.contains(&group.id));
                let members: Vec<Value> = members.map(|user| json!({"value": user.id, "type": "User"})).collect();
                let body = json!({"displayName": group.name, "description": group.description, "members": members});
                (group.id.clone(), body)
            });
            let groups: Vec<(String, Value)> = groups.collect();
            (users, groups)
        };
        for (number, (ocid, body)) in (1_u16..).zip(users) {
            self.plant(&USERS, &format!("05e20000000000000000000000{number:06}"), Some(ocid), body);
        }
        for (number, (ocid, body)) in (1_u16..).zip(groups) {
            self.plant(&GROUPS, &format!("960000000000000000000000{number:08}"), Some(ocid), body);
        }
    }

    fn grant(&self, number: u8, mechanism: &str, kind: &str, grantee: Option<String>) {
        let Some(grantee) = grantee else { return };
        let role = self.store().find_by(&APP_ROLES, "displayName", ADMINISTRATOR_ROLE).and_then(id_of);
        let grant = json!({
            "grantMechanism": mechanism, "grantee": {"value": grantee, "type": kind}, "app": {"value": PLATFORM_APP},
            "entitlement": {"attributeName": "appRoles", "attributeValue": role},
        });
        self.plant(&GRANTS, &format!("69a70000000000000000000000{number:06}"), None, grant);
    }

    fn plant(&self, kind: &ResourceType, id: &str, ocid: Option<String>, body: Value) {
        self.plant_as(kind, &Names { id: id.to_owned(), ocid, client_id: None }, None, body);
    }

    fn plant_as(&self, kind: &ResourceType, names: &Names, secret: Option<Secret>, body: Value) {
        let Value::Object(body) = body else { return };
        let author = json!({"value": PLATFORM_APP, "display": "IDCS Application", "type": "App"});
        if let Err(error) = self.create_as(kind, body, &author, names, secret) {
            tracing::error!(
                resource.kind = kind.name,
                resource.id = names.id,
                error.detail = error.detail,
                "seed refused"
            );
        }
    }
}

fn settings() -> Value {
    json!({
        "issuer": tenancy::DOMAIN_URL, "signingCertPublicAccess": true, "iamUpstSessionExpiry": 60, "diagnosticLevel": 0,
    })
}

/// People have an address; whoever has none is a service user.
fn user(name: &str, description: &str, email: Option<&str>) -> Value {
    let mut user = Map::new();
    user.insert("userName".to_owned(), name.into());
    user.insert("description".to_owned(), description.into());
    user.insert(USER_EXTENSION.to_owned(), json!({"serviceUser": email.is_none()}));
    if let Some(email) = email {
        user.insert("name".to_owned(), json!({"familyName": name}));
        user.insert("emails".to_owned(), json!([{"value": email, "type": "work", "primary": true}]));
    }
    user.into()
}

fn fixed_ocid(kind: &str, name: &str) -> String {
    format!("ocid1.{kind}.oc1..aaaaaaaacarnetsandbox{name}")
}

fn id_of(resource: &Resource) -> Option<String> {
    text(resource, "id").map(str::to_owned)
}
