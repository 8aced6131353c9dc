/*-------------------------------------------------------------------------
 *
 * events.h
 *	  Reporting the events that the engine has kept.
 *
 * Copyright (c) 2026, goarena contributors
 *
 *-------------------------------------------------------------------------
 */
#ifndef GOARENA_EVENTS_H
#define GOARENA_EVENTS_H

/* Report and forget the events that wait in the process's heap. */
extern void ReportEvents(void);

#endif /* GOARENA_EVENTS_H */
