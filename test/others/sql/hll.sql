CREATE EXTENSION hll;
CREATE TABLE visits AS SELECT i % 10 AS day, hll_hash_integer(i % 7919) AS visitor FROM generate_series(1, 50000) i;
SELECT day, round(hll_cardinality(hll_add_agg(visitor))::numeric, 2) FROM visits GROUP BY day ORDER BY day;
SELECT round((# hll_union_agg(h))::numeric, 2) FROM (SELECT hll_add_agg(visitor) AS h FROM visits GROUP BY day) q;
SELECT count(DISTINCT h::text::hll::text) FROM (SELECT hll_add_agg(visitor) AS h FROM visits GROUP BY day) q;
