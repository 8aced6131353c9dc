CREATE EXTENSION postgis;
CREATE TABLE shape AS
	SELECT i AS id, ST_Buffer(ST_MakePoint(i % 40, i / 40), 0.7, 4) AS g FROM generate_series(1, 1600) i;
CREATE INDEX ON shape USING gist (g);
ANALYZE shape;
SELECT count(*), round(sum(ST_Area(ST_Intersection(a.g, b.g)))::numeric, 3)
	FROM shape a JOIN shape b ON ST_Intersects(a.g, b.g) AND a.id < b.id;
SELECT round(ST_Area(ST_Union(g))::numeric, 3), ST_NPoints(ST_Collect(g)) FROM shape;
SELECT md5(string_agg(ST_AsGeoJSON(g, 4), ',' ORDER BY id)) FROM shape;
SELECT count(ST_GeomFromText(ST_AsText(g))) FROM shape;
SELECT count(*) FROM (SELECT (ST_DumpPoints(g)).geom FROM shape) p;
SELECT ST_GeomFromText('POLYGON((0 0');
SELECT count(ST_Transform(ST_SetSRID(g, 4326), 3857)) FROM shape;
SELECT length(ST_AsMVT(q)) > 0 FROM (SELECT id, ST_AsMVTGeom(g, ST_MakeEnvelope(0, 0, 40, 40)) FROM shape) q;
