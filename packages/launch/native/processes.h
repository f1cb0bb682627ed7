/* What /proc says. Nothing here knows of jobs. */
#ifndef OMX_PROCESSES_H
#define OMX_PROCESSES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct process {
  pid_t pid, parent, session;
  char state;
  uint64_t start_tick;
  void *owner; /* for the caller */
  bool known, signalled;
  bool foreign; /* for the caller */
};

struct process_list {
  struct process *items;
  size_t count, capacity;
};

void processes_init(void);
bool process_read(pid_t pid, struct process *p);
/* Every process of the machine, by ascending pid. */
void processes_scan(struct process_list *list);
struct process *processes_find(const struct process_list *list, pid_t pid);
/* The value of OMX_TOKEN in the environment the process was started with. */
bool process_token(pid_t pid, char *token);
/* The pids of our own children, zombies too, in a buffer that the next call reuses. */
size_t own_children(const pid_t **pids);
/* Sends the signal to that very process, never to one that took over its pid. */
bool process_signal(const struct process *p, int number);
/* The machine's count of processes killed for lack of memory. */
uint64_t oom_kills(void);
#endif
