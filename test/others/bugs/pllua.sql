-- pllua 2.0.10: a cursor is used after SPI_finish dropped its portal
-- finds: use of a pointer that was read from freed memory
-- used in: pllua.so
CREATE EXTENSION pllua;
CREATE TABLE t AS SELECT i AS id, i AS n FROM generate_series(1, 200) i;
CREATE FUNCTION count_rows() RETURNS trigger LANGUAGE pllua AS $$
  local i = 0
  for r in spi.rows([[ select * from newtab ]]) do i = i + 1; if i > 2 then break end end
  for r in spi.rows([[ select * from newtab ]]) do i = i + 1 end
$$;
CREATE TRIGGER count_rows AFTER UPDATE ON t REFERENCING NEW TABLE AS newtab
	FOR EACH STATEMENT EXECUTE FUNCTION count_rows();
UPDATE t SET n = n + 1;
