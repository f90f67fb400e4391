-- What dedupe reads of a normalised body, kept beside it: bytes, and the digest of that body. A row
-- may be missing or of an older body; the body is read again then.
CREATE TABLE features (
    posting UUID PRIMARY KEY,
    digest  BYTEA NOT NULL,
    body    BYTEA NOT NULL
);

ALTER TABLE features ALTER COLUMN body SET STORAGE EXTERNAL;
