#define _GNU_SOURCE
#include "lifecycle.h"
#include "clock.h"
#include "journal.h"
#include "members.h"
#include "output.h"
#include "start.h"
#include "timers.h"
#include "worker.h"
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

/* Between rounds of a signal: soon at first, then seldom, for what hangs in the kernel. */
#define FIRST_ROUND_MS 5.0
#define LAST_ROUND_MS 500.0

/* Of SIGSTOP after the first: a process in the middle of execve has no environment for a moment, and what forks may be
   faster than a look at /proc. There are more as long as one still finds something that runs. */
#define STOP_ROUNDS 7

static double round_wait(const struct job *j) {
  double wait = FIRST_ROUND_MS * (double)(1u << (j->rounds < 10 ? j->rounds : 10));
  return wait < LAST_ROUND_MS ? wait : LAST_ROUND_MS;
}

static bool stopped(const struct job *j) { return j->paused || j->suspended; }

static void stop_round(struct job *j) {
  j->restless = false;
  members_request(j, SIGSTOP);
  timer_set(j, mono_ms() + round_wait(j));
  j->rounds++;
}

/* Time for a main process that has a `kill_signal`. To give back a large memory takes long. */
#define ORDER_MS 3000.0

static void kill_round(struct job *j) {
  j->state = JOB_KILLING;
  if (!j->main_done) j->killed_by_us = true;
  members_request(j, SIGKILL);
  timer_set(j, mono_ms() + round_wait(j));
  j->rounds++;
}

/* Where the right to run is over time counts, and the usage does not: it is another's job by now. */
static bool urgent(enum end_reason reason) { return reason == REASON_LEASE || reason == REASON_FENCED; }

/* Its main process was asked to kill it, and nothing more was done yet. */
static bool ordered(const struct job *j) { return j->state == JOB_KILLING && j->rounds == 0; }

static void kill_job(struct job *j, enum end_reason reason) {
  if (j->kill_signal == 0 || j->main_done || urgent(reason)) {
    kill_round(j);
    return;
  }
  j->state = JOB_KILLING;
  j->killed_by_us = true;
  members_withdraw(j);
  kill(j->pid, j->kill_signal);
  /* It may be stopped like the rest, which stays so. */
  kill(j->pid, SIGCONT);
  timer_set(j, mono_ms() + ORDER_MS);
}

void lifecycle_end(struct job *j, enum end_reason reason, double grace) {
  if (ordered(j) && urgent(reason)) kill_round(j);
  if (j->state != JOB_RUNNING && j->state != JOB_TERMINATING) return;
  double deadline = mono_ms() + grace;
  if (j->state == JOB_RUNNING) {
    j->reason = reason;
    j->paused = j->suspended = false;
    j->rounds = 0;
    if (grace > 0) {
      j->state = JOB_TERMINATING;
      members_request(j, SIGTERM);
      timer_set(j, deadline);
      return;
    }
  } else if (grace > 0) {
    /* A second request may shorten the grace, never lengthen it. */
    if (deadline < j->deadline) timer_set(j, deadline);
    return;
  }
  kill_job(j, reason);
}

static void stop(struct job *j) {
  if (!stopped(j) && j->time_left > 0) {
    double left = j->deadline - mono_ms();
    /* 0 would mean "no limit". */
    j->time_left = left > 0.001 ? left : 0.001;
  }
  j->rounds = 0;
  stop_round(j);
}

static void go_on(struct job *j) {
  timer_clear(j);
  j->rounds = 0;
  if (j->time_left > 0) timer_set(j, mono_ms() + j->time_left);
  members_request(j, SIGCONT);
}

void lifecycle_pause(struct job *j) {
  if (j->state != JOB_RUNNING || j->paused) return;
  if (!stopped(j)) stop(j);
  j->paused = true;
}

void lifecycle_resume(struct job *j) {
  if (j->state != JOB_RUNNING || !j->paused) return;
  j->paused = false;
  if (!stopped(j)) go_on(j);
}

void lifecycle_suspend(struct job *j) {
  if (j->state == JOB_TERMINATING || ordered(j)) kill_round(j);
  if (j->state != JOB_RUNNING || j->suspended) return;
  /* Also what is paused: somebody may have sent it a SIGCONT. */
  stop(j);
  j->suspended = true;
}

void lifecycle_unsuspend(struct job *j) {
  if (j->state != JOB_RUNNING || !j->suspended) return;
  j->suspended = false;
  if (!stopped(j)) go_on(j);
}

static void finish(struct job *j) {
  output_measure(j);
  if (WIFSIGNALED(j->status) && WTERMSIG(j->status) == SIGKILL && !j->killed_by_us)
    j->oom_killed = oom_kills() > j->oom_count;
  if (j->next == NULL) worker_hurry();
  job_set_done(j, JOB_ENDED);
  journal_done(j);
  start_next(j);
}

/* Jobs whose main process is gone: over, unless they left processes behind. */
static void close_jobs(void) {
  struct job *j;
  if (list_empty(&closing_jobs) && live_count > 0) return;
  members_find_orphans();
  for_each_job(j, &closing_jobs, in_closing) {
    if (j->orphans == 0) finish(j);
    else if (j->state == JOB_RUNNING) kill_round(j);
  }
  if (live_count == 0) members_kill_strays();
}

static void add_usage(struct job *j, const struct rusage *r) {
  j->user_us += (double)r->ru_utime.tv_sec * 1e6 + (double)r->ru_utime.tv_usec;
  j->sys_us += (double)r->ru_stime.tv_sec * 1e6 + (double)r->ru_stime.tv_usec;
  if ((double)r->ru_maxrss > j->maxrss_kib) j->maxrss_kib = (double)r->ru_maxrss;
}

void lifecycle_reap(void) {
  for (;;) {
    siginfo_t info;
    struct rusage usage;
    int status;
    memset(&info, 0, sizeof info);
    /* A look first: while the zombie is there its pid, and the session's, belong to nobody else. */
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0) break;
    pid_t pid = info.si_pid;
    struct job *j = job_by_pid(pid);
    bool main = j != NULL && !j->main_done;
    if (!main) j = members_reap_orphan(pid);
    else if (j->state != JOB_TERMINATING) kill(-pid, SIGKILL);
    if (wait4(pid, &status, 0, &usage) != pid) continue;
    if (j != NULL) add_usage(j, &usage);
    if (!main) continue;
    j->main_done = true;
    j->status = status;
    j->ended_at = j->started_at + (mono_ms() - j->started_mono);
    list_append(&closing_jobs, &j->in_closing);
  }
  close_jobs();
  start_all();
}

void lifecycle_timers(void) {
  double now = mono_ms();
  for (struct job *j; (j = timer_next()) != NULL && j->deadline <= now;) {
    timer_clear(j);
    if (j->state == JOB_RUNNING && stopped(j)) {
      if (j->rounds <= STOP_ROUNDS || j->restless) stop_round(j);
    } else if (j->state == JOB_RUNNING) lifecycle_end(j, REASON_TIMEOUT, j->grace);
    else if (j->state == JOB_TERMINATING) kill_job(j, j->reason);
    else kill_round(j);
  }
}

void lifecycle_cap_outputs(void) {
  struct job *j;
  for_each_job(j, &capped_jobs, in_capped) output_cap(j);
}

void lifecycle_abandon(void) {
  struct job *j;
  for_each_job(j, &live_jobs, in_state) lifecycle_end(j, REASON_LEASE, 0);
}
