//! `auth/MOUNT/cel/role` and `auth/MOUNT/cel/login` (`OpenBao`): roles that are programs.

use carnet_core::Secret as Text;
use carnet_trust::Refusal;
use carnet_vault::trust::{CelAuth, CelQuestion, CelRole, CheckedCelRole, CheckedConfig, role_name};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{
    issue::{Made, issue, longest, refused},
    jwt::{fields, from_fields, invalid},
    login::unreachable,
};
use crate::{
    access::Place,
    call::Call,
    policy::Operation,
    reply::{Answer, ApiError, Data, Reply},
    route::no_namespace,
    state::{AuthMount, JwtMethod, MAX_ENTRIES, State},
    tokens::Token,
};

/// `POST auth/MOUNT/cel/login`.
pub(super) async fn login(state: &State, call: &Call, place: &Place, mount: &str) -> Answer {
    let now = state.now();
    let (config, name, role) = asked(state, call, place, mount).map_err(refused)?;
    let token = Text::new(call.text("jwt"));
    let question = CelQuestion { config: config.as_ref(), role_name: &name, role: role.as_ref(), token: &token, now };
    let admitted = question.admit().map_err(refused)?;
    let keys = state.issuers.keys(admitted.config(), admitted.unverified_kid()).await;
    let login = match &keys {
        Ok(keys) => admitted.decide(keys.as_deref()),
        Err(error) => admitted.decide(None).map_err(|refusal| unreachable(refusal, error)),
    };
    let login = login.map_err(refused)?;
    state.world.decisions.allowed(state.service, &login.grant);
    issue(state, call, place, mount, made(name, login.auth, now), now)
}

fn made(role: String, auth: CelAuth, now: Timestamp) -> Made {
    let token = Token {
        ttl: auth.lifetime(),
        most: longest(auth.period, auth.max_ttl, auth.explicit_max_ttl, now),
        policies: auth.policies,
        meta: auth.metadata,
        num_uses: auth.num_uses,
        explicit_max_ttl: auth.explicit_max_ttl,
        period: auth.period,
        renewable: auth.renewable && !auth.batch,
        batch: auth.batch,
        bound: auth.bound_cidrs,
        ..Token::root(now)
    };
    Made {
        display_name: auth.display_name,
        alias: auth.alias.map(|alias| (alias.name, alias.metadata)),
        groups: auth.groups,
        role: (role, true),
        certificate: None,
        token,
    }
}

type Asked = (Option<CheckedConfig>, String, Option<CheckedCelRole>);

fn asked(state: &State, call: &Call, place: &Place, mount: &str) -> Result<Asked, Box<Refusal>> {
    let inner = state.lock();
    let method = inner.namespaces.get(&place.namespace).and_then(|namespace| namespace.auths.get(mount));
    let method = method.and_then(AuthMount::jwt);
    let config = method.and_then(|method| method.config.clone());
    let name = role_name(config.as_ref(), call.text("role"))?;
    let role = method.and_then(|method| method.cel_roles.get(&name)).cloned();
    Ok((config, name, role))
}

/// Answers what is below `auth/MOUNT/cel/`.
pub(super) fn answer(state: &State, call: &Call, place: &Place, mount: &str, rest: &str) -> Answer {
    let mut inner = state.lock();
    let namespace = inner.namespaces.get_mut(&place.namespace).ok_or_else(no_namespace)?;
    let method = namespace.auths.get_mut(mount).and_then(AuthMount::jwt_mut);
    let method = method.ok_or_else(|| ApiError::no_route(&place.path))?;
    match (rest, place.operation) {
        ("role/", Operation::List) => {
            let names: Vec<String> = method.cel_roles.keys().cloned().collect();
            if names.is_empty() { Err(ApiError::nothing()) } else { Data::of([("keys", names.into())]).answer() }
        }
        ("role/" | "role", _) => Err(ApiError::unsupported()),
        _ => match rest.strip_prefix("role/") {
            Some(name) => role(method, call, place.operation, name),
            None => Err(ApiError::new(http::StatusCode::NOT_FOUND, ["1 error occurred:\n\t* unsupported path\n\n"])),
        },
    }
}

fn role(method: &mut JwtMethod, call: &Call, operation: Operation, name: &str) -> Answer {
    match operation {
        Operation::Read => shown(method.cel_roles.get(name).ok_or_else(ApiError::nothing)?),
        Operation::Create | Operation::Update => {
            if !call.body.contains_key("cel_program") {
                return Err(ApiError::bad("missing required field 'cel_program'"));
            }
            write(method, name, call.body.clone())
        }
        Operation::Patch => {
            let stored = method.cel_roles.get(name);
            let stored = stored.ok_or_else(|| ApiError::bad("Unable to fetch cel role entry to patch"))?;
            let Data(mut merged) = fields(stored.role());
            merge(&mut merged, &call.body);
            write(method, name, merged)
        }
        Operation::Delete => {
            method.cel_roles.remove(name);
            Ok(Reply::Nothing)
        }
        _ => Err(ApiError::unsupported()),
    }
}

fn write(method: &mut JwtMethod, name: &str, body: Map<String, Value>) -> Answer {
    if method.cel_roles.len() >= MAX_ENTRIES && !method.cel_roles.contains_key(name) {
        return Err(ApiError::bad(format!("the sandbox holds at most {MAX_ENTRIES} programs in a method")));
    }
    let role = from_fields::<CelRole>(body)?;
    let role = CheckedCelRole::new(name, role).map_err(|mistake| invalid(&mistake))?;
    let answer = shown(&role);
    method.cel_roles.insert(name.to_owned(), role);
    answer
}

/// Unlike other roles these are shown by the write itself.
fn shown(role: &CheckedCelRole) -> Answer {
    let Data(mut data) = fields(role.role());
    data.insert("name".to_owned(), role.name().into());
    Data(data).answer()
}

/// RFC 7396, at the top level only: a program is replaced as a whole.
fn merge(stored: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (name, value) in patch {
        if value.is_null() {
            stored.remove(name);
        } else {
            stored.insert(name.clone(), value.clone());
        }
    }
}
