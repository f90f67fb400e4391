-- Public registers of employers (FINESS, Sirene), each replaced as a whole by its next load: a load
-- is seen once it has ended. Keys lead to entries; both lie together by load, so that one goes at once.
CREATE TABLE register_load (
    n        INTEGER PRIMARY KEY AUTOINCREMENT,
    register TEXT NOT NULL,
    started  INTEGER NOT NULL,
    finished INTEGER,
    entries  INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE register_entry (
    load   INTEGER NOT NULL,
    number TEXT NOT NULL,
    body   TEXT NOT NULL,
    PRIMARY KEY (load, number)
) WITHOUT ROWID;

CREATE TABLE register_key (
    load   INTEGER NOT NULL,
    key    TEXT NOT NULL,
    number TEXT NOT NULL,
    PRIMARY KEY (load, key, number)
) WITHOUT ROWID;
