//! What operators do with nodes.

use carnet_core::Error;
use carnet_store::{Commit, Committed, ConflictReason, Expect, NodeRow, ObjectKind, Op};
use serde_json::json;

use super::{Nodes, ban_name, turned_away};
use crate::{By, MAX_PAGE, by::refusal};

impl Nodes {
    /// Nodes by SPIFFE ID, from the first behind `after`: at most `limit`, and at most [`MAX_PAGE`].
    ///
    /// # Errors
    /// Those of the store.
    pub async fn list(&self, after: Option<String>, limit: usize) -> Result<Vec<NodeRow>, Error> {
        Ok(self.store().nodes(after, limit.min(MAX_PAGE)).await?)
    }

    /// One node.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn get(&self, id: &str) -> Result<Option<NodeRow>, Error> {
        Ok(self.store().node(id.to_owned()).await?)
    }

    /// Turns a node away: this authority refuses every call of its agent from now on, another of the same store when
    /// it hears of the change, or after five seconds. It cannot attest again. SVIDs that its workloads have live on until they expire.
    ///
    /// # Errors
    /// When there is no such node; those of the store.
    pub async fn ban(&self, id: &str, by: &By) -> Result<(), Error> {
        let node = self.known(id).await?;
        let name = ban_name(id);
        let ops = vec![
            // Whatever else happens to the row meanwhile, it is banned.
            Op::PutNode(NodeRow { banned: true, ..node }),
            Op::PutObject { kind: ObjectKind::Setting, name, body: json!({ "by": by.actor }), expect: Expect::Any },
            turned_away::mark(),
        ];
        self.change(ops, "node.ban", id, by).await
    }

    /// Forgets a node, and lifts its ban: its agent must attest again, and may, whatever its method.
    ///
    /// # Errors
    /// When there is no such node; those of the store.
    pub async fn delete(&self, id: &str, by: &By) -> Result<(), Error> {
        self.known(id).await?;
        let (kind, name) = (ObjectKind::Setting, ban_name(id));
        let ops = vec![
            Op::DeleteNode { id: id.to_owned() },
            // There may be no ban to lift.
            Op::PutObject { kind, name: name.clone(), body: serde_json::Value::Null, expect: Expect::Any },
            Op::DeleteObject { kind, name },
            turned_away::mark(),
        ];
        self.change(ops, "node.delete", id, by).await
    }

    async fn known(&self, id: &str) -> Result<NodeRow, Error> {
        self.get(id).await?.ok_or_else(|| not_found(id))
    }

    async fn change(&self, ops: Vec<Op>, action: &str, id: &str, by: &By) -> Result<(), Error> {
        let record = self.record(by, action, id);
        let refused = Some(refusal(&record, "known", "there is no such node"));
        match self.store().commit(Commit { ops, audit: record, refused }).await? {
            Committed::Done { .. } => {
                self.known.forget();
                self.turned_away.tell();
                Ok(())
            }
            Committed::Conflict(conflict) if conflict.reason == ConflictReason::NotFound => Err(not_found(id)),
            Committed::Conflict(conflict) => {
                Err(Error::internal(format!("the store refuses the node: {:?}", conflict.reason)))
            }
        }
    }
}

fn not_found(id: &str) -> Error {
    Error::configuration(format!("there is no node {:?}", carnet_core::safe_text(id))).clause("not-found")
}
