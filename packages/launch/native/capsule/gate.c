/*
 * The gate: criu's action script, which holds a hand-over until it is decided.
 *
 *   post-dump     the image is written, the job stands still.  pass: criu kills it.      else: it goes on here
 *   post-restore  the copy is made and stands still.           pass: criu lets it run.   else: criu kills the copy
 *
 * We connect to the unix socket OMX_GATE, say `ACTION MONO BOOT\n` (the job's clocks, in nanoseconds: we live in its time
 * namespace), and wait for one byte. `p` is answered by `p` and passes: the answer means that it is decided and can no longer fail for want of time.
 * Anything else, the end of the connection, and OMX_GATE_SECONDS without a word do not pass; so the death of whoever
 * holds the other end leaves the job running where it was, and no copy anywhere.
 */
#define _GNU_SOURCE
#include "capsule.h"
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static long long nanoseconds(clockid_t id) {
  struct timespec t;
  clock_gettime(id, &t);
  return (long long)t.tv_sec * 1000000000 + t.tv_nsec;
}

int gate(const char *action) {
  const char *seconds = getenv("OMX_GATE_SECONDS");
  if (strcmp(action, "post-dump") != 0 && strcmp(action, "post-restore") != 0) return 0;
  /* Without criu nothing is held any more, so there is nothing to decide. If it is dead already, pid 1 is our parent. */
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() == 1) return 1;
  /* There were none when `enter` looked, and from here on there will be none. */
  if (strcmp(action, "post-dump") == 0 && getenv(NO_SYSTEM_V) != NULL && system_v_objects() != 0) {
    fputs("omx-capsule: it has just begun to use System V semaphores, messages or memory; try again\n", stderr);
    return 1;
  }
  int fd = connect_gate();
  if (fd < 0) return 1;
  if (dprintf(fd, "%s %lld %lld\n", action, nanoseconds(CLOCK_MONOTONIC), nanoseconds(CLOCK_BOOTTIME)) < 0) return 1;

  struct pollfd wanted = {.fd = fd, .events = POLLIN};
  char verdict;
  if (poll(&wanted, 1, seconds == NULL ? -1 : atoi(seconds) * 1000) <= 0) return 1;
  if (read(fd, &verdict, 1) != 1 || verdict != 'p') return 1;
  /* Nobody there to hear it: nobody acts on it. */
  return send(fd, "p", 1, MSG_NOSIGNAL) == 1 ? 0 : 1;
}
