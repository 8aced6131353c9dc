--
-- What CREATE EXTENSION makes
--
SELECT extversion, extrelocatable FROM pg_extension WHERE extname = 'goarena';
SELECT goarena_version();

-- functions and views (whose types count from some major on)
SELECT d.classid::regclass AS catalog, count(*)
FROM pg_depend d JOIN pg_extension e ON d.refobjid = e.oid
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' AND e.extname = 'goarena'
	AND d.classid <> 'pg_type'::regclass
GROUP BY 1 ORDER BY 1;

CREATE VIEW functions AS
SELECT p.*, oidvectortypes(p.proargtypes) AS arguments,
	obj_description(p.oid, 'pg_proc') AS comment
FROM pg_depend d JOIN pg_extension e ON d.refobjid = e.oid JOIN pg_proc p ON d.objid = p.oid
WHERE d.refclassid = 'pg_extension'::regclass AND d.classid = 'pg_proc'::regclass
	AND d.deptype = 'e' AND e.extname = 'goarena';

SELECT proname, arguments, pg_get_function_result(oid) AS result, provolatile AS volatile,
	proparallel AS parallel, proisstrict AS strict, prosecdef AS definer
FROM functions ORDER BY 1, 2;

-- their columns
SELECT f.proname, a.ordinality AS n, a.name, format_type(a.type, NULL) AS type
FROM functions f,
	unnest(f.proargnames, f.proallargtypes) WITH ORDINALITY AS a(name, type, ordinality)
WHERE f.proallargtypes IS NOT NULL
ORDER BY 1, f.pronargs, 2;

-- those of the view
SELECT attnum AS n, attname AS name, format_type(atttypid, NULL) AS type
FROM pg_attribute WHERE attrelid = 'goarena_activity'::regclass AND attnum > 0 ORDER BY 1;

-- each has a comment, which explains each column, or says whose comment does
SELECT proname FROM functions WHERE comment IS NULL;
SELECT f.proname, a.name AS not_explained
FROM functions f, unnest(f.proargnames) AS a(name)
WHERE f.proallargtypes IS NOT NULL AND
	concat_ws(E'\n', f.comment,
		obj_description(substring(f.comment FROM '\nother columns as those of (\w+\(\))$')::regprocedure, 'pg_proc'))
	!~ ('(^|\n)([a-z_]+, )*' || a.name || '(, [a-z_]+)*: ');
SELECT a.attrelid::regclass AS view, a.attname AS not_explained
FROM pg_attribute a JOIN pg_depend d ON d.objid = a.attrelid
	JOIN pg_extension e ON d.refobjid = e.oid
WHERE d.refclassid = 'pg_extension'::regclass AND d.classid = 'pg_class'::regclass
	AND d.deptype = 'e' AND e.extname = 'goarena' AND a.attnum > 0
	AND col_description(a.attrelid, a.attnum) IS NULL;
SELECT oid::regclass AS no_comment FROM pg_class
WHERE relname IN ('goarena_activity', 'goarena_statements')
	AND obj_description(oid, 'pg_class') IS NULL;

--
-- Away and back again
--
DROP VIEW functions;
DROP EXTENSION goarena;
\set VERBOSITY sqlstate
SELECT goarena_version();
\set VERBOSITY default
SELECT count(*) FROM pg_proc WHERE proname LIKE 'goarena%';
-- the library is still at work
SELECT current_setting('goarena.enabled');

CREATE SCHEMA elsewhere;
CREATE EXTENSION goarena SCHEMA elsewhere;
SELECT elsewhere.goarena_check() IS NULL AS in_order;
ALTER EXTENSION goarena SET SCHEMA public;
SELECT goarena_check() IS NULL AS in_order;
DROP SCHEMA elsewhere;
