CREATE EXTENSION q3c;
CREATE TABLE star AS SELECT i AS id, (i * 7919 % 36000) / 100.0::float8 AS ra, (i * 104729 % 18000) / 100.0::float8 - 90 AS dec
	FROM generate_series(1, 20000) i;
CREATE INDEX ON star (q3c_ang2ipix(ra, dec));
ANALYZE star;
SELECT count(*) FROM star a, star b WHERE q3c_join(a.ra, a.dec, b.ra, b.dec, 0.3);
SELECT count(*) FROM star WHERE q3c_poly_query(ra, dec, ARRAY[10, 10, 80, 10, 80, 60, 10, 60]);
