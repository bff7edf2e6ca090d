-- The time that the store believes, and from where it forgets. It starts with that of the last row of the audit chain.
ALTER TABLE head ADD COLUMN clock BIGINT;
-- Keys that were used once and were to be remembered up to this time may be gone.
ALTER TABLE head ADD COLUMN forgotten BIGINT NOT NULL DEFAULT 0;

UPDATE head SET clock = (SELECT at FROM audit ORDER BY seq DESC LIMIT 1);
