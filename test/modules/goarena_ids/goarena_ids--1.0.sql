-- The ids that were taken, and how often pfree() has come to this library.
CREATE FUNCTION ids_taken() RETURNS integer[]
AS 'MODULE_PATHNAME' LANGUAGE c;

-- Free an object with each id that was taken; the ids that came back.
CREATE FUNCTION ids_freed() RETURNS integer[]
AS 'MODULE_PATHNAME' LANGUAGE c;
