/*
 * One timer a job, in a heap. What it means follows from the job's state:
 * RUNNING the time limit, or when stopped the next round of SIGSTOP, TERMINATING the end of the grace, KILLING the next round.
 */
#ifndef OMX_TIMERS_H
#define OMX_TIMERS_H
#include "job.h"

void timer_set(struct job *j, double deadline);
void timer_clear(struct job *j);
/* The job whose deadline is next, or NULL. */
struct job *timer_next(void);
#endif
