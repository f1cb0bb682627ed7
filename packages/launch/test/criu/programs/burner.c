/*
 * burner MODE SECONDS: uses that much processor time, whatever the machine's speed and load, and prints the same lines each
 * time (burn.h).
 *
 * It ends when there is a file "finish".
 *
 *   loop     one process
 *   fork     four children, each a quarter
 *   deaf     ignores the signals that a program can ignore
 *   timers   an interval timer's signals, and a sleep between the pieces
 *   file     writes, seeks and rewrites in a file beside its output
 *   memory   touches 64 MiB, checks them at the end
 */
#define _GNU_SOURCE
#include "../../../../../test/fixtures/migration/burn.h"
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t ticks;
static void tick(int number) {
  (void)number;
  ticks++;
}

static void pieces(const char *name, double seconds, void (*between)(int)) {
  const int count = 100;
  uint64_t value = 1;
  for (int i = 0; i < count; i++) {
    if (i == 95) wait_for_test();
    burn(seconds / count);
    value = value * 6364136223846793005u + 1442695040888963407u;
    dprintf(1, "%s %d %016llx\n", name, i, (unsigned long long)value);
    if (between != NULL) between(i);
  }
}

static void nap(int i) {
  struct timespec before, after, left = {0, 2000000};
  clock_gettime(CLOCK_MONOTONIC, &before);
  while (nanosleep(&left, &left) < 0) continue;
  clock_gettime(CLOCK_MONOTONIC, &after);
  int64_t ns = (after.tv_sec - before.tv_sec) * 1000000000ll + after.tv_nsec - before.tv_nsec;
  if (ns < 1900000) dprintf(1, "piece %d: the clock went %lld ns in a sleep of 2 ms\n", i, (long long)ns);
}

static int data;
static void note(int i) {
  char text[32];
  int length = snprintf(text, sizeof text, "%08d\n", i);
  lseek(data, (i % 10) * 9, SEEK_SET);
  if (write(data, text, (size_t)length) != length) _exit(3);
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  const char *mode = argv[1];
  double seconds = atof(argv[2]);
  if (strcmp(mode, "fork") == 0) {
    for (int i = 0; i < 4; i++) {
      if (fork() != 0) continue;
      char name[16];
      snprintf(name, sizeof name, "child %d", i);
      pieces(name, seconds / 4, NULL);
      _exit(i);
    }
    int sum = 0, status;
    while (wait(&status) > 0) sum += WEXITSTATUS(status);
    dprintf(1, "sum %d\n", sum);
    return sum;
  }
  if (strcmp(mode, "deaf") == 0) {
    for (int number = 1; number < 32; number++) signal(number, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    pieces("deaf", seconds, NULL);
    return 4;
  }
  if (strcmp(mode, "timers") == 0) {
    struct itimerval every = {{0, 50000}, {0, 50000}};
    signal(SIGALRM, tick);
    setitimer(ITIMER_REAL, &every, NULL);
    pieces("timer", seconds, nap);
    int before = ticks;
    while (ticks < before + 3) pause();
    dprintf(1, "ticking\n");
    return 5;
  }
  if (strcmp(mode, "file") == 0) {
    data = open("data", O_RDWR | O_CREAT, 0600);
    pieces("file", seconds, note);
    char text[91] = {0};
    if (pread(data, text, 90, 0) != 90) return 3;
    dprintf(1, "%s", text);
    return 6;
  }
  if (strcmp(mode, "memory") == 0) {
    size_t size = 8 << 20;
    uint64_t *memory = malloc(size * sizeof *memory), sum = 0;
    for (size_t i = 0; i < size; i++) memory[i] = i * 2654435761u;
    pieces("memory", seconds, NULL);
    for (size_t i = 0; i < size; i++) sum += memory[i];
    dprintf(1, "sum %llx\n", (unsigned long long)sum);
    return 0;
  }
  pieces("loop", seconds, NULL);
  return 7;
}
