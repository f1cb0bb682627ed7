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
#include <unistd.h>

#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"

int failure(const char *what) {
  fprintf(stderr, "omx-capsule: %s: %s\n", what, strerror(errno));
  return FAILED;
}

bool write_proc(const char *path, const char *text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  bool written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
  int error = errno;
  close(fd);
  errno = error;
  return written;
}

void block_all_signals(void) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, NULL);
}

void reset_signals(void) {
  sigset_t none;
  for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

int execute(char **command) {
  const char *name = command[0], *path = getenv("PATH");
  if (*name == 0) return ENOENT;
  if (strchr(name, '/') != NULL) {
    execv(name, command);
    return errno;
  }
  if (path == NULL) path = DEFAULT_PATH;
  int error = ENOENT;
  for (const char *end;; path = end + 1) {
    char candidate[PATH_MAX];
    end = strchrnul(path, ':');
    /* An empty element is the working directory. */
    int length = snprintf(candidate, sizeof candidate, "%.*s%s%s", (int)(end - path), path, end == path ? "" : "/", name);
    if (length < (int)sizeof candidate) {
      execv(candidate, command);
      if (errno == EACCES) error = EACCES;
      else if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP && errno != ENAMETOOLONG) return errno;
    }
    if (*end == 0) return error;
  }
}

void end_as(int status) {
  if (WIFSIGNALED(status)) {
    /* The job may have left a core; ours would be a second one. */
    prctl(PR_SET_DUMPABLE, 0);
    reset_signals();
    kill(getpid(), WTERMSIG(status));
  }
  _exit(WIFEXITED(status) ? WEXITSTATUS(status) : FAILED);
}
