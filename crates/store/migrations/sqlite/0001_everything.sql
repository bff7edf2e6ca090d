-- Times are microseconds since 1970-01-01T00:00:00Z. Documents and lists are JSON.

CREATE TABLE head (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    -- The last row of the audit chain and its digest.
    seq INTEGER NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    -- The last revision given to a change.
    revision INTEGER NOT NULL,
    -- Tombstones up to this revision may be gone.
    pruned INTEGER NOT NULL,
    -- Counts the checks whether the store can write.
    checks INTEGER NOT NULL
) STRICT;

INSERT INTO head (id, seq, hash, revision, pruned, checks) VALUES (1, 0, zeroblob(32), 0, 0, 0);

CREATE TABLE audit (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    previous BLOB NOT NULL CHECK (length(previous) = 32),
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    -- Exactly the text whose digest is in the chain.
    record TEXT NOT NULL
) STRICT;

CREATE TABLE used (
    key BLOB NOT NULL PRIMARY KEY CHECK (length(key) = 32),
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX used_until ON used (until);

CREATE TABLE join_tokens (
    hash BLOB NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    agent_path TEXT,
    expires_at INTEGER NOT NULL,
    selectors TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE entries (
    id TEXT NOT NULL PRIMARY KEY,
    spiffe_id TEXT NOT NULL,
    parent_id TEXT NOT NULL,
    selectors_key BLOB NOT NULL CHECK (length(selectors_key) = 32),
    -- NULL in a tombstone.
    body TEXT,
    expires_at INTEGER,
    revision INTEGER NOT NULL UNIQUE,
    deleted_at INTEGER,
    CHECK ((body IS NULL) = (deleted_at IS NOT NULL))
) STRICT;

CREATE UNIQUE INDEX entries_similar ON entries (spiffe_id, parent_id, selectors_key) WHERE deleted_at IS NULL;
CREATE INDEX entries_tombstones ON entries (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE objects (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE keys (
    kid TEXT NOT NULL PRIMARY KEY,
    purpose TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    stage TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    activate_at INTEGER NOT NULL,
    retire_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER,
    sealed BLOB NOT NULL,
    public BLOB NOT NULL,
    -- List of certificates, each hexadecimal DER.
    certificate TEXT NOT NULL,
    node TEXT,
    revision INTEGER NOT NULL
) STRICT;

CREATE TABLE nodes (
    id TEXT NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    selectors TEXT NOT NULL,
    serial TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    banned INTEGER NOT NULL CHECK (banned IN (0, 1)),
    reattestable INTEGER NOT NULL CHECK (reattestable IN (0, 1)),
    attested_at INTEGER NOT NULL,
    revision INTEGER NOT NULL
) STRICT;

CREATE TABLE tokens (
    id TEXT NOT NULL PRIMARY KEY,
    subject TEXT NOT NULL,
    actor TEXT,
    rule TEXT NOT NULL,
    audiences TEXT NOT NULL,
    issued_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    max_expires_at INTEGER NOT NULL,
    uses_left INTEGER CHECK (uses_left >= 0),
    networks TEXT NOT NULL,
    revoked_at INTEGER,
    claims TEXT NOT NULL
) STRICT;

CREATE INDEX tokens_dead ON tokens (max_expires_at);
