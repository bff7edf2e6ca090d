//! How an entry lies in the store.

use std::sync::Arc;

use carnet_attest::Registration;
use carnet_core::Error;
use carnet_jose::sha256;
use carnet_store::{Op, Row};
use serde::{Deserialize, Serialize, Serializer};

/// The owner of entries that are made one by one.
pub const API: &str = "api";

/// An entry with its owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Owned {
    /// Who keeps it: [`API`], or the label of a file. What one owner does not name any more is taken away; what another has is
    /// not touched.
    pub owner: String,
    /// The entry.
    #[serde(serialize_with = "inner")]
    pub entry: Arc<Registration>,
}

fn inner<S: Serializer>(entry: &Arc<Registration>, serializer: S) -> Result<S::Ok, S::Error> {
    entry.as_ref().serialize(serializer)
}

impl Owned {
    /// The row's body, with the row's revision.
    pub(super) fn of_row(row: Row) -> Result<Self, Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Body {
            owner: String,
            entry: Registration,
        }
        let body: Body = serde_json::from_value(row.body).map_err(|error| {
            Error::configuration(format!("read the entry {} in the store", carnet_core::safe_text(&row.id)))
                .because(error)
                .hint("a newer carnet may have written it: use that one")
        })?;
        let entry = Registration { revision: row.revision, ..body.entry };
        Ok(Self { owner: body.owner, entry: Arc::new(entry) })
    }

    fn body(owner: &str, entry: &Registration) -> serde_json::Value {
        serde_json::json!({ "owner": owner, "entry": entry })
    }

    pub(super) fn create(owner: &str, entry: &Registration) -> Op {
        Op::CreateEntry {
            id: entry.id.clone(),
            spiffe_id: entry.spiffe_id.to_string(),
            parent_id: entry.parent_id.to_string(),
            selectors_key: selectors_key(entry),
            body: Self::body(owner, entry),
            expires_at: entry.expires_at,
        }
    }

    pub(super) fn update(owner: &str, entry: &Registration, expect: Option<u64>) -> Op {
        Op::UpdateEntry {
            id: entry.id.clone(),
            spiffe_id: entry.spiffe_id.to_string(),
            parent_id: entry.parent_id.to_string(),
            selectors_key: selectors_key(entry),
            body: Self::body(owner, entry),
            expires_at: entry.expires_at,
            expect,
        }
    }
}

/// SHA-256 of the sorted selectors, one per line. None holds a line break.
fn selectors_key(entry: &Registration) -> [u8; 32] {
    let lines: Vec<&str> = entry.selectors.iter().map(carnet_spiffe::Selector::as_str).collect();
    sha256(lines.join("\n").as_bytes())
}
