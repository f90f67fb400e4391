-- Public registers of employers (FINESS, Sirene), each replaced as a whole by its next load: a load
-- is seen once it has ended. Keys lead to entries.
CREATE TABLE register_load (
    n        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    register TEXT NOT NULL,
    started  BIGINT NOT NULL,
    finished BIGINT,
    entries  BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE register_entry (
    load   BIGINT NOT NULL,
    number TEXT NOT NULL,
    body   TEXT NOT NULL,
    PRIMARY KEY (load, number)
);

CREATE TABLE register_key (
    load   BIGINT NOT NULL,
    key    TEXT NOT NULL,
    number TEXT NOT NULL,
    PRIMARY KEY (load, key, number)
);
