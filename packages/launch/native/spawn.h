#ifndef OMX_SPAWN_H
#define OMX_SPAWN_H
#include "job.h"

/* What to start; the texts stay the caller's. */
struct program {
  char *const *argv; /* ends with NULL */
  char *const *envp; /* ends with NULL */
  const char *cwd, *stdin_path;
  mode_t mask;
};

/* Once, at the start: signals, descriptors and limits of this program, so that its children start clean. */
void spawn_init(void);
/* The pid, or -1 with j->stage and j->error set. Fills in the job's start times. */
pid_t spawn(struct job *j, const struct program *program);
#endif
