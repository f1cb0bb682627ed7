/*
 * Starts a program at the price of one vfork and one exec.
 *
 * The child shares our memory and we stand still until it has called execve, so it may make plain system calls only, and
 * tells an error by writing it where we find it. Every descriptor of ours is close-on-exec and 0 is /dev/null, so there
 * is nothing to close. `open` must never block here: a job's FIFO would stop every other job.
 */
#define _GNU_SOURCE
#include "spawn.h"
#include "clock.h"
#include "output.h"
#include "spare.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEFAULT_PATH "/usr/local/bin:/usr/bin:/bin"

static const int ignored_signals[] = {SIGHUP, SIGPIPE, SIGINT, SIGIO};
static struct rlimit files_limit;
static pid_t self;
static char child_stack[64 * 1024] __attribute__((aligned(16)));

struct attempt {
  const struct program *program;
  int out, err;
  enum stage stage;
  int error;
};

static void close_inherited(void) {
#ifdef SYS_close_range
  if (syscall(SYS_close_range, 3U, ~0U, 0U) == 0) return;
#endif
  for (int fd = 3; fd < 4096; fd++) close(fd);
}

void spawn_init(void) {
  self = getpid();
  close_inherited();
  int null = open("/dev/null", O_RDWR | O_CLOEXEC);
  /* Children inherit 0 as it is. 1 and 2 are the log. */
  dup2(null, 0);
  if (fcntl(1, F_GETFD) < 0) dup2(null, 1);
  if (fcntl(2, F_GETFD) < 0) dup2(null, 2);
  if (null > 2) close(null);

  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
  for (size_t i = 0; i < sizeof ignored_signals / sizeof *ignored_signals; i++) signal(ignored_signals[i], SIG_IGN);

  getrlimit(RLIMIT_NOFILE, &files_limit);
  struct rlimit raised = {files_limit.rlim_max, files_limit.rlim_max};
  setrlimit(RLIMIT_NOFILE, &raised);
}

static const char *variable(char *const *envp, const char *name) {
  size_t length = strlen(name);
  for (; *envp != NULL; envp++) {
    if (strncmp(*envp, name, length) == 0 && (*envp)[length] == '=') return *envp + length + 1;
  }
  return NULL;
}

/* As execvp(3), with the job's PATH, and without handing a file of unknown format to a shell. */
static int execute(const struct program *p) {
  const char *name = p->argv[0];
  if (name == NULL || *name == 0) return ENOENT;
  if (strchr(name, '/') != NULL) {
    execve(name, p->argv, p->envp);
    return errno;
  }
  const char *path = variable(p->envp, "PATH");
  if (path == NULL) path = DEFAULT_PATH;
  static char candidate[PATH_MAX];
  size_t name_size = strlen(name) + 1;
  int error = ENOENT;
  for (const char *end;; path = end + 1) {
    end = strchrnul(path, ':');
    size_t length = (size_t)(end - path);
    if (length + 1 + name_size <= sizeof candidate) {
      memcpy(candidate, path, length);
      /* An empty element is the working directory. */
      if (length > 0) candidate[length++] = '/';
      memcpy(candidate + length, name, name_size);
      execve(candidate, p->argv, p->envp);
      if (errno == EACCES) error = EACCES;
      else if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP && errno != ENAMETOOLONG) return errno;
    }
    if (*end == 0) return error;
  }
}

static int open_stdin(const char *path) {
  if (strcmp(path, "/dev/null") == 0) return 0;
  int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (fd < 0) return -1;
  if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) < 0) return -1;
  return dup2(fd, 0);
}

static int child(void *argument) {
  struct attempt *a = argument;
  const struct program *p = a->program;
  setsid();
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  /* We may have died before the line above; then nobody would ever end this child. */
  if (getppid() != self) _exit(127);

  a->stage = STAGE_CWD;
  if (chdir(p->cwd) < 0) goto failed;
  a->stage = STAGE_STDIN;
  if (open_stdin(p->stdin_path) < 0) goto failed;
  a->stage = STAGE_OUTPUT;
  if (dup2(a->out, 1) < 0 || dup2(a->err, 2) < 0) goto failed;
  a->stage = STAGE_EXEC;
  umask(p->mask);
  setrlimit(RLIMIT_NOFILE, &files_limit);
  for (size_t i = 0; i < sizeof ignored_signals / sizeof *ignored_signals; i++) signal(ignored_signals[i], SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  errno = execute(p);
failed:
  a->error = errno;
  _exit(127);
}

static int open_output(const char *path) {
  spare_place(path);
  int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
  if (fd < 0) return -1;
  struct stat s;
  /* Only a FIFO or a device needs the flag to open at once; files are the case that must be cheap. */
  if (fstat(fd, &s) == 0 && S_ISREG(s.st_mode)) return fd;
  fcntl(fd, F_SETFL, O_APPEND);
  return fd;
}

/*
 * Where the disk is full before the job has begun, of outputs that nobody has fetched yet perhaps, it would fail for no
 * fault of its own. There must be room for what may travel in an end event, of this job and of all that run.
 */
static bool has_room(int fd) {
  struct statvfs s;
  if (fstatvfs(fd, &s) < 0 || s.f_blocks == 0) return true;
  double left = (double)(geteuid() == 0 ? s.f_bfree : s.f_bavail) * (double)s.f_frsize;
  return left >= (double)(live_count + 1) * INLINE_OUTPUT;
}

static void remove_empty(const char *path) {
  struct stat s;
  if (lstat(path, &s) == 0 && S_ISREG(s.st_mode) && s.st_size == 0) unlink(path);
}

pid_t spawn(struct job *j, const struct program *program) {
  struct attempt a = {.program = program, .stage = STAGE_OUTPUT};
  pid_t pid = -1;
  a.out = open_output(j->out);
  a.err = a.out < 0 ? -1 : open_output(j->err);
  if (a.err < 0) {
    a.error = errno;
  } else if (!has_room(a.out)) {
    a.error = ENOSPC;
  } else {
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    j->first_tick = boot_tick();
    j->started_mono = mono_ms();
    j->started_at = wall_ms();
    a.stage = STAGE_FORK;
    pid = clone(child, child_stack + sizeof child_stack, CLONE_VM | CLONE_VFORK | SIGCHLD, &a);
    if (pid < 0) a.error = errno;
    j->last_tick = boot_tick();
    sigprocmask(SIG_SETMASK, &before, NULL);
  }
  if (a.out >= 0) close(a.out);
  if (a.err >= 0) close(a.err);
  if (a.error == 0) return pid;

  if (pid > 0) waitpid(pid, NULL, 0);
  remove_empty(j->out);
  remove_empty(j->err);
  j->stage = a.stage;
  j->error = a.error;
  return -1;
}
