//! Roles, their trust policies and their permissions.

use std::collections::BTreeMap;

use carnet_aws::trust::{Role, TrustPolicy};
use jiff::SignedDuration;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Ask, any, exists, limit, no_such, shared_issuers};
use crate::{
    policy::{PolicyDocument, PolicyMistake, malformed},
    reply::{Answer, ApiError, seconds},
    seed,
    state::{Inner, MAX_TRUSTS, RoleEntry},
    sts::parameters::{Rule, invalid},
    xml,
};

const NAME: Rule = Rule { shortest: 1, longest: 64, others: Some("+=,.@-") };
const POLICY_NAME: Rule = Rule { shortest: 1, longest: 128, others: Some("+=,.@-") };
const DOCUMENT: Rule = Rule { shortest: 1, longest: 131_072, others: None };
/// Most inline policies of a role here; AWS bounds their size together.
const MAX_POLICIES: usize = 100;

pub(super) fn create(ask: &Ask<'_>) -> Answer {
    let name = ask.parameters.required("RoleName", NAME)?;
    let path = ask.parameters.text("Path").unwrap_or("/");
    let fits = path.starts_with('/') && path.ends_with('/') && path.len() <= 512;
    if !fits || !path.chars().all(|c| c.is_ascii_graphic()) {
        return Err(invalid("Path", Some(path), "Member must begin and end with a slash"));
    }
    let longest = ask.parameters.number("MaxSessionDuration", 3600, 43_200)?.unwrap_or(3600);
    let document = ask.parameters.required("AssumeRolePolicyDocument", DOCUMENT)?;
    let trust = trust(document)?;
    let arn = format!("arn:aws:iam::{}:role{path}{name}", seed::ACCOUNT);
    ask.permit(&arn)?;
    let created = ask.state.world.now(super::SERVICE);
    let entry = RoleEntry {
        role: Role { max_session: SignedDuration::from_secs(longest), ..Role::new(arn, trust) },
        id: ask.state.unique_id::<17>("AROA"),
        path: path.to_owned(),
        document: document.to_owned(),
        description: ask.parameters.text("Description").unwrap_or_default().chars().take(1000).collect(),
        created,
        policies: BTreeMap::new(),
    };
    let mut inner = ask.state.lock();
    if inner.roles.len() >= MAX_TRUSTS {
        return Err(limit("RolesPerAccount", MAX_TRUSTS));
    }
    if inner.roles.contains_key(&name.to_ascii_lowercase()) {
        return Err(exists(&format!("Role with name {name}")));
    }
    let told = xml::node("Role", &tell(&entry));
    inner.roles.insert(name.to_ascii_lowercase(), entry);
    Ok(ask.ok(&told))
}

pub(super) fn get(ask: &Ask<'_>) -> Answer {
    let (name, arn) = named(ask)?;
    ask.permit(&arn)?;
    let inner = ask.state.lock();
    let entry = inner.role_named(name).ok_or_else(|| unknown(name))?;
    Ok(ask.ok(&xml::node("Role", &tell(entry))))
}

pub(super) fn list(ask: &Ask<'_>) -> Answer {
    ask.permit(&any("role"))?;
    let prefix = ask.parameters.text("PathPrefix").unwrap_or("/");
    let most = ask.parameters.number("MaxItems", 1, 1000)?.unwrap_or(100);
    let most = usize::try_from(most).unwrap_or(100);
    let after = ask.parameters.text("Marker").unwrap_or_default();
    let inner = ask.state.lock();
    let mut found: Vec<&RoleEntry> = inner.roles.values().filter(|entry| entry.path.starts_with(prefix)).collect();
    found.sort_by(|one, other| one.role.name().cmp(other.role.name()));
    let mut rest = found.into_iter().filter(|entry| entry.role.name() > after);
    let page: Vec<&RoleEntry> = rest.by_ref().take(most).collect();
    let marker = page.last().filter(|_| rest.next().is_some()).map(|entry| entry.role.name());
    let result = [
        xml::members("Roles", page.iter().map(|entry| tell(entry))),
        xml::leaf("IsTruncated", if marker.is_some() { "true" } else { "false" }),
        xml::optional("Marker", marker),
    ];
    Ok(ask.ok(&result.concat()))
}

pub(super) fn update(ask: &Ask<'_>) -> Answer {
    let longest = ask.parameters.number("MaxSessionDuration", 3600, 43_200)?;
    change(ask, |entry| {
        if let Some(longest) = longest {
            entry.role.max_session = SignedDuration::from_secs(longest);
        }
        if let Some(description) = ask.parameters.text("Description") {
            entry.description = description.chars().take(1000).collect();
        }
        Ok(())
    })?;
    Ok(ask.ok(""))
}

pub(super) fn update_trust(ask: &Ask<'_>) -> Answer {
    let document = ask.parameters.required("PolicyDocument", DOCUMENT)?;
    let trust = trust(document)?;
    change(ask, |entry| {
        entry.role.trust = trust;
        document.clone_into(&mut entry.document);
        Ok(())
    })?;
    Ok(ask.done())
}

pub(super) fn delete(ask: &Ask<'_>) -> Answer {
    let (name, arn) = named(ask)?;
    ask.permit(&arn)?;
    let mut inner = ask.state.lock();
    let entry = inner.role_named(name).ok_or_else(|| unknown(name))?;
    if !entry.policies.is_empty() {
        return Err(ApiError::new(409, "DeleteConflict", "Cannot delete entity, must delete policies first."));
    }
    inner.roles.remove(&name.to_ascii_lowercase());
    Ok(ask.done())
}

pub(super) fn put_policy(ask: &Ask<'_>) -> Answer {
    let name = ask.parameters.required("PolicyName", POLICY_NAME)?;
    let document = ask.parameters.required("PolicyDocument", DOCUMENT)?;
    let policy = PolicyDocument::parse(document).map_err(PolicyMistake::refused)?;
    change(ask, |entry| {
        if entry.policies.len() >= MAX_POLICIES && !entry.policies.contains_key(name) {
            return Err(limit("RolePolicies", MAX_POLICIES));
        }
        entry.policies.insert(name.to_owned(), (document.to_owned(), policy));
        Ok(())
    })?;
    Ok(ask.done())
}

pub(super) fn get_policy(ask: &Ask<'_>) -> Answer {
    let policy = ask.parameters.required("PolicyName", POLICY_NAME)?;
    let (name, arn) = named(ask)?;
    ask.permit(&arn)?;
    let inner = ask.state.lock();
    let entry = inner.role_named(name).ok_or_else(|| unknown(name))?;
    let missing = || no_such(&format!("The role policy with name {policy}"));
    let (document, _) = entry.policies.get(policy).ok_or_else(missing)?;
    let result =
        [xml::leaf("RoleName", name), xml::leaf("PolicyName", policy), xml::leaf("PolicyDocument", &encoded(document))];
    Ok(ask.ok(&result.concat()))
}

pub(super) fn list_policies(ask: &Ask<'_>) -> Answer {
    let (name, arn) = named(ask)?;
    ask.permit(&arn)?;
    let inner = ask.state.lock();
    let entry = inner.role_named(name).ok_or_else(|| unknown(name))?;
    let names = entry.policies.keys().map(|name| xml::escape(name));
    Ok(ask.ok(&(xml::members("PolicyNames", names) + &xml::leaf("IsTruncated", "false"))))
}

pub(super) fn delete_policy(ask: &Ask<'_>) -> Answer {
    let policy = ask.parameters.required("PolicyName", POLICY_NAME)?;
    change(ask, |entry| {
        let missing = || no_such(&format!("The role policy with name {policy}"));
        entry.policies.remove(policy).map(drop).ok_or_else(missing)
    })?;
    Ok(ask.done())
}

/// The role that is named, and its ARN, or that of a role that is not there.
fn named<'a>(ask: &'a Ask<'_>) -> Result<(&'a str, String), ApiError> {
    let name = ask.parameters.required("RoleName", NAME)?;
    let known = ask.state.lock().role_named(name).map(|entry| entry.role.arn.clone());
    Ok((name, known.unwrap_or_else(|| format!("arn:aws:iam::{}:role/{name}", seed::ACCOUNT))))
}

/// Changes the role that is named, if the caller may.
fn change(ask: &Ask<'_>, how: impl FnOnce(&mut RoleEntry) -> Result<(), ApiError>) -> Result<(), ApiError> {
    let (name, arn) = named(ask)?;
    ask.permit(&arn)?;
    let mut inner = ask.state.lock();
    let inner: &mut Inner = &mut inner;
    how(inner.role_named_mut(name).ok_or_else(|| unknown(name))?)
}

fn trust(document: &str) -> Result<TrustPolicy, ApiError> {
    let trust = TrustPolicy::parse(document).map_err(|mistake| malformed(&mistake.0, &mistake.0))?;
    shared_issuers::check(&trust)?;
    Ok(trust)
}

/// The members of `Role`.
fn tell(entry: &RoleEntry) -> String {
    [
        xml::leaf("Path", &entry.path),
        xml::leaf("RoleName", entry.role.name()),
        xml::leaf("RoleId", &entry.id),
        xml::leaf("Arn", &entry.role.arn),
        xml::leaf("CreateDate", &seconds(entry.created)),
        xml::leaf("AssumeRolePolicyDocument", &encoded(&entry.document)),
        xml::optional("Description", Some(entry.description.as_str()).filter(|text| !text.is_empty())),
        xml::leaf("MaxSessionDuration", &entry.role.longest().as_secs().to_string()),
    ]
    .concat()
}

/// Documents come percent-encoded (RFC 3986), as "GetRole" says.
fn encoded(document: &str) -> String {
    utf8_percent_encode(document, NON_ALPHANUMERIC).to_string()
}

fn unknown(name: &str) -> ApiError {
    no_such(&format!("The role with name {name}"))
}
