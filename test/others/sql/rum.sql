CREATE EXTENSION rum;
CREATE TABLE doc AS
	SELECT i AS id, to_tsvector('english', (SELECT string_agg('w' || (i * j) % 997, ' ') FROM generate_series(1, 30) j)) AS v
	FROM generate_series(1, 3000) i;
CREATE INDEX ON doc USING rum (v rum_tsvector_ops);
ANALYZE doc;
SET enable_seqscan = off;
SELECT count(*) FROM doc WHERE v @@ to_tsquery('w7 & w14');
SELECT id FROM doc WHERE v @@ to_tsquery('w1 | w2') ORDER BY v <=> to_tsquery('w1 | w2'), id LIMIT 5;
INSERT INTO doc SELECT id + 3000, v FROM doc;
DELETE FROM doc WHERE id % 3 = 0;
VACUUM doc;
SELECT count(*) FROM doc WHERE v @@ to_tsquery('w7 & w14');
