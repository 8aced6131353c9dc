CREATE EXTENSION unit;
SELECT count(u), max(u), sum(u) FROM (SELECT (i || ' m')::unit AS u FROM generate_series(1, 1000) i) q;
SELECT '1 km/h'::unit * '3 h'::unit, '1 mile'::unit @ 'km', 'furlong/fortnight'::unit;
SELECT 'nonsense'::unit;
SELECT md5(string_agg((i || ' N*m/s^2')::unit::text, ',')) FROM generate_series(1, 300) i;
