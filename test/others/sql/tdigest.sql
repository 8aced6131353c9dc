CREATE EXTENSION tdigest;
CREATE TABLE sample AS SELECT i % 20 AS k, (i * 7919 % 10007)::float8 AS x FROM generate_series(1, 50000) i;
SELECT k, round(tdigest_percentile(x, 100, 0.5)::numeric) FROM sample GROUP BY k ORDER BY k;
SELECT round(tdigest_percentile(d, 0.9)::numeric) FROM (SELECT tdigest(x, 100) AS d FROM sample GROUP BY k) q;
SELECT count(d::text::tdigest::text) FROM (SELECT tdigest(x, 50) AS d FROM sample GROUP BY k) q;
