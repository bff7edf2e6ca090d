-- Times are microseconds since 1970-01-01T00:00:00Z. Documents and lists are JSON. Names are compared byte for byte.

CREATE TABLE head (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    -- The last row of the audit chain and its digest.
    seq BIGINT NOT NULL,
    hash BYTEA NOT NULL CHECK (length(hash) = 32),
    -- The last revision given to a change.
    revision BIGINT NOT NULL,
    -- Tombstones up to this revision may be gone.
    pruned BIGINT NOT NULL,
    -- Counts the checks whether the store can write.
    checks BIGINT NOT NULL
);

INSERT INTO head (id, seq, hash, revision, pruned, checks) VALUES (1, 0, decode(repeat('00', 32), 'hex'), 0, 0, 0);

CREATE TABLE audit (
    seq BIGINT PRIMARY KEY,
    at BIGINT NOT NULL,
    previous BYTEA NOT NULL CHECK (length(previous) = 32),
    hash BYTEA NOT NULL CHECK (length(hash) = 32),
    -- Exactly the text whose digest is in the chain: the type json keeps it, jsonb would not.
    record JSON NOT NULL
);

CREATE TABLE used (
    key BYTEA NOT NULL PRIMARY KEY CHECK (length(key) = 32),
    until BIGINT NOT NULL
);

CREATE INDEX used_until ON used (until);

CREATE TABLE join_tokens (
    hash BYTEA NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
    agent_path TEXT COLLATE "C",
    expires_at BIGINT NOT NULL,
    selectors TEXT NOT NULL
);

CREATE TABLE entries (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    spiffe_id TEXT COLLATE "C" NOT NULL,
    parent_id TEXT COLLATE "C" NOT NULL,
    selectors_key BYTEA NOT NULL CHECK (length(selectors_key) = 32),
    -- NULL in a tombstone.
    body TEXT,
    expires_at BIGINT,
    revision BIGINT NOT NULL UNIQUE,
    deleted_at BIGINT,
    CHECK ((body IS NULL) = (deleted_at IS NOT NULL))
);

CREATE UNIQUE INDEX entries_similar ON entries (spiffe_id, parent_id, selectors_key) WHERE deleted_at IS NULL;
CREATE INDEX entries_tombstones ON entries (deleted_at) WHERE deleted_at IS NOT NULL;

CREATE TABLE objects (
    kind TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    body TEXT NOT NULL,
    revision BIGINT NOT NULL,
    PRIMARY KEY (kind, name)
);

CREATE TABLE keys (
    kid TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    purpose TEXT COLLATE "C" NOT NULL,
    algorithm TEXT COLLATE "C" NOT NULL,
    stage TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    activate_at BIGINT NOT NULL,
    retire_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT,
    sealed BYTEA NOT NULL,
    public BYTEA NOT NULL,
    -- List of certificates, each hexadecimal DER.
    certificate TEXT NOT NULL,
    node TEXT COLLATE "C",
    revision BIGINT NOT NULL
);

CREATE TABLE nodes (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    kind TEXT COLLATE "C" NOT NULL,
    selectors TEXT NOT NULL,
    serial TEXT COLLATE "C" NOT NULL,
    expires_at BIGINT NOT NULL,
    banned BOOLEAN NOT NULL,
    reattestable BOOLEAN NOT NULL,
    attested_at BIGINT NOT NULL,
    revision BIGINT NOT NULL
);

CREATE TABLE tokens (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    subject TEXT COLLATE "C" NOT NULL,
    actor TEXT COLLATE "C",
    rule TEXT COLLATE "C" NOT NULL,
    audiences TEXT NOT NULL,
    issued_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    max_expires_at BIGINT NOT NULL,
    uses_left BIGINT CHECK (uses_left >= 0),
    networks TEXT NOT NULL,
    revoked_at BIGINT,
    claims TEXT NOT NULL
);

CREATE INDEX tokens_dead ON tokens (max_expires_at);

-- The last batch of each process that writes, so that one whose answer was lost can be told to have happened or not.
CREATE TABLE writers (
    id BYTEA NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    batch BIGINT NOT NULL,
    seen_at TIMESTAMPTZ NOT NULL DEFAULT now()
);
