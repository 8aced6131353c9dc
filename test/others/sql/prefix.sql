CREATE EXTENSION prefix;
CREATE TABLE dial AS SELECT (i % 9973)::text::prefix_range AS p FROM generate_series(1, 10000) i;
CREATE INDEX ON dial USING gist (p);
ANALYZE dial;
SELECT count(*) FROM generate_series(1, 500) i JOIN dial ON p @> (i * 37)::text;
SELECT 'abc'::prefix_range & 'abd'::prefix_range, 'ab[1-3]'::prefix_range | 'ab4'::prefix_range;
