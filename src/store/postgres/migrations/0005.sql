-- Rows that are updated in columns without an index, soon after they were written: room on their page
-- leaves the indexes alone.
ALTER TABLE posting SET (fillfactor = 60);
ALTER TABLE vacancy SET (fillfactor = 70);
