/*
 * family KIND WORK...: forks a child for each WORK, which computes that many million steps, and tells how each of them ended.
 * KIND: plain; threads: each child has four more; handler: it counts SIGUSR1 and says so; pipe, shared: with their parent.
 * A child of work N says so at the beginning and at the end; it exits with N % 256, or, where WORK is N:S, by signal S.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t heard;
static void hear(int number) { heard += number == SIGUSR1; }

static void *rest(void *unused) {
  for (;;) pause();
  return unused;
}

static unsigned compute(long millions) {
  unsigned value = 1;
  for (long i = 0; i < millions * 1000000; i++) value = value * 1664525u + 1013904223u;
  return value;
}

static void child(const char *kind, const char *work) {
  char line[128];
  long millions = atol(work);
  const char *number = strchr(work, ':');
  if (strcmp(kind, "threads") == 0) {
    for (int i = 0; i < 4; i++) pthread_create(&(pthread_t){0}, NULL, rest, NULL);
  }
  if (strcmp(kind, "handler") == 0) signal(SIGUSR1, hear);
  if (write(1, line, (size_t)sprintf(line, "%s begins\n", work)) < 0) _exit(99);
  unsigned value = compute(millions);
  if (write(1, line, (size_t)sprintf(line, "%s has %u, heard %d\n", work, value, (int)heard)) < 0) _exit(99);
  if (write(2, line, (size_t)sprintf(line, "%s ends\n", work)) < 0) _exit(99);
  if (number != NULL) raise(atoi(number + 1));
  _exit((int)(millions % 256));
}

int main(int argc, char **argv) {
  int ends[2];
  pid_t pids[64];
  const char *kind = argv[1];
  if (strcmp(kind, "pipe") == 0 && pipe(ends) < 0) return 1;
  if (strcmp(kind, "shared") == 0) mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  for (int i = 2; i < argc; i++) {
    pids[i] = fork();
    if (pids[i] == 0) child(kind, argv[i]);
  }
  for (int left = argc - 2; left > 0; left--) {
    int status;
    pid_t pid = wait(&status);
    for (int i = 2; i < argc; i++) {
      if (pids[i] != pid) continue;
      printf("%s -> exit %d signal %d\n", argv[i], WIFEXITED(status) ? WEXITSTATUS(status) : -1, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
      fflush(stdout);
    }
  }
  puts("done");
  return 0;
}
