//! Access tokens of the identity domain: what other clouds accept as an OIDC token, and what the administration API accepts.

use carnet_jose::encode_jwt;
use carnet_oci::trust::Principal;
use carnet_sandbox_kit::FaultKind;
use carnet_trust::{Grant, Refusal};
use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use super::{
    CLIENT_CREDENTIALS, Form, TokenError,
    client::{App, Client},
    scope::Scopes,
    state::RefreshGrant,
};
use crate::{
    domain::{
        Domain, SERVICE,
        access::role_scope,
        types::{APPS, USERS},
    },
    scim::{Resource, text},
    seed,
};

/// Life of an access token in seconds when neither the app nor the scope says otherwise (documentation, "Token Expiry
/// Table").
const DEFAULT_LIFETIME: i64 = 3_600;

/// `aud` of tokens for the domain itself.
///
/// UNCONFIRMED: whether there is a slash at the end. Oracle's walkthrough for Google Cloud allows the URL without one.
const OWN_AUDIENCE: &str = seed::DOMAIN_URL;

/// The name of the domain as `tenant` claims have it: the first label of its host.
const DOMAIN_NAME: &str = "idcs-c0ffee00c0ffee00c0ffee00c0ffee00";

/// Whose token it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// An OAuth client: id of the app, its client id, its name.
    App { id: String, client_id: String, name: String },
    /// A user of the domain: id, `userName`, name for people.
    User { id: String, name: String, display: String },
    /// Another OCI principal, by OCID.
    Other { id: String },
}

/// What a token says.
struct Issue {
    audience: String,
    scope: String,
    lifetime: i64,
}

impl Domain {
    /// `grant_type=client_credentials`.
    pub(super) fn client_credentials(&self, client: &Client, form: &Form) -> Result<Value, TokenError> {
        let unauthorized = || {
            let description = "The client is not authorized to use the client credentials grant.";
            TokenError::new("unauthorized_client", description).because(Refusal::new(
                "grant",
                CLIENT_CREDENTIALS,
                "a grant that the App's allowedGrants list",
                "unauthorized_client",
                "add client_credentials to allowedGrants of the App",
            ))
        };
        let Client::App(app) = client else { return Err(unauthorized()) };
        if !app.allows(CLIENT_CREDENTIALS) {
            return Err(unauthorized());
        }
        let scopes = read_scopes(form)?;
        if scopes.offline {
            return Err(TokenError::scope("offline_access"));
        }
        let holder = Holder::of_app(app);
        let issue = self.resolve(&holder, &scopes, Some(app))?;
        self.issue(&holder, &issue)
    }

    /// An OCI-signed exchange: the subject is the signer, so there is no `subject_token` (documentation, "Token Exchange
    /// Grant Type: Exchanging …", two-legged).
    pub(super) fn exchange_for_access_token(&self, client: &Client, form: &Form) -> Result<Value, TokenError> {
        let Client::Principal(principal) = client else {
            return Err(TokenError::request("This exchange must be signed by an OCI principal."));
        };
        if form.get("subject_token").is_some() {
            return Err(TokenError::request("The subject is the signer: subject_token must be left out."));
        }
        let scopes = read_scopes(form)?;
        let holder = self.holder_of(principal)?;
        let issue = self.resolve(&holder, &scopes, None)?;
        let mut answer = self.issue(&holder, &issue)?;
        if scopes.offline {
            let client_id = self.refresh_client(form)?;
            self.add_refresh_token(
                &mut answer,
                RefreshGrant {
                    client_id,
                    holder,
                    scope: form.get("scope").unwrap_or_default().to_owned(),
                    given: self.now(),
                },
            );
        }
        Ok(answer)
    }

    /// `grant_type=refresh_token`: works once, and gives another.
    pub(super) fn refresh(&self, form: &Form) -> Result<Value, TokenError> {
        let client_id = form.required("client_id")?;
        let token = form.required("refresh_token")?;
        let refused = || TokenError::new("invalid_grant", "The refresh token is invalid or was used before.");
        let grant = self.tokens().take_refresh(token).ok_or_else(refused)?;
        let gone = match &grant.holder {
            Holder::User { id, .. } => !self.is_active_user(id),
            Holder::App { .. } | Holder::Other { .. } => false,
        };
        if gone || grant.client_id != client_id || self.active_app(client_id).is_none() {
            return Err(refused());
        }
        let scopes = Scopes::parse(&grant.scope).ok_or_else(refused)?;
        let issue = self.resolve(&grant.holder, &scopes, None)?;
        let mut answer = self.issue(&grant.holder, &issue)?;
        self.add_refresh_token(&mut answer, RefreshGrant { given: self.now(), ..grant });
        Ok(answer)
    }

    /// `offline_access` wants the id of the client that will refresh, and `isCLI=true`.
    fn refresh_client(&self, form: &Form) -> Result<String, TokenError> {
        let client_id = form.get("client_id").filter(|_| form.get("isCLI") == Some("true"));
        let client_id =
            client_id.ok_or_else(|| TokenError::request("offline_access needs client_id and isCLI=true."))?;
        self.active_app(client_id).map(|app| app.client_id).ok_or_else(|| not_active(client_id))
    }

    fn add_refresh_token(&self, answer: &mut Value, grant: RefreshGrant) {
        let token = self.state().world().random_hex::<32>();
        if let Some(answer) = answer.as_object_mut() {
            answer.insert("refresh_token".to_owned(), token.clone().into());
        }
        self.tokens().keep_refresh(&token, grant);
    }

    fn is_active_user(&self, id: &str) -> bool {
        self.store().find(&USERS, id).is_some_and(|user| user.get("active") == Some(&Value::Bool(true)))
    }

    /// UNCONFIRMED for instances and resources: `sub` is their OCID, `sub_type` is `client` because they are not users.
    fn holder_of(&self, principal: &Principal) -> Result<Holder, TokenError> {
        if !principal.is_user() {
            return Ok(Holder::Other { id: principal.id.clone() });
        }
        let store = self.store();
        let user =
            store.find_by(&USERS, "ocid", &principal.id).filter(|user| user.get("active") == Some(&Value::Bool(true)));
        user.map(Holder::of_user).ok_or_else(|| not_active(&principal.id))
    }

    /// Turns scopes into an audience, a scope claim and a life.
    fn resolve(&self, holder: &Holder, scopes: &Scopes, app: Option<&App>) -> Result<Issue, TokenError> {
        if !scopes.resources.is_empty() {
            return self.resolve_resource(scopes, app);
        }
        let granted = match holder {
            Holder::App { id, .. } => self.roles("App", id),
            Holder::User { id, .. } => self.user_roles(id),
            Holder::Other { .. } => Vec::new(),
        };
        if let Some(unknown) = scopes.roles.iter().find(|role| !granted.contains(role)) {
            return Err(TokenError::scope(&role_scope(unknown)));
        }
        let roles = if scopes.mine { &granted } else { &scopes.roles };
        let mut scope: Vec<String> = roles.iter().map(|role| role_scope(role)).collect();
        scope.extend(scopes.consumers.iter().cloned());
        Ok(Issue {
            audience: OWN_AUDIENCE.to_owned(),
            scope: scope.join(" "),
            lifetime: scopes.expiry.unwrap_or(DEFAULT_LIFETIME),
        })
    }

    /// Scopes of a resource server: `aud` is its primary audience, `scope` what is left of the scope's full name.
    fn resolve_resource(&self, scopes: &Scopes, app: Option<&App>) -> Result<Issue, TokenError> {
        let store = self.store();
        let mut audience: Option<String> = None;
        let mut lifetime = DEFAULT_LIFETIME;
        let mut values = Vec::new();
        for wanted in &scopes.resources {
            let found = store.all(&APPS).iter().find_map(|server| resource_scope(server, wanted));
            let (server, value) = found.ok_or_else(|| TokenError::scope(wanted))?;
            if app.is_some_and(|app| !may_use(&app.resource, wanted)) {
                return Err(TokenError::scope(wanted));
            }
            let own = text(server, "audience").unwrap_or_default();
            if audience.get_or_insert_with(|| own.to_owned()) != own {
                return Err(TokenError::scope(wanted));
            }
            lifetime = server.get("accessTokenExpiry").and_then(Value::as_i64).unwrap_or(lifetime);
            values.push(value);
        }
        values.extend(scopes.consumers.iter().cloned());
        Ok(Issue {
            audience: audience.unwrap_or_default(),
            scope: values.join(" "),
            lifetime: scopes.expiry.unwrap_or(lifetime),
        })
    }

    fn issue(&self, holder: &Holder, issue: &Issue) -> Result<Value, TokenError> {
        let world = self.state().world();
        let now = self.now();
        let signer = self.signing().get(now).map_err(|_key| TokenError::server())?;
        let mut issued = now.as_second();
        if world.faults.hits(FaultKind::Expired, SERVICE, super::PATH) {
            issued = issued.saturating_sub(issue.lifetime).saturating_sub(60);
        }
        let mut claims = holder.claims();
        let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        set("tok_type", "AT".into());
        set("iss", self.issuer().into());
        set("aud", issue.audience.clone().into());
        set("scope", issue.scope.clone().into());
        set("tenant", DOMAIN_NAME.into());
        set("user.tenant.name", DOMAIN_NAME.into());
        set("iat", issued.into());
        set("exp", issued.saturating_add(issue.lifetime).into());
        set("jti", world.random_hex::<16>().into());
        set("sid", world.random_hex::<16>().into());
        let mut header = Map::new();
        header.insert("x5t#S256".to_owned(), signer.thumbprint().into());
        let token = encode_jwt(&signer.key, &header, &claims).map_err(|_key| TokenError::server())?;
        world.decisions.allowed(
            SERVICE,
            &Grant {
                principal: holder.subject().to_owned(),
                lifetime: Some(SignedDuration::from_secs(issue.lifetime)),
                attributes: [("aud".to_owned(), issue.audience.clone()), ("scope".to_owned(), issue.scope.clone())]
                    .into(),
                held: vec!["client", "scope"],
                warnings: Vec::new(),
            },
        );
        Ok(json!({"access_token": token.expose(), "token_type": "Bearer", "expires_in": issue.lifetime}))
    }
}

impl Holder {
    fn of_app(app: &App) -> Self {
        let name = text(&app.resource, "displayName").unwrap_or_default().to_owned();
        Self::App { id: app.id.clone(), client_id: app.client_id.clone(), name }
    }

    fn of_user(user: &Resource) -> Self {
        let own = |name: &str| text(user, name).unwrap_or_default().to_owned();
        Self::User { id: own("id"), name: own("userName"), display: own("displayName") }
    }

    fn subject(&self) -> &str {
        match self {
            Self::App { client_id, .. } => client_id,
            Self::User { name, .. } => name,
            Self::Other { id } => id,
        }
    }

    fn claims(&self) -> Map<String, Value> {
        let claims = match self {
            Self::App { client_id, name, .. } => json!({
                "sub_type": "client", "client_id": client_id, "client_name": name, "client_tenantname": DOMAIN_NAME,
            }),
            Self::User { id, display, .. } => json!({
                "sub_type": "user", "sub_mappingattr": "userName", "user_id": id, "user_displayname": display,
                "user_tenantname": DOMAIN_NAME,
            }),
            Self::Other { .. } => json!({"sub_type": "client"}),
        };
        let Value::Object(mut claims) = claims else { return Map::new() };
        claims.insert("sub".to_owned(), self.subject().into());
        claims
    }
}

fn read_scopes(form: &Form) -> Result<Scopes, TokenError> {
    let scope = form.get("scope").unwrap_or_default();
    Scopes::parse(scope).ok_or_else(|| TokenError::scope(scope))
}

fn not_active(seen: &str) -> TokenError {
    let fix = "activate it in the identity domain";
    TokenError::client(Refusal::new("client", seen, "active in this identity domain", "invalid_client", fix))
}

/// The resource server that has the scope under this full name, and the scope's own value.
fn resource_scope<'a>(server: &'a Resource, wanted: &str) -> Option<(&'a Resource, String)> {
    let is = |name: &str| server.get(name) == Some(&Value::Bool(true));
    if !is("active") || !is("isOAuthResource") {
        return None;
    }
    let scopes = server.get("scopes")?.as_array()?;
    let scope = scopes.iter().find(|scope| scope.get("fqs").and_then(Value::as_str) == Some(wanted))?;
    Some((server, scope.get("value")?.as_str()?.to_owned()))
}

/// Whether the client may ask for the scope: it is listed, or the client trusts every resource of the account.
fn may_use(client: &Resource, wanted: &str) -> bool {
    let listed = client
        .get("allowedScopes")
        .and_then(Value::as_array)
        .is_some_and(|scopes| scopes.iter().any(|scope| scope.get("fqs").and_then(Value::as_str) == Some(wanted)));
    listed || text(client, "trustScope") == Some("Account")
}
