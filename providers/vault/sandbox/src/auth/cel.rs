//! `auth/MOUNT/cel/role` and `auth/MOUNT/cel/login` (`OpenBao`): roles that are programs.

use carnet_core::Secret as Text;
use carnet_vault::trust::{CelAuth, CelQuestion, CelRole, CheckedCelRole};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{
    issue::{Made, issue, refused},
    jwt::{fields, from_fields, invalid, method},
    login::{Asked, asked, with_keys},
};
use crate::{
    access::Place,
    call::Call,
    policy::Operation,
    reply::{Answer, ApiError, Data, Reply},
    state::{JwtMethod, MAX_ENTRIES, State},
    tokens::Token,
};

/// `POST auth/MOUNT/cel/login`.
pub(super) async fn login(state: &State, call: &Call, place: &Place, mount: &str) -> Answer {
    let now = state.now();
    let Asked { config, name, role } = asked(state, call, place, mount, |method| &method.cel_roles).map_err(refused)?;
    let token = Text::new(call.text("jwt"));
    let question = CelQuestion { config: config.as_ref(), role_name: &name, role: role.as_ref(), token: &token, now };
    let admitted = question.admit().map_err(refused)?;
    let issuer = (admitted.config(), admitted.unverified_kid());
    let login = with_keys(state, issuer, |keys| admitted.decide(keys)).await?;
    state.world.decisions.allowed(state.service, &login.grant);
    issue(state, call, place, mount, made(name, login.auth, now), now)
}

fn made(role: String, auth: CelAuth, now: Timestamp) -> Made {
    let token = Token {
        ttl: auth.ttl,
        max_ttl: auth.max_ttl,
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

/// Answers what is below `auth/MOUNT/cel/`.
pub(super) fn answer(state: &State, call: &Call, place: &Place, mount: &str, rest: &str) -> Answer {
    let mut inner = state.lock();
    let method = method(&mut inner, place, mount)?;
    match (rest, place.operation) {
        ("role/", Operation::List) => Data::keys(method.cel_roles.keys()),
        ("role/" | "role", _) => Err(ApiError::unsupported()),
        _ => match rest.strip_prefix("role/") {
            Some(name) => role(method, call, place.operation, name),
            None => Err(ApiError::no_path()),
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
