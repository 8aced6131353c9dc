CREATE EXTENSION plpgsql_check;
CREATE TABLE t (a int, b text);
DO $$
BEGIN
	FOR i IN 1..100 LOOP
		EXECUTE format($f$
			CREATE FUNCTION f%s(n int) RETURNS text LANGUAGE plpgsql AS $b$
			DECLARE r record; unused int;
			BEGIN
				FOR r IN SELECT * FROM t WHERE a = n LOOP
					RETURN r.b || r.c;
				END LOOP;
			END $b$ $f$, i);
	END LOOP;
END $$;
SELECT md5(string_agg(m, E'\n' ORDER BY p.oid, m)), count(m)
	FROM pg_proc p, plpgsql_check_function(p.oid) m WHERE proname ~ '^f\d+$';
SELECT plpgsql_check_function('f1(int)', fatal_errors => false);
