/* A program in the namespaces of a capsule: criu must see the job as the job sees itself. */
#define _GNU_SOURCE
#include "capsule.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* The user namespace first: it gives the right to enter the others. */
static const char *const kinds[] = {"user", "ipc", "time", "pid", "mnt"};
enum { KINDS = sizeof kinds / sizeof *kinds };

int enter(pid_t pid, char **command) {
  int fds[KINDS];
  /* All are opened before the first is entered: /proc is another one afterwards. */
  for (int i = 0; i < KINDS; i++) {
    char path[64];
    struct stat there, here;
    snprintf(path, sizeof path, "/proc/%d/ns/%s", (int)pid, kinds[i]);
    fds[i] = open(path, O_RDONLY | O_CLOEXEC);
    if (fds[i] < 0 || fstat(fds[i], &there) < 0) return failure(path);
    snprintf(path, sizeof path, "/proc/self/ns/%s", kinds[i]);
    if (stat(path, &here) < 0) return failure(path);
    /* The kernel refuses to enter a user namespace where one is already. */
    if (there.st_ino != here.st_ino) continue;
    close(fds[i]);
    fds[i] = -1;
  }
  for (int i = 0; i < KINDS; i++) {
    if (fds[i] >= 0 && setns(fds[i], 0) < 0) return failure(kinds[i]);
  }
  /* Only a child is in the pid namespace. */
  pid_t child = fork();
  if (child < 0) return failure("cannot fork");
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    reset_signals();
    errno = execute(command);
    _exit(failure(command[0]));
  }
  int status;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return failure("wait");
  }
  end_as(status);
}
