CREATE EXTENSION hypopg;
CREATE TABLE t AS SELECT i AS a, i % 100 AS b FROM generate_series(1, 20000) i;
ANALYZE t;
SELECT count(h.indexrelid) FROM generate_series(1, 50), unnest('{a,b,"a, b","b, a"}'::text[]) c,
	hypopg_create_index(format('CREATE INDEX ON t (%s)', c)) h;
DO $$
DECLARE plan text;
BEGIN
	EXECUTE 'EXPLAIN (COSTS OFF) SELECT * FROM t WHERE a = 1' INTO plan;
	RAISE NOTICE '%', regexp_replace(plan, '<.*>\S*', '<>');
END $$;
SELECT count(*) FROM hypopg_list_indexes;
SELECT hypopg_reset();
EXPLAIN (COSTS OFF) SELECT * FROM t WHERE a = 1;
