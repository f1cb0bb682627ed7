/*
 * Which processes belong to which job. A process is a job's when
 *   its session is the job's (every job is started as a session leader), or
 *   its parent is the job's, or
 *   it was started with the job's OMX_TOKEN in its environment: what called setsid and lost its parents is found by this.
 * But not when its parent, or that one's, was started with the token of another job: a copy of a job that was frozen here
 * and goes on under another shepherd of this machine still has our token, and is none of ours.
 * What does all three, setsid, double fork and a cleared environment, is found only while its parents live; as a
 * child of ours without an owner it is killed when no job is live any more.
 *
 * We are child subreaper: whatever a job leaves behind hangs below a child of ours, an orphan. A job whose main process
 * is reaped is therefore over when it has no orphan, and our own list of children is all that has to be read.
 */
#ifndef OMX_MEMBERS_H
#define OMX_MEMBERS_H
#include "job.h"
#include "processes.h"
#include <stdbool.h>

/* Finds new orphans; call it before trusting `job->orphans`. */
void members_find_orphans(void);
/* Kills children that belong to no live job. */
void members_kill_strays(void);
/* The job whose orphan this child of ours is; forgets the orphan, since it is about to be reaped. */
struct job *members_reap_orphan(pid_t pid);

/* Asks for a signal to everything of the job, sent by the next `members_sweep` together with those of other jobs. */
void members_request(struct job *j, int number);
void members_sweep(void);
/* Forgets what was asked for since the last sweep. */
void members_withdraw(struct job *j);

/* For recovery: sets the owner of every process of the list. A lost job's session alone proves nothing after
   `session_tick`: the pid may have been given anew. */
void members_attribute(struct process_list *list, uint64_t session_tick);
#endif
