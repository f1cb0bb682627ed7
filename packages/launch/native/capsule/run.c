/* `run` and `thaw`: the namespaces, and their pid 1. */
#define _GNU_SOURCE
#include "capsule.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

static int failed_at(const char *what, const char *path) {
  char text[PATH_MAX + 64];
  snprintf(text, sizeof text, "%s %s", what, path);
  return failure(text);
}

static int copy_program(const char *path) {
  int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
  struct stat s;
  bool copied = from >= 0 && to >= 0 && fstat(from, &s) == 0;
  for (off_t at = 0; copied && at < s.st_size;) copied = sendfile(to, from, &at, (size_t)(s.st_size - at)) > 0;
  int error = errno;
  close(from);
  if (close(to) < 0) copied = false;
  errno = error;
  return copied ? 0 : failed_at("cannot write", path);
}

/* The job root's program, which must have the same path and bytes wherever the job goes on. */
static int put_program(const char *folder) {
  char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/" OWN_FOLDER, folder);
  if (mkdir(path, 0700) < 0 && errno != EEXIST) return failed_at("cannot make", path);
  snprintf(path, sizeof path, "%s/" STATUS_FILE, folder);
  /* From an earlier attempt of the same folder it would be believed. */
  unlink(path);
  snprintf(path, sizeof path, "%s/" ROOT_PROGRAM, folder);
  unlink(path);
  /* Another file system, or another owner's file (fs.protected_hardlinks). */
  if (linkat(AT_FDCWD, "/proc/self/exe", AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0) return 0;
  return copy_program(path);
}

/* The mount point lies where everybody may write, so it has to be ours. */
static int take_mount_point(const char *path) {
  struct stat s;
  if (mkdir(path, 0700) < 0 && errno != EEXIST) return failed_at("cannot make", path);
  if (lstat(path, &s) < 0) return failed_at("cannot use", path);
  if (!S_ISDIR(s.st_mode) || s.st_uid != geteuid()) {
    fprintf(stderr, "omx-capsule: cannot use %s: it is no folder of uid %d\n", path, (int)geteuid());
    return FAILED;
  }
  /* Held until we end: systemd-tmpfiles leaves locked folders alone, and removing it would unmount the job's. */
  int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) < 0) return failed_at("cannot lock", path);
  return 0;
}

static int map_self(uid_t uid, gid_t gid) {
  char map[64];
  if (!write_proc("/proc/self/setgroups", "deny")) return failure("setgroups");
  snprintf(map, sizeof map, "0 %u 1", (unsigned)uid);
  if (!write_proc("/proc/self/uid_map", map)) return failure("uid_map");
  snprintf(map, sizeof map, "0 %u 1", (unsigned)gid);
  return write_proc("/proc/self/gid_map", map) ? 0 : failure("gid_map");
}

/* The kernel wants the fraction positive. */
static void split(int64_t ns, long long *seconds, long long *rest) {
  *seconds = ns / 1000000000;
  *rest = ns % 1000000000;
  if (*rest < 0) {
    *rest += 1000000000;
    --*seconds;
  }
}

static int64_t nanoseconds(clockid_t id) {
  struct timespec t;
  clock_gettime(id, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Of whoever is forked from now on. */
static int set_clocks(const struct order *order) {
  long long s[2], ns[2];
  char text[128];
  if (unshare(CLONE_NEWTIME) < 0) return failure("cannot make a time namespace");
  split(order->monotonic - nanoseconds(CLOCK_MONOTONIC), &s[0], &ns[0]);
  split(order->boot - nanoseconds(CLOCK_BOOTTIME), &s[1], &ns[1]);
  snprintf(text, sizeof text, "monotonic %lld %lld\nboottime %lld %lld\n", s[0], ns[0], s[1], ns[1]);
  return write_proc("/proc/self/timens_offsets", text) ? 0 : failure("timens_offsets");
}

static int bind_folder(const char *from, const char *on) {
  return mount(from, on, NULL, MS_BIND, NULL) == 0 ? 0 : failed_at("cannot bind the job's folder on", on);
}

/* Numbered by their place among the options, which is the same on every node. */
static int bind_own(const struct capsule_options *o) {
  for (size_t i = 0; i < o->own_count; i++) {
    char part[PATH_MAX];
    snprintf(part, sizeof part, "%s/" OWN_FOLDER "/own-%zu", o->mount, i);
    if (mkdir(part, 0700) < 0 && errno != EEXIST) return failed_at("cannot make", part);
    if (mkdir(o->own[i], 0755) < 0 && errno != EEXIST) return failed_at("cannot make", o->own[i]);
    if (bind_folder(part, o->own[i]) != 0) return FAILED;
  }
  return 0;
}

static int bind_folders(const struct capsule_options *o) {
  return bind_folder(o->folder, o->mount) == 0 ? bind_own(o) : FAILED;
}

int as_root(char **program) {
  uid_t uid = geteuid();
  gid_t gid = getegid();
  if (unshare(CLONE_NEWUSER) < 0) return failure("cannot make a user namespace");
  if (map_self(uid, gid) != 0) return FAILED;
  errno = execute(program);
  return failure(program[0]);
}

static int make_namespaces(const struct capsule_options *o) {
  uid_t uid = geteuid();
  gid_t gid = getegid();
  int kinds = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | (o->thaw ? 0 : CLONE_NEWTIME);
  if (unshare(kinds | (o->user_namespace ? CLONE_NEWUSER : 0)) < 0) return failure("cannot make namespaces");
  if (o->user_namespace && map_self(uid, gid) != 0) return FAILED;
  /* What is mounted later on the host is seen inside, not the other way round. */
  if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0) return failure("cannot separate the mounts");
  return o->thaw ? 0 : bind_folders(o);
}

static int reopen(const char *path, int flags, int as) {
  /* Without waiting for the other end of a FIFO that is read from. */
  int fd = open(path, flags | O_NOCTTY | (flags == O_RDONLY ? O_NONBLOCK : 0), 0600);
  if (fd < 0 || fcntl(fd, F_SETFL, flags & O_APPEND) < 0) return failed_at("cannot open", path);
  if (fd == as) return 0;
  dup2(fd, as);
  close(fd);
  return 0;
}

/* Everything the job root holds must have been opened in here: criu finds no other mount. */
static int start_root(const struct capsule_options *o) {
  char program[PATH_MAX], status[PATH_MAX];
  snprintf(program, sizeof program, "%s/" ROOT_PROGRAM, o->mount);
  snprintf(status, sizeof status, "%s/" STATUS_FILE, o->mount);
  size_t words = 0;
  while (o->command[words] != NULL) words++;
  char **argv = calloc(words + 5, sizeof *argv);
  if (argv == NULL) return failure("no memory");
  argv[0] = program;
  argv[1] = "init";
  argv[2] = status;
  argv[3] = "--";
  memcpy(argv + 4, o->command, words * sizeof *argv);

  const char *cwd = o->cwd == NULL ? o->mount : o->cwd;
  if (chdir(cwd) < 0) return failed_at("cannot enter", cwd);
  /* Where it is set to another place programs believe that. */
  if (o->cwd == NULL) setenv("PWD", cwd, 1);
  if (reopen(o->in == NULL ? "/dev/null" : o->in, O_RDONLY, 0) != 0) return FAILED;
  const int append = O_WRONLY | O_APPEND | O_CREAT;
  int words_of_ours = fcntl(2, F_DUPFD_CLOEXEC, 3);
  if (reopen(o->out == NULL ? "/dev/null" : o->out, append, 1) != 0) return FAILED;
  if (reopen(o->err == NULL ? "/dev/null" : o->err, append, 2) != 0) return FAILED;
  umask(o->mask);
  execv(program, argv);
  if (words_of_ours >= 0) dup2(words_of_ours, 2);
  return failed_at("cannot execute", program);
}

static int obey_order(const struct capsule_options *o) {
  struct order order;
  char last_pid[16];
  if (!await_order(&order)) return FAILED;
  if (bind_folders(o) != 0 || set_clocks(&order) != 0) return FAILED;
  snprintf(last_pid, sizeof last_pid, "%d", order.last_pid);
  return write_proc("/proc/sys/kernel/ns_last_pid", last_pid) ? 0 : failure("ns_last_pid");
}

static int start_criu(const struct capsule_options *o) {
  if (o->notes != NULL) show_notes(o->notes);
  reset_signals();
  errno = execute(o->command);
  return failed_at("cannot execute", o->command[0]);
}

/* What `run` asks for; it is outside, so its pid reads 0 here. A process of the job cannot order anything. */
static void obey(const siginfo_t *info) {
  if (info->si_code != SI_QUEUE || info->si_pid != 0) return;
  int number = info->si_value.sival_int;
  if (number != SIGKILL) {
    kill(-COMMAND_PID, number);
    return;
  }
  kill(ROOT_PID, ORDER_SIGNAL);
  /* It may be paused with the rest. Nothing of the job runs again by this. */
  kill(ROOT_PID, SIGCONT);
}

/* The end of pid 1 is the end of everything in the namespace. */
static _Noreturn void pid_1(const struct capsule_options *o, int report) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  /* `run` may have died before the line above; then nobody would ever end this namespace, and nobody reads our pipe. */
  struct pollfd reader = {.fd = report};
  if (poll(&reader, 1, 0) != 0) _exit(FAILED);
  if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
    _exit(failure("cannot mount a /proc of its own"));
  if (o->thaw && obey_order(o) != 0) _exit(FAILED);
  pid_t main = fork();
  if (main < 0) _exit(failure("cannot fork"));
  if (main == 0) {
    close(report);
    _exit(o->thaw ? start_criu(o) : start_root(o));
  }
  sigset_t all;
  sigfillset(&all);
  for (;;) {
    siginfo_t info;
    int number = sigwaitinfo(&all, &info), status;
    if (number == ORDER_SIGNAL) obey(&info);
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
      if (pid != main) continue;
      if (write(report, &status, sizeof status) < 0) _exit(FAILED);
      _exit(0);
    }
  }
}

/* Waits outside for the end of pid 1, and passes signals on. */
static int attend(pid_t first, int report) {
  sigset_t all;
  sigfillset(&all);
  for (;;) {
    siginfo_t info;
    int number = sigwaitinfo(&all, &info), status;
    if (number == ORDER_SIGNAL || (number > 0 && number != SIGCHLD && info.si_pid != getppid()))
      sigqueue(first, ORDER_SIGNAL, (union sigval){.sival_int = number == ORDER_SIGNAL ? SIGKILL : number});
    if (number == ORDER_SIGNAL) kill(first, SIGCONT);
    if (waitpid(first, &status, WNOHANG) != first) continue;
    int told;
    if (read(report, &told, sizeof told) == sizeof told) status = told;
    end_as(status);
  }
}

int run(struct capsule_options *o) {
  int report[2];
  syscall(SYS_close_range, 3U, ~0U, 0U);
  /* The job's is not for what we make. */
  o->mask = umask(077);
  if (o->log != NULL && (reopen(o->log, O_WRONLY | O_APPEND | O_CREAT, 1) != 0 || dup2(1, 2) < 0)) return FAILED;
  if (!o->thaw && put_program(o->folder) != 0) return FAILED;
  if (take_mount_point(o->mount) != 0) return FAILED;
  pid_t parent = getppid();
  if (make_namespaces(o) != 0) return FAILED;
  /* Whoever started us may have asked for this: the kernel forgets it with a new user namespace. */
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) return FAILED;
  if (pipe2(report, O_CLOEXEC) < 0) return failure("cannot make a pipe");
  block_all_signals();
  pid_t first = fork();
  if (first < 0) return failure("cannot fork");
  if (first == 0) {
    close(report[0]);
    pid_1(o, report[1]);
  }
  close(report[1]);
  return attend(first, report[0]);
}
