/*-------------------------------------------------------------------------
 *
 * paired.c
 *	  Compare servers by running the same transactions on each, a few at a time.
 *
 * A client holds a connection to each server and goes round: a slice of some
 * milliseconds on one, the same on another, and so on, each round in an order
 * drawn anew.  What else happens on the machine so meets all alike, and so does
 * what the slice before left in the processor's caches.  The median of the rounds'
 * ratios is steady where runs of seconds one after the other are not.
 *
 *	paired [-c CLIENTS] [-r] [-s FILE] [-w] WORKLOAD SCALE ROUNDS TRANSACTIONS
 *		   NAME=CONNINFO...
 *
 * WORKLOAD: select, select-prepared or tpcb, as pgbench has them, over tables
 * that pgbench -i made at the given scale; or @FILE, a text with SQL that is
 * sent as it is.  With several clients, each is a thread with connections of
 * its own; all are on the same server at a time.
 *
 * Prints for each server, with the median of the ratios to the first one and
 * their quartiles: the time of a transaction (with several clients: the time
 * in which each of them does one), and the CPU time of the backends for it, in
 * microseconds.  The latter is the kernel's, from /proc/PID/schedstat, so the
 * servers must run here.
 *
 *	-r  print "NAME ROUND TIME CPU FAULTS" for each round instead, the last being
 *		the minor page faults of the backends for a transaction
 *	-s  send the SQL in FILE first on each new connection
 *	-w  print the process ids of the backends after the warm-up, and wait for a
 *		line of input then and again before the connections are closed
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <libpq-fe.h>

#define MAX_SERVERS 16
#define MAX_CLIENTS 64
#define WARMUP		3000 /* transactions at most, which end after WARMUP_US */
#define WARMUP_US	500000.0

typedef struct Server
{
	const char *name;
	const char *conninfo;
	double *wall; /* microseconds a transaction, by round */
	double *cpu;
	double *faults; /* minor page faults a transaction, by round */
} Server;

/* A connection of a client to a server. */
typedef struct Session
{
	const Server *server;
	PGconn *conn;
	unsigned seed;
	double cpu;	   /* of the last slice, in microseconds */
	double faults; /* in the last slice */
} Session;

typedef struct Client
{
	int number;
	pthread_t thread;
	Session sessions[MAX_SERVERS];
} Client;

static Client clients[MAX_CLIENTS];
static int num_clients = 1;
static int rounds;
static int transactions; /* of a client in a slice */
static pthread_barrier_t barrier;

static Server servers[MAX_SERVERS];
static int num_servers;
static int (*turns)[MAX_SERVERS]; /* by round: the servers in their order */
static const char *workload;
static char *script; /* of workload @FILE */
static char *setup;	 /* for each new connection, or NULL */
static int attended; /* does somebody attach to the backends? */
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
cpu_us(const Session *session)
{
	char path[64];
	unsigned long long ns = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", PQbackendPID(session->conn));
	file = fopen(path, "r");
	if (file == NULL || fscanf(file, "%llu", &ns) != 1)
		fail("cannot read", path);
	fclose(file);
	return (double) ns / 1e3;
}

/* Minor page faults of the backend. */
static double
faults_of(const Session *session)
{
	char path[64];
	unsigned long faults = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", PQbackendPID(session->conn));
	file = fopen(path, "r");
	/* the second field, the name in parentheses, may contain spaces */
	if (file == NULL || fscanf(file, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %lu", &faults) != 1)
		fail("cannot read", path);
	fclose(file);
	return (double) faults;
}

static void
done(Session *session, PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);

	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
		fail(session->server->name, PQerrorMessage(session->conn));
	PQclear(result);
}

static void
run(Session *session, const char *sql)
{
	done(session, PQexec(session->conn, sql));
}

static int
pick(Session *session, int count)
{
	return (int) (((long long) rand_r(&session->seed) * count) / ((long long) RAND_MAX + 1)) + 1;
}

static void
tpcb(Session *session)
{
	char sql[256];
	int aid = pick(session, 100000 * scale);
	int tid = pick(session, 10 * scale);
	int bid = pick(session, scale);
	int delta = pick(session, 10001) - 5001;

	run(session, "BEGIN");
	snprintf(sql, sizeof(sql),
			 "UPDATE pgbench_accounts SET abalance = abalance + %d WHERE aid = %d;", delta, aid);
	run(session, sql);
	snprintf(sql, sizeof(sql), "SELECT abalance FROM pgbench_accounts WHERE aid = %d;", aid);
	run(session, sql);
	snprintf(sql, sizeof(sql),
			 "UPDATE pgbench_tellers SET tbalance = tbalance + %d WHERE tid = %d;", delta, tid);
	run(session, sql);
	snprintf(sql, sizeof(sql),
			 "UPDATE pgbench_branches SET bbalance = bbalance + %d WHERE bid = %d;", delta, bid);
	run(session, sql);
	snprintf(sql, sizeof(sql),
			 "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) "
			 "VALUES (%d, %d, %d, %d, CURRENT_TIMESTAMP);",
			 tid, bid, aid, delta);
	run(session, sql);
	run(session, "END");
}

static void
transaction(Session *session)
{
	char text[128];
	const char *values[1] = {text};

	if (script != NULL)
		run(session, script);
	else if (strcmp(workload, "tpcb") == 0)
		tpcb(session);
	else if (strcmp(workload, "select-prepared") == 0)
	{
		snprintf(text, sizeof(text), "%d", pick(session, 100000 * scale));
		done(session, PQexecPrepared(session->conn, "s", 1, values, NULL, NULL, 0));
	}
	else
	{
		snprintf(text, sizeof(text), "SELECT abalance FROM pgbench_accounts WHERE aid = %d;",
				 pick(session, 100000 * scale));
		run(session, text);
	}
}

/* All clients at a time.  The first notes the time that the slowest of them takes. */
static void
slice(Client *client, int server, int round)
{
	Session *session = &client->sessions[server];
	double faults = faults_of(session);
	double cpu = cpu_us(session);
	double wall;

	pthread_barrier_wait(&barrier);
	wall = now_us();
	for (int i = 0; i < transactions; i++)
		transaction(session);
	session->cpu = cpu_us(session) - cpu;
	session->faults = faults_of(session) - faults;
	pthread_barrier_wait(&barrier);
	if (client->number != 0)
		return;
	servers[server].wall[round] = (now_us() - wall) / transactions;
	cpu = 0;
	faults = 0;
	for (int i = 0; i < num_clients; i++)
	{
		cpu += clients[i].sessions[server].cpu;
		faults += clients[i].sessions[server].faults;
	}
	servers[server].cpu[round] = cpu / transactions / num_clients;
	servers[server].faults[round] = faults / transactions / num_clients;
}

static void
connect_session(Session *session, const Server *server, unsigned seed)
{
	session->server = server;
	session->seed = seed;
	session->conn = PQconnectdb(server->conninfo);
	if (PQstatus(session->conn) != CONNECTION_OK)
		fail(server->name, PQerrorMessage(session->conn));
	if (setup != NULL)
		run(session, setup);
	if (strcmp(workload, "select-prepared") == 0)
		done(session, PQprepare(session->conn, "s",
								"SELECT abalance FROM pgbench_accounts WHERE aid = $1;", 0, NULL));
}

/* One at a time: print the backends of a client, and wait for whoever attaches to them. */
static void
await_attendant(const Client *client)
{
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	char line[16];

	if (!attended)
		return;
	pthread_mutex_lock(&mutex);
	for (int s = 0; s < num_servers; s++)
		printf("%d%c", PQbackendPID(client->sessions[s].conn), s + 1 < num_servers ? ' ' : '\n');
	fflush(stdout);
	if (fgets(line, sizeof(line), stdin) == NULL)
		fail("no line of input", "");
	pthread_mutex_unlock(&mutex);
}

/* Draw the order of the servers in each round, by exchanging each with one before it or itself. */
static void
draw_turns(void)
{
	unsigned seed = (unsigned) time(NULL);

	turns = malloc(sizeof(*turns) * (size_t) rounds);
	for (int round = 0; round < rounds; round++)
		for (int s = 0; s < num_servers; s++)
		{
			int other = rand_r(&seed) % (s + 1);

			turns[round][s] = turns[round][other];
			turns[round][other] = s;
		}
}

static void *
client_main(void *argument)
{
	Client *client = argument;

	for (int s = 0; s < num_servers; s++)
	{
		double start;

		connect_session(&client->sessions[s], &servers[s], (unsigned) client->number + 1);
		start = now_us();
		for (int i = 0; i < WARMUP && i < transactions * 20 && now_us() < start + WARMUP_US; i++)
			transaction(&client->sessions[s]);
	}
	await_attendant(client);
	for (int round = 0; round < rounds; round++)
		for (int s = 0; s < num_servers; s++)
			slice(client, turns[round][s], round);
	await_attendant(client);
	return NULL;
}

static void
add_server(char *argument)
{
	Server *server = &servers[num_servers++];
	char *equals = strchr(argument, '=');

	if (equals == NULL || num_servers > MAX_SERVERS)
		fail("not a server", argument);
	*equals = '\0';
	server->name = argument;
	server->conninfo = equals + 1;
	server->wall = calloc((size_t) rounds, sizeof(double));
	server->cpu = calloc((size_t) rounds, sizeof(double));
	server->faults = calloc((size_t) rounds, sizeof(double));
}

static char *
read_file(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = malloc(1 << 16);
	size_t size;

	if (file == NULL || text == NULL)
		fail("cannot read", path);
	size = fread(text, 1, (1 << 16) - 1, file);
	text[size] = '\0';
	fclose(file);
	return text;
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

static void
print_tables(void)
{
	for (int s = 0; s < num_servers; s++)
	{
		printf("| %s | %s |", workload, servers[s].name);
		print_ratio(servers[s].wall, NULL, rounds);
		print_ratio(servers[s].wall, servers[0].wall, rounds);
		print_ratio(servers[s].cpu, NULL, rounds);
		print_ratio(servers[s].cpu, servers[0].cpu, rounds);
		printf("\n");
	}
}

static void
print_rounds(void)
{
	for (int round = 0; round < rounds; round++)
		for (int s = 0; s < num_servers; s++)
			printf("%s %d %.3f %.3f %.3f\n", servers[s].name, round + 1, servers[s].wall[round],
				   servers[s].cpu[round], servers[s].faults[round]);
}

int
main(int argc, char **argv)
{
	static const char usage[] =
		"paired [-c CLIENTS] [-r] [-s FILE] [-w] WORKLOAD SCALE ROUNDS TRANSACTIONS "
		"NAME=CONNINFO...";
	int raw = 0;
	int option;

	while ((option = getopt(argc, argv, "+c:rs:w")) != -1)
	{
		if (option == 'c')
			num_clients = atoi(optarg);
		else if (option == 'r')
			raw = 1;
		else if (option == 's')
			setup = read_file(optarg);
		else if (option == 'w')
			attended = 1;
		else
			fail("usage", usage);
	}
	argv += optind - 1;
	argc -= optind - 1;
	if (argc < 6 || num_clients < 1 || num_clients > MAX_CLIENTS)
		fail("usage", usage);
	workload = argv[1];
	scale = atoi(argv[2]);
	rounds = atoi(argv[3]);
	transactions = atoi(argv[4]);
	if (workload[0] == '@')
		script = read_file(workload + 1);
	for (int i = 5; i < argc; i++)
		add_server(argv[i]);

	draw_turns();
	pthread_barrier_init(&barrier, NULL, (unsigned) num_clients);
	for (int i = 0; i < num_clients; i++)
	{
		clients[i].number = i;
		if (pthread_create(&clients[i].thread, NULL, client_main, &clients[i]) != 0)
			fail("cannot start", "a thread");
	}
	for (int i = 0; i < num_clients; i++)
		pthread_join(clients[i].thread, NULL);

	if (raw)
		print_rounds();
	else
		print_tables();
	return 0;
}
