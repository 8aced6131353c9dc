-- Begin to write down what hooks and traces_look() see.
CREATE FUNCTION traces_begin() RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE c;

-- Look from inside a query.
CREATE FUNCTION traces_look() RETURNS integer
AS 'MODULE_PATHNAME' LANGUAGE c;

-- All that was seen since, and the timeouts and signal handlers of the process.
CREATE FUNCTION traces_seen() RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE c;
