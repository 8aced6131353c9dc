CREATE EXTENSION ip4r;
CREATE TABLE net AS SELECT i AS id, ((i * 256)::bigint::ip4 / 24)::ip4r AS r, format('2001:db8:%s::/48', to_hex(i))::iprange AS s
	FROM generate_series(1, 10000) i;
CREATE INDEX ON net USING gist (r);
CREATE INDEX ON net USING gist (s);
ANALYZE net;
SELECT count(*) FROM net a JOIN net b ON a.r && b.r;
SELECT id FROM net WHERE r >>= '0.0.39.4'::ip4;
SELECT id FROM net WHERE s >>= '2001:db8:42::1'::ipaddress;
SELECT md5(string_agg(r::text || s::text, ',' ORDER BY id)) FROM net;
SELECT '1.2.3'::ip4;
