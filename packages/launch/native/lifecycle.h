/* What becomes of a job after its start; the states are drawn in job.h. */
#ifndef OMX_LIFECYCLE_H
#define OMX_LIFECYCLE_H
#include "job.h"

/* SIGTERM and SIGCONT to everything the job started, SIGKILL after the grace. The first reason stays. */
void lifecycle_end(struct job *j, enum end_reason reason, double grace);
/* A user's pause, which the lease does not end, and its end, which does not end a suspension. */
void lifecycle_pause(struct job *j);
void lifecycle_resume(struct job *j);
/* The lease is out: a running job is stopped, one that is being ended anyway is killed. */
void lifecycle_suspend(struct job *j);
void lifecycle_unsuspend(struct job *j);
/* Nobody will come for these jobs: they are killed. */
void lifecycle_abandon(void);
/* After SIGCHLD. */
void lifecycle_reap(void);
void lifecycle_timers(void);
void lifecycle_cap_outputs(void);
#endif
