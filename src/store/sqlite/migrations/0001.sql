-- Narrow state apart from wide bodies: what a sweep reads and writes stays in `posting`.
-- Instants are microseconds since 1970 (UTC); ids are 16-byte UUIDs; wide bodies are zstd frames.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE connector (
    name  TEXT PRIMARY KEY,
    state TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE run (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    connector   TEXT NOT NULL,
    started     INTEGER NOT NULL,
    ended       INTEGER,
    cause       TEXT NOT NULL,
    status      TEXT NOT NULL,
    snapshot    TEXT,
    counts      TEXT NOT NULL,
    error       TEXT,
    plan        TEXT
);
CREATE INDEX run_connector ON run (connector, id);

-- Records of a run that has not been applied yet. `payload` is absent where the same bytes are
-- stored already: an unchanged record costs its key and hash.
CREATE TABLE staging (
    n         INTEGER PRIMARY KEY AUTOINCREMENT,
    run       INTEGER NOT NULL,
    reference TEXT NOT NULL,
    hash      TEXT NOT NULL,
    verdict   TEXT,
    payload   BLOB,
    UNIQUE (run, reference)
);

CREATE TABLE reject (
    connector TEXT NOT NULL,
    reference TEXT NOT NULL,
    run       INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    problems  TEXT NOT NULL,
    payload   TEXT NOT NULL,
    PRIMARY KEY (connector, reference)
) WITHOUT ROWID;

CREATE TABLE posting (
    n                   INTEGER PRIMARY KEY,
    id                  BLOB NOT NULL UNIQUE,
    connector           TEXT NOT NULL,
    reference           TEXT NOT NULL,
    hash                TEXT NOT NULL,
    observation         INTEGER NOT NULL,
    first_seen          INTEGER NOT NULL,
    closed_at           INTEGER,
    close_reason        TEXT,
    misses              INTEGER NOT NULL,
    last_miss           INTEGER,
    -- The source's own expiry, of the newest observation only: an older one says nothing.
    expires             INTEGER,
    made_observation    INTEGER,
    made_rules          INTEGER,
    made_digest         BLOB,
    deduped_observation INTEGER,
    deduped_rules       INTEGER
);
CREATE INDEX posting_connector ON posting (connector, reference);
CREATE INDEX posting_hash ON posting (hash);
CREATE INDEX posting_expires ON posting (expires) WHERE expires IS NOT NULL AND closed_at IS NULL;

CREATE TABLE payload (
    n    INTEGER PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    body BLOB NOT NULL
);

CREATE TABLE normalised (
    n       INTEGER PRIMARY KEY,
    posting BLOB NOT NULL UNIQUE,
    body    BLOB NOT NULL
);

CREATE TABLE block_key (
    key     INTEGER NOT NULL,
    posting BLOB NOT NULL,
    PRIMARY KEY (key, posting)
) WITHOUT ROWID;
CREATE INDEX block_key_posting ON block_key (posting);

-- Keys that too many postings share, as the last derivation knew them; `dirty` when one of their
-- postings has lost the key since.
CREATE TABLE generic_key (
    key   INTEGER PRIMARY KEY,
    dirty INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE edge (
    a        BLOB NOT NULL,
    b        BLOB NOT NULL,
    outcome  TEXT NOT NULL,
    weight   INTEGER NOT NULL,
    evidence TEXT NOT NULL,
    PRIMARY KEY (a, b)
) WITHOUT ROWID;
CREATE INDEX edge_b ON edge (b, a);

CREATE TABLE cluster (
    posting BLOB PRIMARY KEY,
    vacancy BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX cluster_vacancy ON cluster (vacancy, posting);

-- `status` is the JSON of the vacancy's status; `public` is 1 while it is in the feed.
CREATE TABLE vacancy (
    id         BLOB PRIMARY KEY,
    status     TEXT NOT NULL,
    public     INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    changed_at INTEGER
) WITHOUT ROWID;
CREATE INDEX vacancy_public ON vacancy (id) WHERE public = 1;

-- `body` is what was published last; it changes with a change row only.
CREATE TABLE vacancy_body (
    n          INTEGER PRIMARY KEY,
    id         BLOB NOT NULL UNIQUE,
    record     BLOB,
    provenance BLOB,
    body       BLOB
);

-- The newest change of each vacancy.
CREATE TABLE change (
    seq        INTEGER PRIMARY KEY,
    id         BLOB NOT NULL UNIQUE,
    changed_at INTEGER NOT NULL,
    reason     TEXT,
    merged     BLOB
);

CREATE TABLE sink (
    name TEXT PRIMARY KEY,
    seq  INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE outbox (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    id          BLOB NOT NULL UNIQUE,
    stage       TEXT NOT NULL,
    kind        TEXT NOT NULL,
    key         TEXT NOT NULL,
    observation INTEGER NOT NULL,
    rules       INTEGER NOT NULL,
    payload     TEXT NOT NULL,
    time        INTEGER NOT NULL,
    attempt     INTEGER NOT NULL DEFAULT 0,
    due         INTEGER NOT NULL DEFAULT 0,
    error       TEXT
);
CREATE INDEX outbox_stage ON outbox (stage, seq);

CREATE TABLE parked (
    id       BLOB PRIMARY KEY,
    stage    TEXT NOT NULL,
    body     BLOB NOT NULL,
    error    TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    at       INTEGER NOT NULL
);

-- Parked messages that a person gave up, with the reason: the trail of what was not processed.
CREATE TABLE discarded (
    id       BLOB NOT NULL,
    stage    TEXT NOT NULL,
    body     BLOB NOT NULL,
    error    TEXT NOT NULL,
    reason   TEXT NOT NULL,
    who      TEXT NOT NULL,
    at       INTEGER NOT NULL
);

CREATE TABLE hold (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    connector  TEXT NOT NULL,
    run        INTEGER NOT NULL,
    opened     INTEGER NOT NULL,
    doubt      TEXT NOT NULL,
    status     TEXT NOT NULL,
    decided_at INTEGER,
    who        TEXT,
    why        TEXT
);
CREATE INDEX hold_status ON hold (status, connector);

CREATE TABLE decision (
    n       INTEGER PRIMARY KEY AUTOINCREMENT,
    kind    TEXT NOT NULL,
    subject BLOB NOT NULL,
    object  BLOB,
    who     TEXT NOT NULL,
    why     TEXT NOT NULL,
    at      INTEGER NOT NULL
);
CREATE INDEX decision_subject ON decision (subject);
CREATE INDEX decision_object ON decision (object) WHERE object IS NOT NULL;

-- One row while a run that someone asked for has not ended; `version` grows with each request.
CREATE TABLE request (
    connector TEXT PRIMARY KEY,
    at        INTEGER NOT NULL,
    version   INTEGER NOT NULL
) WITHOUT ROWID;
