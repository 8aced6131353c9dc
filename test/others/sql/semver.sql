CREATE EXTENSION semver;
CREATE TABLE release AS SELECT format('%s.%s.%s-rc%s', i % 7, i % 11, i % 13, i % 3)::semver AS v FROM generate_series(1, 10000) i;
CREATE INDEX ON release (v);
SELECT min(v), max(v), count(DISTINCT v) FROM release;
SELECT md5(string_agg(v::text, ',' ORDER BY v)) FROM release;
SELECT '1.2'::semver;
SELECT to_semver('1.2'), is_semver('1.2.x');
