--
-- goarena_statements: what statements used
--
SHOW goarena.track_statements;
SET goarena.track_statements = 'top';
CREATE TABLE numbers AS SELECT i FROM generate_series(1, 10000) i;
SELECT goarena_statements_reset();

-- one row for a statement whatever its constants, with sums over its calls
SELECT count(*) FROM numbers WHERE i > 1;
SELECT count(*) FROM numbers WHERE i > 2;
SELECT count(*) FROM numbers WHERE i > 3;
SELECT toplevel, calls, queryid <> 0 AS known, userid = current_user::regrole AS mine,
	datname = current_database() AS here, peak_max > 0 AS peak, peak_max >= peak_mean AS mean,
	peak_stddev >= 0 AS stddev, bytes > 0 AS bytes, allocs > 0 AS allocs, large_allocs, limit_hits,
	stats_since BETWEEN now() - interval '1 hour' AND now() AS since
FROM goarena_statements s JOIN pg_database d ON s.dbid = d.oid
WHERE calls = 3;

-- an execution of a prepared statement is one of the statement
PREPARE counting AS SELECT count(*) + 1 FROM numbers WHERE i > $1;
EXECUTE counting(1);
EXECUTE counting(2);
EXECUTE counting(3);
EXECUTE counting(4);
SELECT count(*) FROM goarena_statements WHERE calls = 4;
DEALLOCATE counting;

-- what is large is seen: 10000 texts of 1000 bytes
SELECT length(string_agg(repeat('x', 1000 + i % 2), '')) FROM numbers;
SELECT calls, peak_max BETWEEN 10000000 AND 40000000 AS peak, allocs >= 10000 AS allocs,
	large_allocs > 0 AS large_allocs
FROM goarena_statements ORDER BY peak_max DESC LIMIT 1;

-- statements in functions are not, unless that is wanted
CREATE FUNCTION largest() RETURNS integer LANGUAGE plpgsql
AS $$ BEGIN RETURN (SELECT max(i) FROM numbers); END $$;
SELECT goarena_statements_reset();
SELECT largest();
SELECT count(*) FROM goarena_statements WHERE NOT toplevel;
SET goarena.track_statements = 'all';
SELECT largest();
SELECT calls, peak_max > 0 AS peak FROM goarena_statements WHERE NOT toplevel;
SET goarena.track_statements = 'off';
SELECT goarena_statements_reset();
SELECT largest();
SELECT count(*) FROM goarena_statements;
SET goarena.track_statements = 'top';

-- statements that fail count
SELECT goarena_statements_reset();
SELECT 1 / (count(*) - 10000) FROM numbers;
SELECT 1 / (count(*) - 10000) FROM numbers;
SELECT calls FROM goarena_statements WHERE calls = 2;

-- the table itself
SELECT dropped, stats_reset <= now() + interval '1 hour' AS reset FROM goarena_statements_info();
SELECT goarena_statements_reset();
SELECT count(*) FROM goarena_statements;

--
-- Who sees what
--
CREATE ROLE regress_goarena_user;
CREATE ROLE regress_goarena_reader IN ROLE pg_read_all_stats;
SET ROLE regress_goarena_user;
SELECT 1 AS mine;
SELECT userid = 'regress_goarena_user'::regrole AS mine, bool_and(queryid IS NOT NULL) AS queryid,
	bool_and(num_nulls(peak_max, peak_mean, peak_stddev, bytes, allocs, large_allocs, limit_hits, stats_since) = 0) AS sizes,
	bool_or(num_nonnulls(peak_max, peak_mean, peak_stddev, bytes, allocs, large_allocs, limit_hits, stats_since) > 0) AS any_size
FROM goarena_statements GROUP BY 1 ORDER BY 1;
SELECT goarena_statements_reset();
SELECT stats_reset IS NOT NULL AS called FROM goarena_statements_info();
SET ROLE regress_goarena_reader;
SELECT bool_and(queryid IS NOT NULL AND peak_max IS NOT NULL) AS all FROM goarena_statements;
SELECT goarena_statements_reset();
RESET ROLE;
DROP ROLE regress_goarena_user, regress_goarena_reader;

--
-- goarena.log_peak
--
SHOW goarena.log_peak;
SET goarena.log_peak = '10MB';
SHOW goarena.log_peak;
RESET goarena.log_peak;

DROP FUNCTION largest();
DROP TABLE numbers;
