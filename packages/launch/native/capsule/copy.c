/*
 * What surrounds the copy of a single child process on the node where it runs.
 *
 *   keep -- PROGRAM...        runs it, and kills it when its time is over: on our input come lines, each with an instant of
 *                             CLOCK_MONOTONIC in nanoseconds until which it may run (none yet: no limit); the end of the input
 *                             ends it at once. So it does not outlive whoever asks for its time, nor that one's sleep.
 *   lead -- CRIU restore ...  in a session of its own, which the copy joins
 *   wait-child PID STATUS     for `criu restore --exec-cmd`: the parent of the copy; writes STATUS at its end, as the job root does
 */
#define _GNU_SOURCE
#include "capsule.h"
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t now_of(clockid_t id) {
  struct timespec t;
  clock_gettime(id, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The other clock goes on while the machine sleeps. */
static void set_end(int timer, int64_t monotonic) {
  int64_t at = monotonic - now_of(CLOCK_MONOTONIC) + now_of(CLOCK_BOOTTIME);
  if (at < 1) at = 1;
  struct itimerspec when = {.it_value = {.tv_sec = at / 1000000000, .tv_nsec = at % 1000000000}};
  timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void note(int number) { (void)number; }

static _Noreturn void kill_and_end(pid_t child) {
  int status;
  kill(child, SIGKILL);
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  _exit(FAILED);
}

int keep(char **program) {
  sigset_t chld, none;
  sigaction(SIGCHLD, &(struct sigaction){.sa_handler = note}, NULL);
  sigemptyset(&none);
  sigemptyset(&chld);
  sigaddset(&chld, SIGCHLD);
  sigprocmask(SIG_BLOCK, &chld, NULL);
  int timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC);
  if (timer < 0) return failure("cannot make a timer");
  pid_t parent = getpid(), child = fork();
  if (child < 0) return failure("cannot fork");
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(FAILED);
    reset_signals();
    errno = execute(program);
    _exit(failure(program[0]));
  }
  char line[32];
  size_t length = 0;
  for (;;) {
    int status;
    if (waitpid(child, &status, WNOHANG) == child) end_as(status);
    struct pollfd in[] = {{.fd = 0, .events = POLLIN}, {.fd = timer, .events = POLLIN}};
    if (ppoll(in, 2, NULL, &none) < 0) continue;
    if (in[1].revents != 0) kill_and_end(child);
    if (in[0].revents == 0) continue;
    ssize_t got = read(0, line + length, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) kill_and_end(child);
    if (line[length] != '\n') {
      if (length < sizeof line - 1) length++;
      continue;
    }
    line[length] = 0;
    length = 0;
    set_end(timer, strtoll(line, NULL, 10));
  }
}

int lead(char **program) {
  setsid();
  errno = execute(program);
  return failure(program[0]);
}

int wait_for_copy(pid_t copy, const char *status_file) {
  int status;
  struct rusage usage;
  block_all_signals();
  for (;;) {
    pid_t pid = wait4(-1, &status, 0, &usage);
    if (pid < 0 && errno != EINTR) return failure("the copy is gone");
    if (pid != copy) continue;
    write_status(status_file, status, 0, &usage);
    end_as(status);
  }
}
