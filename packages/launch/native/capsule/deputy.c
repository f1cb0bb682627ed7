/*
 * `deputy`: holds the stopped original of a child process whose copy runs on another node, and ends it as its copy ended.
 *
 *   deputy PID START OUT OUT_TO ERR ERR_TO       START: field 22 of /proc/PID/stat, so that it is that process
 *
 * It traces every thread, so that no SIGCONT lets the original go on. On our output: `held`; `pending MASK` (hexadecimal, bit
 * 0 is signal 1) whenever processes have sent it other signals than before, which stay pending; `gone` when it has been
 * killed; `slipped` where it was not stopped in the first place; `ended` after the first two of these orders, `going` after the
 * third.
 *
 *   exit N      OUT and ERR, files the copy has written, are appended to OUT_TO and ERR_TO, each in one write; then it exits
 *               with N. Once read, an order is carried out, even if whoever gave it dies.
 *   signal N    the same with the death by signal N, without a core
 *   go          it goes on as if nothing had happened
 *   (end of input)   it stays stopped, for the next one who holds it
 */
#define _GNU_SOURCE
#include "capsule.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

/* As the kernel's include/uapi/linux/ptrace.h has them; some C libraries do not. */
#define SET_SIGNAL_MASK 0x420b
#define PEEK_SIGNALS 0x4209
#define PEEK_SHARED 1
#define MASK_BYTES 8

enum { LOOK_MS = 100, MOST_THREADS = 4096 };

static pid_t original;
static pid_t threads[MOST_THREADS];
static size_t thread_count;

static bool is_known(pid_t thread) {
  for (size_t i = 0; i < thread_count; i++) {
    if (threads[i] == thread) return true;
  }
  return false;
}

/* Until it stands still for us. False where it has ended, or, with ECANCELED, where it was not stopped. */
static bool seize(pid_t thread) {
  int status;
  if (ptrace(PTRACE_SEIZE, thread, NULL, NULL) < 0) return false;
  if (ptrace(PTRACE_INTERRUPT, thread, NULL, NULL) < 0) return false;
  while (waitpid(thread, &status, __WALL) < 0) {
    if (errno != EINTR) return false;
  }
  errno = ESRCH;
  if (!WIFSTOPPED(status)) return false;
  /* What was stopped reports the signal that did so. */
  if (WSTOPSIG(status) != SIGTRAP) return true;
  ptrace(PTRACE_DETACH, thread, NULL, NULL);
  errno = ECANCELED;
  return false;
}

/* It is stopped, so no thread makes another; those that end are left out. */
static bool seize_all(void) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/task", (int)original);
  DIR *tasks = opendir(path);
  if (tasks == NULL) return false;
  for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
    pid_t thread = atoi(entry->d_name);
    if (thread <= 0 || is_known(thread)) continue;
    if (seize(thread) && thread_count < MOST_THREADS) threads[thread_count++] = thread;
    else if (errno == EPERM || errno == ECANCELED || thread_count == MOST_THREADS) {
      int error = errno;
      closedir(tasks);
      errno = error;
      return false;
    }
  }
  closedir(tasks);
  return thread_count > 0;
}

static unsigned long long start_of(pid_t pid) {
  char path[64], text[4096];
  unsigned long long start = 0;
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t length = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
  if (fd >= 0) close(fd);
  if (length <= 0) return 0;
  text[length] = 0;
  /* The name in parentheses may hold anything; after it comes field 3. */
  char *at = strrchr(text, ')');
  for (int field = 2; at != NULL && field < 22; field++) at = strchr(at + 1, ' ');
  if (at != NULL) start = strtoull(at, NULL, 10);
  return start;
}

/* What processes have sent: its own timers run on here as well as with the copy, and are not for both. */
static uint64_t sent_to(bool shared) {
  struct {
    uint64_t at;
    uint32_t flags;
    int32_t count;
  } wanted = {.flags = shared ? PEEK_SHARED : 0, .count = 1};
  siginfo_t info;
  uint64_t mask = 0;
  for (; ptrace(PEEK_SIGNALS, threads[0], &wanted, &info) == 1; wanted.at++) {
    bool is_sent = info.si_code == SI_USER || info.si_code == SI_QUEUE || info.si_code == SI_TKILL;
    if (is_sent && info.si_signo > 0 && info.si_signo <= 64) mask |= 1ULL << (info.si_signo - 1);
  }
  return mask;
}

/* True when the original is dead. */
static bool reap(void) {
  int status;
  for (pid_t pid; (pid = waitpid(-1, &status, __WALL | WNOHANG)) > 0;) {
    if (pid == original && !WIFSTOPPED(status)) return true;
  }
  return errno == ECHILD;
}

static void append(const char *from, const char *to) {
  struct stat s;
  int in = open(from, O_RDONLY | O_CLOEXEC);
  if (in < 0) return;
  int out = open(to, O_WRONLY | O_APPEND | O_CLOEXEC);
  if (out >= 0 && fstat(in, &s) == 0 && s.st_size > 0) {
    char *bytes = mmap(NULL, (size_t)s.st_size, PROT_READ, MAP_PRIVATE, in, 0);
    /* More than one where the kernel takes no more at once, or the disk is full, as for any program. */
    for (off_t at = 0; bytes != MAP_FAILED && at < s.st_size;) {
      ssize_t written = write(out, bytes + at, (size_t)(s.st_size - at));
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) break;
      at += written;
    }
  }
  if (out >= 0) close(out);
  close(in);
}

#ifdef __x86_64__
enum { RED_ZONE = 1024, CODE_64 = 0x33 };

static bool can_end(void) {
  struct user_regs_struct r;
  return ptrace(PTRACE_GETREGS, threads[0], NULL, &r) == 0 && r.cs == CODE_64;
}

/* Sets it up to make a system call next, in its first thread, where its own code would have gone on. */
static bool prepare_call(long number, long a, long b, long c, long d) {
  struct user_regs_struct r;
  const uint16_t instruction = 0x050f; /* syscall */
  if (ptrace(PTRACE_GETREGS, threads[0], NULL, &r) < 0) return false;
  errno = 0;
  long word = ptrace(PTRACE_PEEKTEXT, threads[0], r.rip, NULL);
  if (errno != 0) return false;
  memcpy(&word, &instruction, sizeof instruction);
  if (ptrace(PTRACE_POKETEXT, threads[0], r.rip, word) < 0) return false;
  /* It may be in the middle of one, which must not be begun again. */
  r.orig_rax = (unsigned long long)-1;
  r.rax = (unsigned long long)number;
  r.rdi = (unsigned long long)a;
  r.rsi = (unsigned long long)b;
  r.rdx = (unsigned long long)c;
  r.r10 = (unsigned long long)d;
  return ptrace(PTRACE_SETREGS, threads[0], NULL, &r) == 0;
}

/* Lets it go on until it has made the call. False where it is dead. */
static bool call(long number, long a, long b, long c, long d) {
  int status;
  struct user_regs_struct before, r;
  if (ptrace(PTRACE_GETREGS, threads[0], NULL, &before) < 0 || !prepare_call(number, a, b, c, d)) return false;
  do {
    if (ptrace(PTRACE_SINGLESTEP, threads[0], NULL, NULL) < 0) return false;
    if (waitpid(threads[0], &status, __WALL) < 0 || !WIFSTOPPED(status)) return false;
    if (ptrace(PTRACE_GETREGS, threads[0], NULL, &r) < 0) return false;
    /* It may have stopped for another reason. */
  } while (r.rip == before.rip);
  before.orig_rax = (unsigned long long)-1;
  return ptrace(PTRACE_SETREGS, threads[0], NULL, &before) == 0;
}

static void set_mask(uint64_t mask) { ptrace((enum __ptrace_request)SET_SIGNAL_MASK, threads[0], (void *)MASK_BYTES, &mask); }

/* Lets its first thread run until the original is dead; of the signals on its way it hears only the one. */
static bool run_to_death(int number) {
  int status, give = 0;
  for (;;) {
    if (ptrace(PTRACE_CONT, threads[0], NULL, give) < 0 && errno != ESRCH) return false;
    for (;;) {
      pid_t pid = waitpid(-1, &status, __WALL);
      if (pid < 0 && errno == EINTR) continue;
      if (pid < 0) return errno == ECHILD;
      if (pid == original && !WIFSTOPPED(status)) return true;
      if (pid == threads[0] && WIFSTOPPED(status)) break;
    }
    give = status >> 16 == 0 && WSTOPSIG(status) == number ? number : 0;
  }
}

static bool end_with_code(int code) {
  set_mask(~0ULL);
  return prepare_call(SYS_exit_group, code, 0, 0, 0) && run_to_death(0);
}

static bool end_by_signal(int number) {
  struct user_regs_struct r;
  if (number == SIGKILL) return kill(original, SIGKILL) == 0 && run_to_death(0);
  set_mask(~0ULL);
  if (ptrace(PTRACE_GETREGS, threads[0], NULL, &r) < 0) return false;
  /* Nothing but zeros: the default action for the signal, and no core. */
  unsigned long zeros = (r.rsp - RED_ZONE) & ~15UL;
  for (int i = 0; i < 4; i++) {
    if (ptrace(PTRACE_POKEDATA, threads[0], zeros + 8 * (unsigned long)i, 0) < 0) return false;
  }
  if (!call(SYS_rt_sigaction, number, (long)zeros, 0, MASK_BYTES)) return false;
  if (!call(SYS_prlimit64, 0, RLIMIT_CORE, (long)zeros, 0)) return false;
  if (syscall(SYS_tgkill, original, threads[0], number) < 0) return false;
  set_mask(0);
  return run_to_death(number);
}
#else
static bool can_end(void) { return false; }
static bool end_with_code(int code) { return (void)code, false; }
static bool end_by_signal(int number) { return (void)number, false; }
#endif

static void let_go(void) {
  for (size_t i = 0; i < thread_count; i++) ptrace(PTRACE_DETACH, threads[i], NULL, NULL);
}

static int say(const char *word) {
  printf("%s\n", word);
  fflush(stdout);
  return 0;
}

static int obey(const char *order, char **files) {
  int number;
  bool by_signal = sscanf(order, "signal %d", &number) == 1;
  if (by_signal || sscanf(order, "exit %d", &number) == 1) {
    append(files[0], files[1]);
    append(files[2], files[3]);
    if (by_signal ? end_by_signal(number) : end_with_code(number)) return say("ended");
    return failure("cannot end the process");
  }
  if (strcmp(order, "go") != 0) {
    errno = EINVAL;
    return failure(order);
  }
  let_go();
  kill(original, SIGCONT);
  return say("going");
}

static void note(int number) { (void)number; }

/* words: PID START OUT OUT_TO ERR ERR_TO */
int deputy(char **words) {
  sigset_t child, none;
  char order[64];
  size_t length = 0;
  uint64_t told = 0;
  original = atoi(words[0]);
  signal(SIGPIPE, SIG_IGN);
  /* It interrupts the waiting below, and nothing else. */
  sigaction(SIGCHLD, &(struct sigaction){.sa_handler = note}, NULL);
  sigemptyset(&none);
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child, NULL);
  if (start_of(original) != strtoull(words[1], NULL, 10)) return say("gone");
  if (!seize_all()) {
    int error = errno;
    let_go();
    if (start_of(original) != strtoull(words[1], NULL, 10)) return say("gone");
    errno = error;
    if (errno == ECANCELED) return say("slipped");
    return failure("cannot hold the process");
  }
  if (!can_end()) {
    let_go();
    errno = ENOTSUP;
    return failure("cannot end such a process");
  }
  say("held");
  for (;;) {
    if (reap()) return say("gone");
    uint64_t sent = sent_to(true) | sent_to(false);
    if (sent != told) {
      printf("pending %llx\n", (unsigned long long)sent);
      fflush(stdout);
      told = sent;
    }
    struct pollfd input = {.fd = 0, .events = POLLIN};
    if (ppoll(&input, 1, &(struct timespec){.tv_nsec = LOOK_MS * 1000000L}, &none) <= 0) continue;
    ssize_t got = read(0, order + length, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      /* Somebody may have sent it a SIGCONT meanwhile. */
      kill(original, SIGSTOP);
      let_go();
      return 0;
    }
    if (order[length] != '\n') {
      if (length < sizeof order - 1) length++;
      continue;
    }
    order[length] = 0;
    return obey(order, words + 2);
  }
}
