#define _GNU_SOURCE
#include "processes.h"
#include "buffer.h"
#include "job.h"
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A process may have an environment of megabytes; beyond this we do not look for the token. */
#define ENVIRONMENT_MAX (4 * 1024 * 1024)

static int children_file = -1;
static struct buffer scratch;

void processes_init(void) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
  children_file = open(path, O_RDONLY | O_CLOEXEC);
}

/* The whole file into `scratch`, with a NUL after it. */
static bool read_file(const char *path, size_t limit) {
  buffer_clear(&scratch);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return false;
  ssize_t got = 0;
  do {
    buffer_reserve(&scratch, 4096);
    got = read(fd, scratch.data + scratch.end, scratch.capacity - scratch.end - 1);
    if (got > 0) scratch.end += (size_t)got;
  } while ((got > 0 && scratch.end < limit) || (got < 0 && errno == EINTR));
  close(fd);
  scratch.data[scratch.end] = 0;
  return got >= 0;
}

bool process_read(pid_t pid, struct process *p) {
  char path[32];
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  if (!read_file(path, 4096)) return false;
  /* The name may hold spaces and parentheses; the fields start after the last one. */
  const char *rest = strrchr((char *)scratch.data, ')');
  int parent, session;
  unsigned long long start;
  memset(p, 0, sizeof *p);
  if (rest == NULL || sscanf(rest, ") %c %d %*d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
                             &p->state, &parent, &session, &start) != 4)
    return false;
  p->pid = pid;
  p->parent = parent;
  p->session = session;
  p->start_tick = start;
  return true;
}

static int by_pid(const void *a, const void *b) {
  pid_t x = ((const struct process *)a)->pid, y = ((const struct process *)b)->pid;
  return (x > y) - (x < y);
}

void processes_scan(struct process_list *list) {
  list->count = 0;
  DIR *directory = opendir("/proc");
  if (directory == NULL) return;
  bool sorted = true;
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    if (!isdigit((unsigned char)entry->d_name[0])) continue;
    if (list->count == list->capacity) {
      list->capacity = list->capacity == 0 ? 256 : list->capacity * 2;
      list->items = need(realloc(list->items, list->capacity * sizeof *list->items));
    }
    struct process *p = &list->items[list->count];
    if (!process_read(atoi(entry->d_name), p)) continue;
    if (list->count > 0 && list->items[list->count - 1].pid >= p->pid) sorted = false;
    list->count++;
  }
  closedir(directory);
  if (!sorted) qsort(list->items, list->count, sizeof *list->items, by_pid);
}

struct process *processes_find(const struct process_list *list, pid_t pid) {
  struct process wanted = {.pid = pid};
  return list->count == 0 ? NULL : bsearch(&wanted, list->items, list->count, sizeof wanted, by_pid);
}

bool process_token(pid_t pid, char *token) {
  static const char name[] = "OMX_TOKEN=";
  char path[32];
  snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
  if (!read_file(path, ENVIRONMENT_MAX)) return false;
  const char *at = (char *)scratch.data, *end = at + scratch.end;
  while (at < end && strncmp(at, name, sizeof name - 1) != 0) at += strlen(at) + 1;
  if (at >= end || strlen(at) != sizeof name - 1 + TOKEN_LENGTH) return false;
  memcpy(token, at + sizeof name - 1, TOKEN_LENGTH + 1);
  return true;
}

size_t own_children(const pid_t **pids) {
  static pid_t *children;
  static size_t capacity;
  static struct buffer text;
  static struct process_list list;
  size_t count = 0;
  buffer_clear(&text);
  if (children_file >= 0) {
    /* One pass, in pieces only where the list is long; none of them is reaped meanwhile, so none is skipped. */
    for (;;) {
      buffer_reserve(&text, 4096);
      ssize_t got = pread(children_file, text.data + text.end, text.capacity - text.end - 1, (off_t)text.end);
      if (got <= 0) break;
      text.end += (size_t)got;
    }
    text.data[text.end] = 0;
  } else {
    processes_scan(&list);
  }
  const char *at = (char *)text.data;
  size_t item = 0;
  for (;;) {
    pid_t pid;
    if (children_file >= 0) {
      char *after;
      pid = (pid_t)strtol(at, &after, 10);
      if (after == at) break;
      at = after;
    } else {
      if (item == list.count) break;
      const struct process *p = &list.items[item++];
      if (p->parent != getpid()) continue;
      pid = p->pid;
    }
    if (count == capacity) {
      capacity = capacity == 0 ? 64 : capacity * 2;
      children = need(realloc(children, capacity * sizeof *children));
    }
    children[count++] = pid;
  }
  *pids = children;
  return count;
}

bool process_signal(const struct process *p, int number) {
#if defined SYS_pidfd_open && defined SYS_pidfd_send_signal
  int fd = (int)syscall(SYS_pidfd_open, p->pid, 0U);
  if (fd < 0 && errno != ENOSYS && errno != EPERM) return false;
#else
  int fd = -1;
#endif
  struct process now;
  bool sent = false;
  if (process_read(p->pid, &now) && now.start_tick == p->start_tick) {
#if defined SYS_pidfd_open && defined SYS_pidfd_send_signal
    if (fd >= 0) sent = syscall(SYS_pidfd_send_signal, fd, number, NULL, 0U) == 0;
    else
#endif
      sent = kill(p->pid, number) == 0;
  }
  if (fd >= 0) close(fd);
  return sent;
}

uint64_t oom_kills(void) {
  if (!read_file("/proc/vmstat", 64 * 1024)) return 0;
  const char *at = strstr((char *)scratch.data, "\noom_kill ");
  return at == NULL ? 0 : strtoull(at + sizeof "\noom_kill " - 1, NULL, 10);
}
