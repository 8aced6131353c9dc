--
-- goarena.debug: whatever is looked at, results are the same and all adds up
--
CREATE FUNCTION work() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	list int[];
	result text;
BEGIN
	FOR i IN 1..20 LOOP
		list := list || i;
		BEGIN
			PERFORM 1 / (i % 5);
		EXCEPTION WHEN division_by_zero THEN
			list := list || -i;
		END;
	END LOOP;
	SELECT string_agg(t::text, ' ') INTO result FROM (
		SELECT jsonb_object_agg(k, v ORDER BY k) AS t FROM (
			SELECT i % 3 AS m, i % 7 AS k, count(*) AS v FROM unnest(list) AS i WHERE i > 0 GROUP BY 1, 2) s
		GROUP BY m ORDER BY m) u;
	RETURN array_to_string(list, ',') || ' ' || result || ' ' || md5(repeat('x', 300000));
END $$;
CREATE FUNCTION in_order() RETURNS boolean LANGUAGE sql AS $$
	SELECT goarena_check() IS NULL AND (SELECT chunks_freed >= 0 FROM goarena_sweep()) AND goarena_check() IS NULL
$$;
SELECT work() AS expected \gset
\set look 'SELECT work() = ' :'expected' ' AS same, in_order();'

SET goarena.debug = 'clobber';
SET goarena.quarantine = off;
:look
SET goarena.quarantine = on;
SET goarena.quarantine_sample_rate = 1;
:look
SET goarena.quarantine = strict;
:look
SET goarena.debug = 'efence';
:look
SET goarena.quarantine = off;
:look
SET goarena.debug = 'efence, clobber, checkmark';
SET goarena.debug_contexts = 'SPI*, ExecutorState/';
:look
-- arenas that are fenced are strict ones
SELECT DISTINCT quarantine FROM goarena_arenas() WHERE name = 'ExecutorState' AND quarantine IS NOT NULL;
SET goarena.debug = '';
:look

-- contexts that are to be looked at are arenas, however small they are
SET goarena.quarantine = off;
SET goarena.debug = 'clobber';
SELECT type FROM goarena_arenas() WHERE name = 'ExecutorState';

-- sweeps that were done twice are told from others
SET goarena.debug = 'checkmark';
SELECT chunks_freed >= 0 AS swept FROM goarena_sweep();
SELECT check_differences FROM goarena_sweeps() LIMIT 1;
SET goarena.debug = '';
SELECT chunks_freed >= 0 AS swept FROM goarena_sweep();
SELECT check_differences FROM goarena_sweeps() LIMIT 1;

-- stacks of allocations change nothing either
SET goarena.quarantine_sample_rate = 1;
SET goarena.quarantine = on;
SET goarena.allocation_stacks = on;
:look
SET goarena.quarantine = strict;
:look
SET goarena.allocation_stacks = off;
:look
RESET ALL;
DROP FUNCTION work();
DROP FUNCTION in_order();
