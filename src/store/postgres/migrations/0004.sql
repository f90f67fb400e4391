-- Each time that a posting closed or came back, and why; its first sight stands in `posting`.
CREATE TABLE turn (
    posting     UUID NOT NULL,
    observation BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    became      TEXT NOT NULL,
    reason      TEXT NOT NULL,
    PRIMARY KEY (posting, observation)
);
INSERT INTO turn SELECT id, observation, closed_at, 'closed', close_reason FROM posting
WHERE closed_at IS NOT NULL;
