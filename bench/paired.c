/*-------------------------------------------------------------------------
 *
 * paired.c
 *	  Compare servers by running the same transactions on each, a few at a time.
 *
 * A client holds a connection to each server and goes round: a slice of some
 * milliseconds on the first, the same on the second, and so on, beginning with
 * another one each round.  What else happens on the machine so meets all
 * alike, and the median of the rounds' ratios is steady where runs of seconds
 * one after the other are not.
 *
 *	paired WORKLOAD SCALE ROUNDS TRANSACTIONS NAME=CONNINFO...
 *
 * WORKLOAD: select, select-prepared or tpcb, as pgbench has them, over tables
 * that pgbench -i made at the given scale; or @FILE, a text with SQL that is
 * sent as it is.
 *
 * Prints for each server, with the median of the ratios to the first one and
 * their quartiles: the time of a transaction seen by the client, and the CPU
 * time of the backend, in microseconds.  The latter is the kernel's, from
 * /proc/PID/schedstat, so the servers must run here.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libpq-fe.h>

#define MAX_SERVERS 16
#define WARMUP		3000

typedef struct Server
{
	const char *name;
	PGconn *conn;
	double *wall; /* microseconds a transaction, by round */
	double *cpu;
} Server;

static Server servers[MAX_SERVERS];
static int num_servers;
static const char *workload;
static char *script; /* of workload @FILE */
static int scale;

static void
fail(const char *what, const char *detail)
{
	fprintf(stderr, "paired: %s: %s\n", what, detail);
	exit(1);
}

static double
now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec * 1e6 + (double) t.tv_nsec / 1e3;
}

/* CPU time of the backend in microseconds. */
static double
cpu_us(const Server *server)
{
	char path[64];
	unsigned long long ns = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", PQbackendPID(server->conn));
	file = fopen(path, "r");
	if (file == NULL || fscanf(file, "%llu", &ns) != 1)
		fail("cannot read", path);
	fclose(file);
	return (double) ns / 1e3;
}

static void
done(Server *server, PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
		fail(server->name, PQerrorMessage(server->conn));
	PQclear(result);
}

static void
run(Server *server, const char *sql)
{
	done(server, PQexec(server->conn, sql));
}

static int
pick(int count)
{
	return (int) (((long long) rand() * count) / ((long long) RAND_MAX + 1)) + 1;
}

static void
tpcb(Server *server)
{
	char sql[256];
	int aid = pick(100000 * scale);
	int tid = pick(10 * scale);
	int bid = pick(scale);
	int delta = pick(10001) - 5001;

	run(server, "BEGIN");
	snprintf(sql, sizeof(sql),
			 "UPDATE pgbench_accounts SET abalance = abalance + %d WHERE aid = %d;", delta, aid);
	run(server, sql);
	snprintf(sql, sizeof(sql), "SELECT abalance FROM pgbench_accounts WHERE aid = %d;", aid);
	run(server, sql);
	snprintf(sql, sizeof(sql),
			 "UPDATE pgbench_tellers SET tbalance = tbalance + %d WHERE tid = %d;", delta, tid);
	run(server, sql);
	snprintf(sql, sizeof(sql),
			 "UPDATE pgbench_branches SET bbalance = bbalance + %d WHERE bid = %d;", delta, bid);
	run(server, sql);
	snprintf(sql, sizeof(sql),
			 "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) "
			 "VALUES (%d, %d, %d, %d, CURRENT_TIMESTAMP);",
			 tid, bid, aid, delta);
	run(server, sql);
	run(server, "END");
}

static void
transaction(Server *server)
{
	char text[128];
	const char *values[1] = {text};

	if (script != NULL)
		run(server, script);
	else if (strcmp(workload, "tpcb") == 0)
		tpcb(server);
	else if (strcmp(workload, "select-prepared") == 0)
	{
		snprintf(text, sizeof(text), "%d", pick(100000 * scale));
		done(server, PQexecPrepared(server->conn, "s", 1, values, NULL, NULL, 0));
	}
	else
	{
		snprintf(text, sizeof(text), "SELECT abalance FROM pgbench_accounts WHERE aid = %d;",
				 pick(100000 * scale));
		run(server, text);
	}
}

static void
slice(Server *server, int round, int transactions)
{
	double cpu = cpu_us(server);
	double wall = now_us();

	for (int i = 0; i < transactions; i++)
		transaction(server);
	server->wall[round] = (now_us() - wall) / transactions;
	server->cpu[round] = (cpu_us(server) - cpu) / transactions;
}

static void
add_server(char *argument)
{
	Server *server = &servers[num_servers++];
	char *equals = strchr(argument, '=');

	if (equals == NULL || num_servers == MAX_SERVERS)
		fail("not a server", argument);
	*equals = '\0';
	server->name = argument;
	server->conn = PQconnectdb(equals + 1);
	if (PQstatus(server->conn) != CONNECTION_OK)
		fail(server->name, PQerrorMessage(server->conn));
	if (strcmp(workload, "select-prepared") == 0)
		done(server, PQprepare(server->conn, "s",
							   "SELECT abalance FROM pgbench_accounts WHERE aid = $1;", 0, NULL));
}

static void
read_script(const char *path)
{
	FILE *file = fopen(path, "r");
	size_t size;

	script = malloc(1 << 16);
	if (file == NULL || script == NULL)
		fail("cannot read", path);
	size = fread(script, 1, (1 << 16) - 1, file);
	script[size] = '\0';
	fclose(file);
}

static int
compare(const void *a, const void *b)
{
	double x = *(const double *) a;
	double y = *(const double *) b;

	return (x > y) - (x < y);
}

/* Median of the values, or of their ratios to a base; prints the quartiles too. */
static void
print_ratio(const double *values, const double *base, int count)
{
	double *sorted = malloc(sizeof(double) * (size_t) count);

	for (int i = 0; i < count; i++)
		sorted[i] = base == NULL ? values[i] : values[i] / base[i];
	qsort(sorted, (size_t) count, sizeof(double), compare);
	if (base == NULL)
		printf(" %.1f |", sorted[count / 2]);
	else
		printf(" %.3f | %.3f–%.3f |", sorted[count / 2], sorted[count / 4], sorted[count * 3 / 4]);
	free(sorted);
}

int
main(int argc, char **argv)
{
	int rounds;
	int transactions;

	if (argc < 6)
		fail("usage", "paired WORKLOAD SCALE ROUNDS TRANSACTIONS NAME=CONNINFO...");
	workload = argv[1];
	scale = atoi(argv[2]);
	rounds = atoi(argv[3]);
	transactions = atoi(argv[4]);
	if (workload[0] == '@')
		read_script(workload + 1);
	for (int i = 5; i < argc; i++)
		add_server(argv[i]);

	for (int s = 0; s < num_servers; s++)
	{
		servers[s].wall = calloc((size_t) rounds, sizeof(double));
		servers[s].cpu = calloc((size_t) rounds, sizeof(double));
		for (int i = 0; i < WARMUP && i < transactions * 20; i++)
			transaction(&servers[s]);
	}
	for (int round = 0; round < rounds; round++)
		for (int s = 0; s < num_servers; s++)
			slice(&servers[(s + round) % num_servers], round, transactions);

	for (int s = 0; s < num_servers; s++)
	{
		printf("| %s | %s |", workload, servers[s].name);
		print_ratio(servers[s].wall, NULL, rounds);
		print_ratio(servers[s].wall, servers[0].wall, rounds);
		print_ratio(servers[s].cpu, NULL, rounds);
		print_ratio(servers[s].cpu, servers[0].cpu, rounds);
		printf("\n");
	}
	return 0;
}
