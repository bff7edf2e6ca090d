-- The time that the store believes, and from where it forgets. It starts with that of the last row of the audit chain.
ALTER TABLE head ADD COLUMN clock BIGINT;
-- Keys that were used once and were to be remembered up to this time may be gone.
ALTER TABLE head ADD COLUMN forgotten BIGINT NOT NULL DEFAULT 0;

UPDATE head SET clock = (SELECT at FROM audit ORDER BY seq DESC LIMIT 1);
-- Schema 1 forgot a key as soon as its time was over, and did not say up to when it had done so: up to the last row is possible.
UPDATE head SET forgotten = COALESCE(clock, 0);
