#ifndef OMX_CLOCK_H
#define OMX_CLOCK_H
#include <stdint.h>
#include <time.h>
#include <unistd.h>

static inline double clock_ms(clockid_t id) {
  struct timespec t;
  clock_gettime(id, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Milliseconds since the epoch, for people. */
static inline double wall_ms(void) { return clock_ms(CLOCK_REALTIME); }

/* Milliseconds that no one can set back, for durations and limits. */
static inline double mono_ms(void) { return clock_ms(CLOCK_MONOTONIC); }

/* Milliseconds since boot, those the machine was suspended included. */
static inline double boot_ms(void) { return clock_ms(CLOCK_BOOTTIME); }

/* Clock ticks since boot, the unit of a process's start time in /proc/<pid>/stat. */
static inline uint64_t boot_tick(void) {
  struct timespec t;
  clock_gettime(CLOCK_BOOTTIME, &t);
  uint64_t per_second = (uint64_t)sysconf(_SC_CLK_TCK);
  return (uint64_t)t.tv_sec * per_second + (uint64_t)t.tv_nsec / (1000000000ULL / per_second);
}
#endif
