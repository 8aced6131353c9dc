/*-------------------------------------------------------------------------
 *
 * report_text.h
 *	  Building a text in a signal handler.
 *
 * snprintf may allocate and take locks.  These functions do neither; what
 * does not fit is cut off.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_REPORT_TEXT_H
#define GOARENA_REPORT_TEXT_H

#include "postgres.h"

#include "datatype/timestamp.h"

typedef struct ReportText
{
	char *data;
	size_t length; /* without the terminating zero */
	size_t size;   /* of data */
} ReportText;

extern void ReportInit(ReportText *text, char *data, size_t size);
extern void ReportString(ReportText *text, const char *string);

/* As above, with control characters replaced by spaces; NULL adds nothing. */
extern void ReportLine(ReportText *text, const char *string);
extern void ReportNumber(ReportText *text, int64 number);
extern void ReportHex(ReportText *text, uint64 number);

/* Such as "2026-11-21 20:57:52.123456+00". */
extern void ReportTime(ReportText *text, TimestampTz at);

/* "key: " and then a value and the end of the line. */
extern void ReportKey(ReportText *text, const char *key);
extern void ReportKeyString(ReportText *text, const char *key, const char *value);
extern void ReportKeyNumber(ReportText *text, const char *key, int64 value);

#endif /* GOARENA_REPORT_TEXT_H */
