-- What the two of a pair said when a person judged them; older decisions do not know.
ALTER TABLE decision ADD COLUMN shown BLOB;
