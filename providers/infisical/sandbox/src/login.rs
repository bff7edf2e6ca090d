//! `POST auth/METHOD/login`: what decides is `carnet_infisical::trust`, what comes of it is made here.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use carnet_core::Secret;
use carnet_infisical::trust::{KubernetesAuth, Method, OciAuth, Proof, Proven, Refused, SignedHeaders, UniversalAuth};
use carnet_sandbox_kit::FaultKind;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::{
    SERVICE,
    call::{Call, PEER},
    reply::{Answer, ApiError},
    route::no_route,
    state::{Inner, State},
    tokens::{self, Claims},
    upstream,
};

/// The headers of a signed request to Oracle that get through.
const OCI_HEADERS: [&str; 4] = ["authorization", "host", "date", "x-date"];

/// Logs in by the method of this name.
pub(crate) async fn login(state: &State, call: &Call, name: &str) -> Answer {
    if name == "universal-auth" {
        return universal(state, call);
    }
    let identity = call.need("identityId")?;
    let shown = Shown::read(call, name)?;
    let absent = || Method::absent(name, identity).map_or_else(|| no_route(call), ApiError::from);
    let method = state.lock().identities.get(identity).and_then(|one| one.methods.get(name)).cloned();
    let method = method.ok_or_else(absent)?;
    let now = state.now();
    let proven = prove(state, identity, &method, &shown, now).await?;
    issue(state, call, identity, &method, proven, None, now)
}

/// What was shown, read by the schema of its method.
enum Shown {
    Jwt(Secret),
    Aws { method: String, body: Vec<u8>, headers: Map<String, Value> },
    Oci { user: String, headers: Map<String, Value> },
}

impl Shown {
    fn read(call: &Call, name: &str) -> Result<Self, ApiError> {
        match name {
            "aws-auth" => Self::aws(call),
            "oci-auth" => Self::oci(call),
            _ => Ok(Self::Jwt(Secret::new(call.need("jwt")?))),
        }
    }

    fn aws(call: &Call) -> Result<Self, ApiError> {
        let decode = |field: &str| {
            let bytes = STANDARD.decode(call.need(field)?);
            bytes.map_err(|_invalid| ApiError::from(upstream::unreadable(field, "base64")))
        };
        let method = call.text("iamHttpRequestMethod")?.unwrap_or("POST").to_owned();
        let (body, headers) = (decode("iamRequestBody")?, decode("iamRequestHeaders")?);
        let headers = serde_json::from_slice(&headers);
        let headers = headers.map_err(|_quoting| upstream::unreadable("iamRequestHeaders", "a JSON object"))?;
        Ok(Self::Aws { method, body, headers })
    }

    fn oci(call: &Call) -> Result<Self, ApiError> {
        let user = call.need("userOcid")?.to_owned();
        let Some(Value::Object(given)) = call.body.get("headers") else {
            return Err(ApiError::issue(&["headers"], "Required"));
        };
        for name in ["authorization", "host"] {
            if !given.get(name).is_some_and(Value::is_string) {
                return Err(ApiError::issue(&["headers", name], "Required"));
            }
        }
        if !["date", "x-date"].iter().any(|name| given.get(*name).is_some_and(Value::is_string)) {
            return Err(ApiError::issue(&["headers"], "Either date or x-date must be provided"));
        }
        // Whatever else was signed cannot be conveyed.
        let mut headers = given.clone();
        headers.retain(|name, value| OCI_HEADERS.contains(&name.as_str()) && value.is_string());
        Ok(Self::Oci { user, headers })
    }
}

/// Asks whom the method asks, and decides.
async fn prove(
    state: &State,
    identity: &str,
    method: &Method,
    shown: &Shown,
    now: Timestamp,
) -> Result<Proven, Box<Refused>> {
    let world = &state.world;
    let token = match shown {
        Shown::Jwt(token) => token,
        Shown::Aws { method: verb, body, headers } => {
            let caller = upstream::caller(world, verb, body.clone(), headers).await?;
            return method.decide(identity, &Proof::Caller(&caller), now);
        }
        Shown::Oci { user, headers } => {
            let text = |name: &str| headers.get(name).and_then(Value::as_str).unwrap_or_default();
            let signed = SignedHeaders { authorization: text("authorization"), host: text("host") };
            let url = OciAuth::destination(&signed, user)?;
            let answer = upstream::user(world, &url, headers).await?;
            return method.decide(identity, &Proof::User { headers: &signed, user_ocid: user, user: &answer }, now);
        }
    };
    let keys = match method {
        Method::Azure(auth) => upstream::tenant(world, auth).await?,
        Method::Gcp(auth) => upstream::google(world, auth, token).await?,
        Method::Jwt(auth) => upstream::configured(world, auth).await?,
        Method::Oidc(auth) => upstream::discovered(world, auth, token).await?,
        Method::Spiffe(auth) => upstream::bundle(state, auth).await?,
        Method::Kubernetes(auth) => {
            KubernetesAuth::check_length(token)?;
            let review = upstream::review(world, auth, token).await?;
            return method.decide(identity, &Proof::Review(&review), now);
        }
        // Their schemas take no token.
        Method::Aws(_) | Method::Oci(_) | Method::Universal(_) => return Err(upstream::unreadable("jwt", "no token")),
    };
    method.decide(identity, &Proof::Token { token, keys: &keys }, now)
}

/// The one method that names no identity.
fn universal(state: &State, call: &Call) -> Answer {
    let client_id = call.need("clientId")?;
    let shown = Secret::new(call.need("clientSecret")?);
    let now = state.now();
    let (identity, method, proven, secret_id) = {
        let mut inner = state.lock();
        let found = inner.identities.iter_mut().find(|(_, one)| !client_id.is_empty() && one.client_id == client_id);
        let (id, identity) = found.ok_or_else(UniversalAuth::invalid)?;
        let method = identity.methods.get("universal-auth").cloned();
        let Some(Method::Universal(auth)) = &method else { return Err(UniversalAuth::invalid().into()) };
        auth.admit(PEER, identity.lockout, now)?;
        let Some(stored) = identity.client_secrets.iter_mut().find(|stored| stored.is(&shown)) else {
            identity.lockout = Some(auth.failed(identity.lockout, now));
            return Err(UniversalAuth::invalid().into());
        };
        identity.lockout = None;
        let proven = UniversalAuth::decide(Some(&stored.about), now)?;
        stored.about.uses = stored.about.uses.saturating_add(1);
        (id.clone(), Method::Universal(auth.clone()), proven, stored.id.clone())
    };
    issue(state, call, &identity, &method, proven, Some(secret_id), now)
}

/// Gives the token. A sub-organisation is looked at last.
fn issue(
    state: &State,
    call: &Call,
    identity_id: &str,
    method: &Method,
    proven: Proven,
    client_secret: Option<String>,
    now: Timestamp,
) -> Answer {
    let inner = state.lock();
    let identity = inner.identities.get(identity_id).ok_or_else(|| ApiError::unauthorized("Identity not found"))?;
    let org_id = organization(&inner, call, identity_id)?;
    let attributes = json!(proven.attributes);
    let grant = method.grant(identity_id, proven, now);
    state.world.decisions.allowed(SERVICE, &grant);
    let expired = state.world.faults.hits(FaultKind::Expired, SERVICE, &format!("/{}", call.path.join("/")));
    let settings = method.settings();
    let life = if expired { SignedDuration::ZERO } else { settings.life(now, now) };
    let id = state.uuid();
    let limit = settings.access_token_num_uses_limit;
    let root = inner.organization.id.clone();
    let claims = Claims {
        jti: id.clone(),
        identity_id: identity_id.to_owned(),
        identity_access_token_id: id,
        identity_name: identity.name.clone(),
        auth_method: method.name().to_owned(),
        auth_token_type: "identityAccessToken".to_owned(),
        org_id,
        root_org_id: root.clone(),
        parent_org_id: root,
        client_secret_id: client_secret.unwrap_or_default(),
        access_token_ttl: settings.requested_ttl(),
        access_token_max_ttl: settings.requested_max(),
        access_token_period: settings.access_token_period,
        creation_epoch: now.as_second(),
        num_uses_limit: (limit > 0).then_some(limit),
        identity_auth: json!({ (method.name().trim_end_matches("-auth")): attributes }),
        iat: now.as_second(),
        exp: tokens::end(now, life),
    };
    // What is said is what is configured.
    Ok(tokens::issued(&inner.tokens.sign(&claims), settings.requested_ttl(), settings.access_token_max_ttl))
}

/// The organisation of the token: the identity's own, or the one below it that was asked for.
fn organization(inner: &Inner, call: &Call, identity_id: &str) -> Result<String, ApiError> {
    let own = &inner.organization;
    let slug = call.text("organizationSlug")?.filter(|slug| !slug.is_empty() && *slug != own.slug);
    let Some(slug) = slug else { return Ok(own.id.clone()) };
    let Some((id, members)) = own.below.get(slug) else {
        return Err(ApiError::not_found(format!("Sub organization with slug {slug} not found")));
    };
    if members.contains(identity_id) {
        return Ok(id.clone());
    }
    let error = ApiError::unauthorized(format!("Identity not authorized to access sub organization {slug}"));
    Err(error.because("organization", "no member", "add the identity to the sub-organisation"))
}
