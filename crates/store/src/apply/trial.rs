//! Whether as much can be written as a commit writes.
//!
//! A disk that is full takes one page more where the log has a place for it, and a commit of several does not fit. So after a
//! commit that was not stored a check writes that much, and takes it away again. It is a join token that was never good: who lists
//! them does not see it, and where it stays because the process ends in between it is pruned with the others.

use carnet_core::hex;
use carnet_jose::sha256;
use jiff::Timestamp;

use crate::{
    StoreError,
    sql::{Connection, Head, Value},
};

/// Digests in hexadecimal, so that they cannot be packed into much less: 64 KiB, as much as a group of commits.
const DIGESTS: u32 = 1024;

/// Writes in one transaction, and takes away in another. Answers the head.
pub(crate) async fn trial<C: Connection>(connection: &mut C) -> Result<Head, StoreError> {
    let hash = sha256(b"carnet store check");
    let put = "INSERT INTO join_tokens (hash, agent_path, expires_at, selectors) VALUES ($1, NULL, $2, $3) \
               ON CONFLICT (hash) DO UPDATE SET selectors = excluded.selectors";
    let weight: Vec<String> = (0..DIGESTS).map(|number| hex(&sha256(&number.to_be_bytes()))).collect();
    let params = vec![(&hash).into(), Value::time(Timestamp::UNIX_EPOCH), Value::json(&weight)?];
    alone(connection, put, params).await?;
    alone(connection, "DELETE FROM join_tokens WHERE hash = $1", vec![(&hash).into()]).await
}

async fn alone<C: Connection>(connection: &mut C, sql: &'static str, params: Vec<Value>) -> Result<Head, StoreError> {
    let done = in_transaction(connection, sql, params).await;
    if done.is_err() {
        connection.abort().await;
    }
    done
}

async fn in_transaction<C: Connection>(
    connection: &mut C,
    sql: &'static str,
    params: Vec<Value>,
) -> Result<Head, StoreError> {
    let head = connection.begin().await?;
    connection.query(sql.into(), params).await?;
    connection.finish(Vec::new(), &head, false).await?;
    Ok(head)
}
