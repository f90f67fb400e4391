-- What dedupe reads of a normalised body, kept beside it: bytes, and the digest of that body. A row
-- may be missing or of an older body; the body is read again then.
CREATE TABLE features (
    n       INTEGER PRIMARY KEY,
    posting BLOB NOT NULL UNIQUE,
    digest  BLOB NOT NULL,
    body    BLOB NOT NULL
);
