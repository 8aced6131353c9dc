CREATE EXTENSION pg_rational;
CREATE TABLE r AS SELECT (i || '/' || i % 97 + 1)::rational AS q FROM generate_series(1, 10000) i;
CREATE INDEX ON r (q);
SELECT count(q + '1/3' > q * '2/3') FROM r;
SELECT rational_intermediate('1/3', '1/2'), min(q), max(q) FROM r;
SELECT rational_simplify('36/12'), '1/0'::rational;
