--
-- Who may call what
--
SELECT current_user AS superuser \gset
SELECT p.proname, coalesce(string_agg(CASE WHEN a.grantee = 0 THEN 'public' ELSE a.grantee::regrole::text END,
	', ' ORDER BY a.grantee), 'nobody') AS may
FROM pg_depend d JOIN pg_extension e ON d.refobjid = e.oid JOIN pg_proc p ON d.objid = p.oid
	LEFT JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
		ON a.grantee <> p.proowner
WHERE d.refclassid = 'pg_extension'::regclass AND d.classid = 'pg_proc'::regclass
	AND d.deptype = 'e' AND e.extname = 'goarena'
GROUP BY p.oid ORDER BY 1, p.pronargs;

CREATE ROLE regress_goarena_user;
CREATE ROLE regress_goarena_monitor IN ROLE pg_read_all_stats;
CREATE ROLE regress_goarena_monitor_all IN ROLE pg_monitor;
GRANT CREATE ON SCHEMA public TO regress_goarena_user;

--
-- A user: figures of the own process that tell nothing of others
--
SET ROLE regress_goarena_user;
SELECT goarena_version() IS NOT NULL AS called;
-- of other processes only that they are there
SELECT pid = pg_backend_pid() AS own, count(*) > 0 AS some, bool_and(backend_type IS NOT NULL) AS type,
	bool_and(in_use IS NOT NULL) AS figures, bool_or(arenas IS NOT NULL OR held IS NOT NULL OR
	allocs IS NOT NULL OR published IS NOT NULL) AS any_figure
FROM goarena_stats() GROUP BY 1 ORDER BY 1 DESC;
SELECT pid = pg_backend_pid() AS own, bool_or(held IS NOT NULL) AS figures,
	bool_or(query NOT IN ('', '<insufficient privilege>')) AS query
FROM goarena_activity WHERE pid <> pg_backend_pid() GROUP BY 1 ORDER BY 1 DESC;
SELECT count(*) > 0 AS called FROM goarena_size_classes();
SELECT count(*) AS called FROM goarena_sweep();
SELECT count(*) > 0 AS called FROM goarena_sweeps();
SELECT goarena_release() >= 0 AS called;
SELECT goarena_reset_stats();
-- the own process in full, but no addresses and no internals
SELECT count(*) > 5 AS own FROM goarena_arenas();
SELECT * FROM goarena_chunks();
SELECT goarena_pointer('0x1000');
SELECT goarena_dump();
SELECT goarena_dump(pg_backend_pid());
SELECT * FROM goarena_dump_objects('x');
SELECT * FROM goarena_dump_pins('x');
SELECT goarena_check();
SELECT * FROM goarena_faults();
SELECT goarena_faults_text(1);
-- own processes, others not at all
SELECT count(*) > 5 AS own FROM goarena_arenas(pg_backend_pid());
SELECT count(*) > 5 AS own, count(ident) AS idents FROM goarena_tree();
SELECT count(*) AS own, bool_and(pid = pg_backend_pid()) AS only FROM goarena_top;
-- identifiers can be texts of functions that run with the rights of others
RESET ROLE;
SET goarena.contexts = '*';
CREATE FUNCTION use_secret() RETURNS void LANGUAGE plpgsql SECURITY DEFINER
AS $$ BEGIN EXECUTE format('PREPARE secret AS SELECT length(%L)', 'TOPSECRET'); END $$;
CREATE VIEW idents AS
SELECT 'all of this process' AS of, ident FROM goarena_arenas()
UNION ALL SELECT 'of any process', ident FROM goarena_arenas(pg_backend_pid());
GRANT SELECT ON idents TO PUBLIC;
SELECT use_secret();
RESET goarena.contexts;
SELECT of, count(*) > 0 AS seen FROM idents WHERE ident LIKE '%TOPSECRET%' GROUP BY 1 ORDER BY 1;
SET ROLE regress_goarena_user;
SELECT of, count(*) > 5 AS contexts, count(ident) FROM idents GROUP BY 1 ORDER BY 1;
SET ROLE regress_goarena_monitor;
SELECT of, count(*) > 0 AS seen FROM idents WHERE ident LIKE '%TOPSECRET%' GROUP BY 1 ORDER BY 1;
RESET ROLE;
DEALLOCATE secret;
DROP VIEW idents;
DROP FUNCTION use_secret();
SET ROLE regress_goarena_user;
SELECT goarena_sweep(pg_backend_pid()), goarena_release(pg_backend_pid());
-- a heap profile of their own, not of the server
SET goarena.profile_rate = 1;
SELECT count(*) > 0 AS own FROM goarena_profile();
SELECT count(*) > 0 AS own, bool_or(stack ~ '0x[0-9a-f]{9}') AS addresses FROM goarena_profile(pg_backend_pid());
SELECT goarena_profile_folded() LIKE 'TopMemoryContext;%' AS own;
RESET goarena.profile_rate;
SELECT * FROM goarena_profile_all();
SELECT goarena_profile_folded(NULL);
SELECT goarena_profile_pprof(NULL);
SELECT goarena_profile_reset();
\set VERBOSITY sqlstate
SELECT * FROM goarena_profile((SELECT pid FROM goarena_stats() WHERE backend_type = 'checkpointer'));
SELECT goarena_profile_folded((SELECT pid FROM goarena_stats() WHERE backend_type = 'checkpointer'));
SELECT goarena_profile_pprof((SELECT pid FROM goarena_stats() WHERE backend_type = 'checkpointer'));
SELECT * FROM goarena_arenas((SELECT pid FROM goarena_stats() WHERE backend_type = 'checkpointer'));
SELECT * FROM goarena_tree((SELECT pid FROM goarena_stats() WHERE backend_type = 'checkpointer'));
SELECT goarena_sweep((SELECT pid FROM goarena_stats() WHERE backend_type = 'checkpointer'));
SELECT goarena_release((SELECT pid FROM goarena_stats() WHERE backend_type = 'checkpointer'));
\set VERBOSITY default
-- through functions of their own neither
CREATE FUNCTION peek() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM goarena_chunks()';
SELECT peek();
CREATE EXTENSION goarena SCHEMA pg_temp;
CREATE FUNCTION my_chunks(OUT address text, OUT size bigint, OUT state text, OUT arena_id bigint,
	OUT used bigint, OUT pinned_by text) RETURNS SETOF record
AS '$libdir/goarena', 'goarena_chunks' LANGUAGE C;
LOAD 'goarena';

--
-- Who may read all statistics
--
SET ROLE regress_goarena_monitor;
SELECT count(*) > 0 AS called FROM goarena_arenas();
SELECT * FROM goarena_chunks();
SELECT goarena_check();
SELECT count(*) FROM goarena_faults();
-- of all processes
SELECT bool_and(held IS NOT NULL) AS figures FROM goarena_stats();
SELECT count(*) > 0 AS some FROM goarena_arenas((SELECT pid FROM goarena_stats() WHERE backend_type = 'checkpointer'));
-- but not to do anything to them
\set VERBOSITY sqlstate
SELECT goarena_sweep((SELECT pid FROM goarena_stats() WHERE backend_type = 'checkpointer'));
SELECT goarena_release((SELECT pid FROM goarena_stats() WHERE backend_type = 'checkpointer'));
\set VERBOSITY default

-- Who may monitor
SET ROLE regress_goarena_monitor_all;
SELECT count(*) > 0 AS called FROM goarena_arenas();
SELECT count(*) >= 0 AS called FROM goarena_faults();
SELECT goarena_faults_text(1);

--
-- A grant is not enough for addresses
--
RESET ROLE;
GRANT EXECUTE ON FUNCTION goarena_chunks(), goarena_check(), goarena_dump(), goarena_dump(integer, float8),
	goarena_dump_objects(text), goarena_dump_pins(text) TO regress_goarena_user;
SET ROLE regress_goarena_user;
SELECT count(*) FROM goarena_chunks();
SELECT goarena_dump();
SELECT goarena_dump(pg_backend_pid());
SELECT * FROM goarena_dump_objects('x');
SELECT * FROM goarena_dump_pins('x');
SELECT count(*) > 0 AS called FROM goarena_arenas();
SELECT goarena_check() IS NULL AS in_order;
-- but a superuser can make a function for others
RESET ROLE;
CREATE FUNCTION number_of_chunks() RETURNS boolean LANGUAGE sql SECURITY DEFINER
AS 'SELECT count(*) > 0 FROM goarena_chunks()';
SET ROLE regress_goarena_user;
SELECT number_of_chunks();

RESET ROLE;
SELECT count(*) > 0 AS called FROM goarena_chunks();
DROP FUNCTION peek(), number_of_chunks();
REVOKE EXECUTE ON FUNCTION goarena_chunks(), goarena_check(), goarena_dump(), goarena_dump(integer, float8),
	goarena_dump_objects(text), goarena_dump_pins(text) FROM regress_goarena_user;
REVOKE CREATE ON SCHEMA public FROM regress_goarena_user;
DROP ROLE regress_goarena_user, regress_goarena_monitor, regress_goarena_monitor_all;
