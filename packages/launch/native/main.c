/*
 * omx-shepherd STATE_DIR [SOCKET]
 *
 * Owns the processes of a node's jobs, so that they outlive the worker that asked for them. One thread, one loop:
 * each turn takes what has come (ended children, the end of the lease, requests, timers), then sends the signals that this
 * calls for, then writes the journal, and only then tells the worker.
 *
 * STATE_DIR holds shepherd.lock (there is one shepherd a folder), shepherd.sock (unless SOCKET names another path) and
 * journal. Exit codes: 0 quit or idle, 1 cannot work, 2 usage, 75 another shepherd holds the lock.
 * SIGTERM kills every job and ends the shepherd; the next one reports those jobs as lost.
 */
#define _GNU_SOURCE
#include "clock.h"
#include "job.h"
#include "journal.h"
#include "lease.h"
#include "lifecycle.h"
#include "members.h"
#include "processes.h"
#include "protocol.h"
#include "spare.h"
#include "spawn.h"
#include "timers.h"
#include "worker.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define IDLE_MS 10000.0
#define CAP_MS 100.0
#define RETRY_MS 1000.0
/* Files for the output of jobs to come are kept for so long when none runs. */
#define SPARE_MS 1000.0
/* How long a worker that does not read can hold up our end. */
#define DRAIN_MS 2000.0
#define LOCKED 75
/* Suspended jobs whose worker does not come back belong to others by now, and only hold memory. */
#ifndef ABANDONED_MS
#define ABANDONED_MS 300000.0
#endif

static double idle_at, cap_at, retry_at, leave_at, abandoned_at, spare_at;

static void take_lock(const char *state_dir) {
  char path[PATH_MAX + 16], text[32];
  snprintf(path, sizeof path, "%s/shepherd.lock", state_dir);
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) {
    fprintf(stderr, "omx-shepherd: %s: %s\n", path, strerror(errno));
    exit(1);
  }
  if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
    fprintf(stderr, "omx-shepherd: another shepherd holds %s\n", path);
    exit(LOCKED);
  }
  /* For people; nobody decides by it. */
  int length = snprintf(text, sizeof text, "%d\n", (int)getpid());
  if (ftruncate(fd, 0) < 0 || write(fd, text, (size_t)length) < 0) return;
}

static int take_signals(void) {
  /* Stopped children are no news. */
  struct sigaction quiet = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDSTOP};
  sigset_t set;
  sigaction(SIGCHLD, &quiet, NULL);
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  sigaddset(&set, SIGTERM);
  sigprocmask(SIG_BLOCK, &set, NULL);
  return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Leaves the journal as it is: what we kill now the next shepherd reports as lost. */
static void terminate(void) {
  struct job *j;
  for_each_job(j, &live_jobs, in_state) members_request(j, SIGKILL);
  members_sweep();
  members_find_orphans();
  members_kill_strays();
}

static bool read_signals(int fd) {
  struct signalfd_siginfo info;
  bool terminated = false;
  while (read(fd, &info, sizeof info) == (ssize_t)sizeof info) {
    if (info.ssi_signo == SIGTERM) terminated = true;
  }
  return terminated;
}

/* The earliest of the deadlines that hold now; 0 means that a deadline is not set. */
static int poll_timeout(double now) {
  double until = now + 3600e3;
  const double deadlines[] = {idle_at, cap_at, retry_at, leave_at, abandoned_at, spare_at, worker_deadline(),
                              timer_next() == NULL ? 0 : timer_next()->deadline};
  for (size_t i = 0; i < sizeof deadlines / sizeof *deadlines; i++) {
    if (deadlines[i] > 0 && deadlines[i] < until) until = deadlines[i];
  }
  /* Rounded up: waking a moment too early would only spin. */
  return until <= now ? 0 : (int)(until - now) + 1;
}

/* Sets `*deadline` while `wanted` holds; true when it has passed. */
static bool passed(double *deadline, bool wanted, double now, double wait) {
  if (!wanted) *deadline = 0;
  else if (*deadline == 0) *deadline = now + wait;
  if (*deadline == 0 || now < *deadline) return false;
  *deadline = 0;
  return true;
}

static void loop(int signals) {
  for (;;) {
    struct pollfd fds[4] = {{.fd = signals, .events = POLLIN}, {.fd = lease_fd(), .events = POLLIN}};
    worker_poll(fds + 2);
    if (poll(fds, 4, poll_timeout(mono_ms())) < 0) continue;

    if (fds[0].revents != 0) {
      if (read_signals(signals)) {
        terminate();
        return;
      }
      lifecycle_reap();
    }
    /* Before any request: we may have stood still, and what waits in the socket may be younger than the end of the lease. */
    if (lease_check()) members_sweep();
    worker_handle(fds + 2);
    lifecycle_timers();
    double now = mono_ms();
    if (passed(&cap_at, !list_empty(&capped_jobs), now, CAP_MS)) lifecycle_cap_outputs();
    if (passed(&abandoned_at, lease_suspended() && live_count > 0 && !worker_connected(), now, ABANDONED_MS))
      lifecycle_abandon();
    members_sweep();
    if (retry_at == 0 || passed(&retry_at, true, now, RETRY_MS)) journal_flush();
    worker_write(now);

    passed(&retry_at, journal_waiting(), now, RETRY_MS);
    if (passed(&spare_at, live_count == 0 && spare_count() > 0, now, SPARE_MS)) spare_drop();
    if (quit_requested && live_count == 0 && worker_drained()) return;
    if (passed(&leave_at, quit_requested && live_count == 0, now, DRAIN_MS)) return;
    if (passed(&idle_at, live_count == 0 && !worker_connected(), now, IDLE_MS)) return;
  }
}

int main(int argc, char **argv) {
  char state_dir[PATH_MAX], socket_path[PATH_MAX + 16];
  if (argc < 2 || argc > 3) {
    fputs("usage: omx-shepherd STATE_DIR [SOCKET]\n", stderr);
    return 2;
  }
  umask(077);
  if ((mkdir(argv[1], 0700) < 0 && errno != EEXIST) || realpath(argv[1], state_dir) == NULL) {
    fprintf(stderr, "omx-shepherd: %s: %s\n", argv[1], strerror(errno));
    return 1;
  }
  snprintf(socket_path, sizeof socket_path, "%s/shepherd.sock", state_dir);
  if (argc == 3) snprintf(socket_path, sizeof socket_path, "%s", argv[2]);

  spawn_init();
  processes_init();
  jobs_init();
  lease_init();
  take_lock(state_dir);
  int signals = take_signals();
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  spare_init(state_dir);
  journal_open(state_dir);
  worker_listen(socket_path);
  loop(signals);
  spare_close();
  unlink(socket_path);
  return 0;
}
