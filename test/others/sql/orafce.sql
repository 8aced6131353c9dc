CREATE EXTENSION orafce;
SELECT oracle.add_months('2024-01-31'::date, i) FROM generate_series(1, 3) i;
SELECT count(oracle.to_char(i::numeric)), md5(string_agg(oracle.lpad(i::text, 9, '*'), '')) FROM generate_series(1, 5000) i;
SELECT oracle.instr('Tech on the net', 'e', 1, i) FROM generate_series(1, 3) i;
SELECT dbms_random.seed(1);
DO $$
BEGIN
	FOR i IN 1..500 LOOP
		PERFORM dbms_pipe.pack_message(repeat('x', i % 100 + 1));
		PERFORM dbms_pipe.send_message('p', 0, 1);
		PERFORM dbms_pipe.receive_message('p', 0);
		PERFORM dbms_pipe.unpack_message_text();
	END LOOP;
END $$;
SELECT count(plvstr.rvrs(i::text)), sum(plvdate.bizdays_between('2024-01-01', '2024-01-01'::date + i)) FROM generate_series(1, 1000) i;
