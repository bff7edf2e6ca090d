//! Who may administer the domain.

use carnet_jose::{Algorithm, Claims, KeySet, Rules, UnverifiedJwt, verify_jwt};
use carnet_oci::trust::signature::Options;
use carnet_trust::Refusal;
use http::request::Parts;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{
    Domain, SERVICE, admin_base,
    types::{ADMINISTRATOR_ROLE, APP_ROLES, APPS, GRANTS, GROUPS, PLATFORM_APP, USERS},
    wire,
};
use crate::{
    scim::{Resource, ResourceType, ScimError, Store, text},
    seed::DOMAIN_URL,
};

/// What a scope for a role of the platform application starts with.
pub(super) const ROLE_SCOPE: &str = "urn:opc:idm:role.";

/// Tolerance for clocks in the domain's own tokens: none, they are made by the same clock.
const LEEWAY: SignedDuration = SignedDuration::ZERO;

/// Somebody who has proved who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    /// Id in the domain, or the OCID of a principal that is not in it.
    pub(super) id: String,
    /// For people.
    pub(super) display: String,
    /// `App`, `User`, or what else it is.
    pub(super) kind: &'static str,
    /// The roles of the platform application that count for this request.
    pub(super) roles: Vec<String>,
}

impl Caller {
    /// As `idcsCreatedBy` and `grantor` show it.
    pub(super) fn author(&self) -> Value {
        let reference = format!("{}/{}s/{}", admin_base(), self.kind, self.id);
        json!({"value": self.id, "display": self.display, "type": self.kind, "$ref": reference})
    }

    /// Refuses what the roles do not allow.
    ///
    /// Administrators of a part may change that part; service users, trusts and settings are for administrators of the
    /// domain alone (documentation, "Understanding Administrator Roles").
    pub(super) fn may(&self, kind: &ResourceType, writes: bool) -> Result<(), ScimError> {
        let allowed = self.roles.iter().any(|role| match role.as_str() {
            ADMINISTRATOR_ROLE => true,
            "Audit Administrator" => !writes,
            // Whoever may write grants may grant itself the administrator's role, so only the administrator may.
            "Application Administrator" => {
                kind.endpoint == "Apps" || (matches!(kind.endpoint, "AppRoles" | "Grants") && !writes)
            }
            "User Administrator" => matches!(kind.endpoint, "Users" | "Groups"),
            "User Manager" => kind.endpoint == "Users",
            _ => false,
        });
        if allowed { Ok(()) } else { Err(ScimError::forbidden()) }
    }
}

impl Domain {
    /// Who sends this request: by bearer token of this domain, or by OCI signature.
    pub(super) fn caller(&self, parts: &Parts, body: &[u8]) -> Result<Caller, ScimError> {
        let found = match wire::authorization(&parts.headers) {
            Some((scheme, token)) if scheme == "bearer" => self.bearer(token),
            Some((scheme, _)) if scheme == "signature" => return self.signer(parts, body),
            Some(_) => Err(ScimError::unauthorized("The authorization scheme is not supported.")),
            None => Err(ScimError::unauthorized("Authorization is required.")),
        };
        found.inspect_err(|error| {
            let wanted = "an access token of this identity domain, or an OCI signature";
            let fix = "ask the token endpoint for a new access token";
            let refusal = Refusal::new("token", &error.detail, wanted, error.message_id, fix);
            self.state().world().decisions.refused(SERVICE, &refusal);
        })
    }

    /// The claims of an access token of this domain that is good now.
    pub(super) fn verify_access_token(&self, token: &str) -> Option<Claims> {
        let token = UnverifiedJwt::parse(token).ok()?;
        let issuer = token.unverified_issuer()?;
        if issuer != self.issuer() && Some(issuer) != self.previous_issuer().as_deref() {
            return None;
        }
        let now = self.now();
        let keys = KeySet::of(self.signing().get(now).ok()?.key.public_key().ok()?);
        let rules = Rules {
            issuer: Some(issuer),
            audiences: Some(&[DOMAIN_URL]),
            algorithms: &[Algorithm::Rs256],
            leeway: LEEWAY,
            require_expiry: true,
            max_lifetime: None,
            types: &["JWT"],
        };
        let verified = verify_jwt(&token, &keys, &rules, now).ok()?;
        (verified.claims().str("tok_type") == Some("AT")).then(|| verified.claims().clone())
    }

    fn bearer(&self, token: &str) -> Result<Caller, ScimError> {
        let refused = || ScimError::unauthorized("The access token is invalid or has expired.");
        let claims = self.verify_access_token(token).ok_or_else(refused)?;
        let store = self.store();
        let mut caller = match (claims.str("user_id"), claims.str("client_id")) {
            (Some(id), _) => user(&store, store.find(&USERS, id)).ok_or_else(refused)?,
            (None, Some(client)) => app(&store, store.find_by(&APPS, "name", client)).ok_or_else(refused)?,
            (None, None) => foreigner(claims.str("sub").unwrap_or_default()),
        };
        // A token that was narrowed to some roles carries no others, whatever the holder has.
        let scopes: Vec<&str> = claims.str("scope").unwrap_or_default().split(' ').collect();
        caller.roles.retain(|role| scopes.contains(&role_scope(role).as_str()));
        Ok(caller)
    }

    fn signer(&self, parts: &Parts, body: &[u8]) -> Result<Caller, ScimError> {
        let principal = self.state().authenticate_signed_request(SERVICE, parts, body, &Options::API);
        let principal = principal.map_err(|refusal| {
            self.state().world().decisions.refused(SERVICE, &refusal);
            ScimError::unauthorized(
                "The required information to complete authentication was not provided or was incorrect.",
            )
        })?;
        if !principal.is_user() {
            return Ok(foreigner(&principal.id));
        }
        let store = self.store();
        let refused = || ScimError::unauthorized("The user is not an active user of this identity domain.");
        user(&store, store.find_by(&USERS, "ocid", &principal.id)).ok_or_else(refused)
    }

    /// The roles of the platform application that the app or user with this id has.
    pub(super) fn roles(&self, kind: &'static str, id: &str) -> Vec<String> {
        roles(&self.store(), kind, id)
    }

    /// The roles of a user, those of its groups among them.
    pub(super) fn user_roles(&self, id: &str) -> Vec<String> {
        let store = self.store();
        user(&store, store.find(&USERS, id)).map(|caller| caller.roles).unwrap_or_default()
    }
}

/// The scope that stands for a role.
pub(super) fn role_scope(role: &str) -> String {
    // Scopes are separated by blanks, so the name's own are escaped.
    format!("{ROLE_SCOPE}{}", role.replace(' ', "%20"))
}

fn app(store: &Store, app: Option<&Resource>) -> Option<Caller> {
    let app = app.filter(|app| app.get("active") == Some(&Value::Bool(true)))?;
    let id = text(app, "id")?;
    let display = text(app, "displayName").unwrap_or_default().to_owned();
    Some(Caller { id: id.to_owned(), display, kind: "App", roles: roles(store, "App", id) })
}

fn user(store: &Store, user: Option<&Resource>) -> Option<Caller> {
    let user = user.filter(|user| user.get("active") == Some(&Value::Bool(true)))?;
    let id = text(user, "id")?;
    let display = text(user, "userName").unwrap_or_default().to_owned();
    let mut found = roles(store, "User", id);
    for group in store.all(&GROUPS).iter().filter(|group| has_member(group, id)) {
        found.extend(roles(store, "Group", text(group, "id").unwrap_or_default()));
    }
    Some(Caller { id: id.to_owned(), display, kind: "User", roles: found })
}

/// A principal of the tenancy that is not in the domain: it may sign in and has no role.
fn foreigner(id: &str) -> Caller {
    Caller { id: id.to_owned(), display: id.to_owned(), kind: "Principal", roles: Vec::new() }
}

fn roles(store: &Store, kind: &str, id: &str) -> Vec<String> {
    let grants = store.all(&GRANTS).iter().filter(|grant| {
        sub(grant, "grantee", "value") == Some(id)
            && sub(grant, "grantee", "type") == Some(kind)
            && sub(grant, "app", "value") == Some(PLATFORM_APP)
            && grant.get("isFulfilled") == Some(&Value::Bool(true))
    });
    grants
        .filter_map(|grant| store.find(&APP_ROLES, sub(grant, "entitlement", "attributeValue")?))
        .filter_map(|role| text(role, "displayName").map(str::to_owned))
        .collect()
}

/// Whether the group lists the user with this id.
pub(super) fn has_member(group: &Resource, id: &str) -> bool {
    let members = group.get("members").and_then(Value::as_array);
    members.is_some_and(|members| members.iter().any(|member| member.get("value").and_then(Value::as_str) == Some(id)))
}

/// A text inside a complex attribute.
pub(super) fn sub<'a>(resource: &'a Resource, attribute: &str, name: &str) -> Option<&'a str> {
    resource.get(attribute)?.get(name)?.as_str()
}
