/*-------------------------------------------------------------------------
 *
 * report_text.c
 *	  Building a text in a signal handler.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/datetime.h"

#include "backend/faults/report_text.h"

void
ReportInit(ReportText *text, char *data, size_t size)
{
	text->data = data;
	text->length = 0;
	text->size = size;
	data[0] = '\0';
}

static void
report_append_byte(ReportText *text, char byte)
{
	if (text->length + 1 < text->size)
	{
		text->data[text->length++] = byte;
		text->data[text->length] = '\0';
	}
}

void
ReportString(ReportText *text, const char *string)
{
	while (*string != '\0')
		report_append_byte(text, *string++);
}

void
ReportLine(ReportText *text, const char *string)
{
	if (string == NULL)
		return;
	for (; *string != '\0'; string++)
		report_append_byte(text, (unsigned char) *string < ' ' ? ' ' : *string);
}

/*
 * report_append_digits
 *		At least the given number of digits.
 */
static void
report_append_digits(ReportText *text, uint64 number, unsigned base, int least)
{
	char digits[32];
	int count = 0;

	do
	{
		digits[count++] = "0123456789abcdef"[number % base];
		number /= base;
	} while (number > 0);
	while (count < least)
		digits[count++] = '0';
	while (count > 0)
		report_append_byte(text, digits[--count]);
}

void
ReportNumber(ReportText *text, int64 number)
{
	if (number < 0)
		report_append_byte(text, '-');
	report_append_digits(text, number < 0 ? -(uint64) number : (uint64) number, 10, 1);
}

void
ReportHex(ReportText *text, uint64 number)
{
	ReportString(text, "0x");
	report_append_digits(text, number, 16, 1);
}

void
ReportTime(ReportText *text, TimestampTz at)
{
	int64 days = at / USECS_PER_DAY;
	int64 rest = at % USECS_PER_DAY;
	int year;
	int month;
	int day;

	if (rest < 0)
	{
		rest += USECS_PER_DAY;
		days--;
	}
	/* j2date only computes. */
	j2date((int) days + POSTGRES_EPOCH_JDATE, &year, &month, &day);
	report_append_digits(text, (uint64) year, 10, 4);
	report_append_byte(text, '-');
	report_append_digits(text, (uint64) month, 10, 2);
	report_append_byte(text, '-');
	report_append_digits(text, (uint64) day, 10, 2);
	report_append_byte(text, ' ');
	report_append_digits(text, (uint64) (rest / USECS_PER_HOUR), 10, 2);
	report_append_byte(text, ':');
	report_append_digits(text, (uint64) (rest / USECS_PER_MINUTE % 60), 10, 2);
	report_append_byte(text, ':');
	report_append_digits(text, (uint64) (rest / USECS_PER_SEC % 60), 10, 2);
	report_append_byte(text, '.');
	report_append_digits(text, (uint64) (rest % USECS_PER_SEC), 10, 6);
	ReportString(text, "+00");
}

void
ReportKey(ReportText *text, const char *key)
{
	ReportString(text, key);
	ReportString(text, ": ");
}

void
ReportKeyString(ReportText *text, const char *key, const char *value)
{
	ReportKey(text, key);
	ReportLine(text, value);
	report_append_byte(text, '\n');
}

void
ReportKeyNumber(ReportText *text, const char *key, int64 value)
{
	ReportKey(text, key);
	ReportNumber(text, value);
	report_append_byte(text, '\n');
}
