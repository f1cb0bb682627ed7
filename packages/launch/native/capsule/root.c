/*
 * The job root, ns pid 2, the first process of an image; and its parent after a move.
 * Everything of the job is below it: it is subreaper. Whatever it holds open or maps has to be on the next node too, so it
 * holds nothing but the three standard descriptors.
 */
#define _GNU_SOURCE
#include "capsule.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The command's pid; `*error` is the errno of its exec, 0 where that worked. */
static pid_t start_command(char **command, int *error) {
  int told[2];
  *error = 0;
  if (pipe2(told, O_CLOEXEC) < 0) return -1;
  pid_t pid = fork();
  if (pid == 0) {
    setsid();
    reset_signals();
    int reason = execute(command);
    fprintf(stderr, "omx: cannot start %s: %s\n", command[0], strerror(reason));
    if (write(told[1], &reason, sizeof reason) < 0) _exit(FAILED);
    _exit(reason == ENOENT ? 127 : 126);
  }
  close(told[1]);
  if (pid > 0) {
    while (read(told[0], error, sizeof *error) < 0 && errno == EINTR) continue;
  }
  close(told[0]);
  return pid;
}

static long long microseconds(struct timeval t) { return (long long)t.tv_sec * 1000000 + t.tv_usec; }

/* Once, whole or not at all, and on the disk before anybody hears of the end. */
void write_status(const char *path, int status, int error, const struct rusage *r) {
  char temporary[PATH_MAX], text[512];
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  int length = snprintf(text, sizeof text,
                        "{\"exit\":%d,\"signal\":%d,\"errno\":%d,\"userUs\":%lld,\"sysUs\":%lld,\"maxRssKib\":%ld,"
                        "\"endedAt\":%lld}\n",
                        WIFEXITED(status) ? WEXITSTATUS(status) : -1, WIFSIGNALED(status) ? WTERMSIG(status) : 0, error,
                        microseconds(r->ru_utime), microseconds(r->ru_stime), r->ru_maxrss,
                        (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000);
  snprintf(temporary, sizeof temporary, "%s.new", path);
  int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return;
  bool written = write(fd, text, (size_t)length) == length && fsync(fd) == 0;
  close(fd);
  if (written) rename(temporary, path);
}

/* One round; what a killed one leaves becomes our child and is met in the next. */
static void kill_children(void) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
  FILE *list = fopen(path, "re");
  if (list == NULL) return;
  for (int pid; fscanf(list, "%d", &pid) == 1;) kill(pid, SIGKILL);
  fclose(list);
}

int job_root(const char *status_file, char **command) {
  sigset_t all;
  int status = 0, error;
  bool ended = false, spare = false, killing = false;
  setsid();
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  block_all_signals();
  sigfillset(&all);
  pid_t main = start_command(command, &error);
  if (main < 0) return failure("cannot start the command");

  for (;;) {
    int other;
    pid_t pid;
    while ((pid = waitpid(-1, &other, WNOHANG)) > 0) {
      if (pid != main) continue;
      ended = true;
      status = other;
    }
    if (pid < 0 && errno == ECHILD) break;
    if (killing || (ended && !spare)) {
      kill_children();
      /* What is killed is reaped here; what is stuck in the kernel is waited for. */
      if (waitpid(-1, &other, 0) == main) {
        ended = true;
        status = other;
      }
      continue;
    }
    siginfo_t info;
    int number = sigwaitinfo(&all, &info);
    /* The shepherd ends the job gently: what the command leaves has its grace too. */
    if (number == SIGTERM && info.si_pid == 0) spare = true;
    if (number == ORDER_SIGNAL && info.si_pid == 1) killing = true;
  }
  struct rusage usage;
  getrusage(RUSAGE_CHILDREN, &usage);
  write_status(status_file, status, error, &usage);
  end_as(status);
}

int wait_for_root(void) {
  int status;
  block_all_signals();
  for (;;) {
    pid_t pid = waitpid(-1, &status, 0);
    if (pid == ROOT_PID) end_as(status);
    if (pid < 0 && errno != EINTR) return failure("the job root is gone");
  }
}
