#define _GNU_SOURCE
#include "lease.h"
#include "clock.h"
#include "job.h"
#include "lifecycle.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>

static int timer;
static bool given, armed;
static double deadline;
static enum lease_policy chosen;
/* What has been done to the jobs. LEASE_FINISH leaves them alone, as a lease that holds does. */
static enum lease_policy in_force;

/* 0 disarms, and makes the descriptor unreadable. */
static void arm(double at) {
  struct itimerspec when = {.it_value = {.tv_sec = (time_t)(at / 1e3)}};
  when.it_value.tv_nsec = (long)((at - (double)when.it_value.tv_sec * 1e3) * 1e6);
  timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
  armed = at > 0;
}

void lease_init(void) {
  timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
  if (timer >= 0) return;
  fprintf(stderr, "omx-shepherd: no timer for the lease: %s\n", strerror(errno));
  exit(1);
}

int lease_fd(void) { return timer; }

void lease_set(double until, enum lease_policy policy) {
  given = true;
  deadline = until;
  chosen = policy;
  arm(until > 0 ? until : 0);
  lease_check();
}

bool lease_check(void) {
  bool out = given && boot_ms() >= deadline;
  if (out && armed) arm(0);
  enum lease_policy now = out ? chosen : LEASE_FINISH;
  if (now == in_force) return false;
  in_force = now;
  struct job *j;
  for_each_job(j, &live_jobs, in_state) {
    if (now == LEASE_STOP) lifecycle_end(j, REASON_LEASE, 0);
    else if (now == LEASE_PAUSE) lifecycle_suspend(j);
    else lifecycle_unsuspend(j);
  }
  return true;
}

bool lease_suspended(void) { return in_force != LEASE_FINISH; }
