/*-------------------------------------------------------------------------
 *
 * transaction.c
 *	  What is done when a transaction ends.
 *
 * The server calls each callback for each event, and there are many short transactions.  So goarena
 * has one callback, which does everything in order: requests to the transaction are settled, failed
 * statements are recorded, high-water marks are folded, limits are looked at again, and then other
 * processes may see what is left.
 *
 * The transaction's own memory is given back after all of this.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/xact.h"

#include "backend/faults/alloc_trace.h"
#include "backend/limits/limit_exempt.h"
#include "backend/limits/total_limit.h"
#include "backend/maintenance/maintenance.h"
#include "backend/statements/tracking.h"
#include "backend/transaction.h"
#include "backend/usage/usage_marks.h"

/*
 * transaction_failed
 *		Do what is to be done when this transaction or a subtransaction is rolled back.
 */
static void
transaction_failed(void)
{
	LimitExemptAfterError();
	TrackingAfterError();
}

static void
transaction_ended(void)
{
	AllocTraceTransactionEnd();
	UsageTransactionEnd();
	MaintainAtTransactionEnd();
}

/*
 * transaction_event
 *		Callback of xact.c.  A parallel worker reports to its leader before that
 *		stops waiting for it.
 */
static pg_attribute_hot void
transaction_event(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_PARALLEL_PRE_COMMIT:
			TrackingReportToLeader();
			MaintainBeforeCommit();
			break;
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			MaintainBeforeCommit();
			break;
		case XACT_EVENT_ABORT:
			TotalLimitEndRequest();
			transaction_failed();
			transaction_ended();
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PREPARE:
			TotalLimitEndRequest();
			transaction_ended();
			break;
		case XACT_EVENT_PARALLEL_ABORT:
			LimitExemptAfterError();
			TrackingReportToLeader();
			transaction_ended();
			break;
		case XACT_EVENT_PARALLEL_COMMIT:
			transaction_ended();
			break;
	}
}

static void
transaction_sub_event(SubXactEvent event, SubTransactionId self, SubTransactionId parent, void *arg)
{
	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	TotalLimitErrorCaught();
	transaction_failed();
}

void
TransactionInit(void)
{
	RegisterXactCallback(transaction_event, NULL);
	RegisterSubXactCallback(transaction_sub_event, NULL);
}
