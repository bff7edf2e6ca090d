//! Who there is, and in which groups.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use carnet_trust::Refusal;

use crate::{
    policy::{Alias, Entity},
    reply::ApiError,
    state::{MAX_TRUSTS, State},
};

/// Entities and groups of a namespace.
#[derive(Clone, Debug, Default)]
pub(crate) struct Identities {
    /// By id.
    pub(super) people: BTreeMap<String, Person>,
    /// By id.
    pub(super) groups: BTreeMap<String, Group>,
    /// Ids of entities by accessor of the auth mount and name there, so that one is found in the same time however many
    /// there are.
    aliases: HashMap<(String, String), String>,
}

/// An entity, and what its operator has said of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Person {
    pub(super) entity: Entity,
    pub(super) policies: BTreeSet<String>,
    pub(super) disabled: bool,
}

/// A group.
#[derive(Clone, Debug, Default)]
pub(super) struct Group {
    pub(super) id: String,
    pub(super) name: String,
    /// Whether logins say who is in it; otherwise the operator does.
    pub(super) external: bool,
    pub(super) policies: BTreeSet<String>,
    pub(super) metadata: BTreeMap<String, String>,
    pub(super) alias: Option<GroupAlias>,
    /// Ids of entities.
    pub(super) members: BTreeSet<String>,
}

/// What an auth mount calls a group.
#[derive(Clone, Debug, Default)]
pub(super) struct GroupAlias {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) accessor: String,
}

impl Identities {
    /// An entity.
    pub(crate) fn entity(&self, id: &str) -> Option<&Entity> {
        Some(&self.people.get(id)?.entity)
    }

    /// Whether an entity may not do anything.
    pub(crate) fn is_disabled(&self, id: &str) -> bool {
        self.people.get(id).is_some_and(|person| person.disabled)
    }

    /// The policies that an entity has by itself and by its groups.
    pub(crate) fn policies(&self, id: &str) -> BTreeSet<String> {
        let Some(person) = self.people.get(id) else { return BTreeSet::new() };
        let groups = self.groups.values().filter(|group| group.members.contains(id));
        person.policies.iter().chain(groups.flat_map(|group| &group.policies)).cloned().collect()
    }

    /// The entity of an alias, made at its first login, which is now in those external groups of the mount that the login
    /// names, and in no other. The role is no part of it.
    ///
    /// # Errors
    /// 403 when the entity is disabled.
    pub(crate) fn log_in(
        &mut self,
        state: &State,
        accessor: &str,
        (name, metadata): (&str, &BTreeMap<String, String>),
        groups: &[String],
    ) -> Result<String, ApiError> {
        let known = self.aliases.get(&(accessor.to_owned(), name.to_owned())).and_then(|id| {
            let person = self.people.get_mut(id)?;
            let alias = person.entity.aliases.get_mut(accessor).filter(|alias| alias.name == name)?;
            alias.metadata.clone_from(metadata);
            Some((person.entity.id.clone(), person.disabled))
        });
        let id = match known {
            Some((_, true)) => return Err(disabled()),
            Some((id, false)) => id,
            None => self.add(state, accessor, name, metadata)?,
        };
        for group in self.groups.values_mut().filter(|group| group.external) {
            let Some(alias) = group.alias.as_ref().filter(|alias| alias.accessor == accessor) else { continue };
            if groups.contains(&alias.name) {
                group.members.insert(id.clone());
            } else {
                group.members.remove(&id);
            }
        }
        Ok(id)
    }

    /// Takes an entity away, and out of every group.
    pub(super) fn remove(&mut self, id: &str) {
        self.people.remove(id);
        self.aliases.retain(|_, owner| owner != id);
        for group in self.groups.values_mut() {
            group.members.remove(id);
        }
    }

    fn add(
        &mut self,
        state: &State,
        accessor: &str,
        name: &str,
        metadata: &BTreeMap<String, String>,
    ) -> Result<String, ApiError> {
        if self.people.len() >= MAX_TRUSTS {
            return Err(ApiError::bad(format!("the sandbox holds at most {MAX_TRUSTS} entities in a namespace")));
        }
        let id = state.uuid();
        self.aliases.insert((accessor.to_owned(), name.to_owned()), id.clone());
        let alias = Alias { id: state.uuid(), name: name.to_owned(), metadata: metadata.clone() };
        let name = format!("entity_{}", state.world.random_hex::<4>());
        let aliases = [(accessor.to_owned(), alias)].into();
        let entity = Entity { id: id.clone(), name, aliases, ..Entity::default() };
        self.people.insert(id.clone(), Person { entity, ..Person::default() });
        Ok(id)
    }
}

/// 403: the operator has shut this entity out.
pub(crate) fn disabled() -> ApiError {
    ApiError::denied(Refusal::new(
        "entity",
        "a disabled entity",
        "an entity that is not disabled",
        "permission denied",
        "write `disabled` false to identity/entity/id/ID",
    ))
}
