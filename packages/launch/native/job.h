/*
 * One attempt of one job, from the request to start it until its end is acknowledged.
 *
 *   PREPARED ──► RUNNING ──► TERMINATING ──► KILLING ──► ENDED ──► (acknowledged: freed)
 *       │           │  ▲ stopped   │                       ▲
 *       ▼           └──┴───────────┴───────────────────────┘
 *    REFUSED
 *
 * PREPARED     in the journal, not yet started; it may wait for the end of another (`before`)
 * RUNNING      also while stopped: paused by its user, suspended because the node's lease is out (`lease.h`), or both
 * TERMINATING  SIGTERM was sent; what is left at `deadline` is killed
 * KILLING      rounds of SIGKILL until nothing of the job is left; also after a normal end that left processes behind. With a
 *              `kill_signal` the main process gets that first, and time to do it by itself
 */
#ifndef OMX_JOB_H
#define OMX_JOB_H
#include "table.h"
#include <stdbool.h>
#include <sys/types.h>

enum job_state { JOB_PREPARED, JOB_RUNNING, JOB_TERMINATING, JOB_KILLING, JOB_ENDED, JOB_REFUSED };
/* The order of `endReasons` and of the stages in messages.ts. */
enum end_reason {
  REASON_NONE,
  REASON_TIMEOUT,
  REASON_CANCEL,
  REASON_OOM,
  REASON_REQUEUE,
  REASON_FENCED,
  REASON_LEASE,
  REASON_COUNT
};
enum stage { STAGE_CWD, STAGE_STDIN, STAGE_OUTPUT, STAGE_FORK, STAGE_EXEC, STAGE_LEASE, STAGE_RECALLED };

#define TOKEN_LENGTH 32

struct job {
  struct node by_key, by_pid, by_token;
  struct link in_state;   /* the prepared, live or done list */
  struct link in_unsent;  /* something the worker has not been told on this connection */
  struct link in_closing; /* the main process is reaped, the end not yet reported */
  struct link in_sweep;   /* `sweep_signal` is to be sent to everything of the job */
  struct link in_capped;  /* live, with a limit on its output */

  char *key, *out, *err;
  char token[TOKEN_LENGTH + 1];
  enum job_state state;
  enum end_reason reason;

  struct job *before, *next; /* it starts when `before` is done; `next` when this one is */
  unsigned char *request;    /* of one that waits: its START, our own copy */

  pid_t pid;
  uint64_t first_tick, last_tick; /* the main process started between these two */
  double started_at, ended_at, started_mono;
  double grace, time_left, max_output; /* time_left: of the limit, when stopped; 0 = no limit */

  double deadline;   /* monotonic; see `timers.h` */
  size_t heap_place; /* 0 = no timer */
  unsigned rounds;   /* of SIGKILL, or of SIGSTOP while stopped */
  unsigned orphans;  /* children of ours that this job left */
  int sweep_signal;
  int kill_signal; /* asks the main process to kill the job and count what it used; 0: there is none such */

  bool paused, suspended;
  bool restless; /* the last round of SIGSTOP found something that still ran */
  bool main_done, killed_by_us, lost, oom_killed, truncated;
  bool tell_started;
  uint64_t oom_count; /* the machine's counter at the start */
  int status;         /* of wait(2) */
  double user_us, sys_us, maxrss_kib, out_bytes, err_bytes;
  enum stage stage;
  int error;
};

extern struct link prepared_jobs, live_jobs, done_jobs, unsent_jobs, closing_jobs, sweep_jobs, capped_jobs;
extern struct table jobs_by_key;
extern size_t live_count;

void jobs_init(void);
/* A new job in the prepared list, with an empty token. */
struct job *job_create(const char *key, const char *out, const char *err);
void job_set_token(struct job *j, const char *token);
void job_set_live(struct job *j, pid_t pid);
/* Ended or refused: found by its key alone, and to be told to the worker. */
void job_set_done(struct job *j, enum job_state state);
void job_free(struct job *j);

struct job *job_by_key(const char *key);
/* Of live jobs. */
struct job *job_by_pid(pid_t pid);
struct job *job_by_token(const char *token);
static inline bool job_done(const struct job *j) { return j->state >= JOB_ENDED; }

#define for_each_job(item, list, member)                                                                       \
  for (struct link *at_ = (list)->next, *next_ = at_->next;                                                   \
       at_ != (list) && ((item) = owner_of(at_, struct job, member), 1); at_ = next_, next_ = at_->next)
#endif
