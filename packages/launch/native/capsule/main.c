/*
 * omx-capsule: the namespaces that a movable job lives in, and every program of ours that runs there.
 *
 *   host                     inside: user*, pid, mount, ipc and time namespaces        (* where the worker is not root)
 *   run ── fork ──► 1 pid 1 ── fork, exec ──► 2 job root ── fork, exec ──► 3 COMMAND      a job's first node
 *   run ── fork ──► 1 pid 1 ── fork, exec ──► N criu restore, exec'd: wait ──► 2 ──► 3    every later node
 *
 *   run [--user] --folder DIR --mount PATH [--own PATH]... [--cwd PATH] [--in FILE] [--out FILE] [--err FILE] -- COMMAND...
 *       Starts a job. DIR is bound on PATH, which is the same on all nodes; cwd (default PATH) and the files are those inside,
 *       opened there, the outputs to append. What the shepherd gave as 2 takes our own messages. --own: this folder, made
 *       where it is missing, is another for each job, a part of DIR: for files named by a pid, which many jobs share.
 *   thaw [--user] --folder DIR --mount PATH [--own PATH]... [--log FILE] [--notes FILE] -- CRIU restore ...
 *       The same namespaces, with criu in place of the job root. Made beforehand: it waits for its order (order.c), before
 *       which the folder may be another one. The order says from where the clocks go on, and after which pid criu and what it
 *       starts get theirs, so that no process of the image has one of them. The first FILE takes our messages and criu's, the
 *       second is for criu (notes.c).
 *   enter PID [--dump] -- PROGRAM...
 *       Runs it in the namespaces of process PID; it dies with us. With --dump not in its ipc namespace, if that has System V
 *       objects: what criu does not share with the job is in the image.
 *   listen ADDRESS [--expect FILE] [--fd N] -- PROGRAM...
 *       Tells a free port of ADDRESS on its output, and gives PROGRAM the one connection that proves the token as its input
 *       (stream.h). The other side hears whether PROGRAM ended with 0 and FILE is there. With --fd PROGRAM has it at N instead
 *       and takes our place.
 *   connect PORT ADDRESS... [--fd N] [--good CODE] -- PROGRAM...
 *       The other side: connects to the first address that answers; PROGRAM's output goes there. Tells the bytes it took,
 *       once PROGRAM has ended with 0 or CODE and the other side has said that it has all.
 *   noting FOLDER -- PROGRAM...   for criu outside of any capsule: it may keep its notes in FOLDER, a tmpfs (notes.c)
 *   as-root -- PROGRAM...     it is root in a user namespace of its own: for what criu does outside of any capsule
 *   deputy ...                holds the original of a child whose copy runs elsewhere (deputy.c)
 *   keep, lead, wait-child    around the copy of such a child; internal (copy.c)
 *   init STATUS -- COMMAND... the job root; internal
 *   wait                      parent of a restored job root; internal, for `criu restore --exec-cmd`
 *   (nothing, with CRTOOLS_SCRIPT_ACTION set)   the gate: criu's action script (gate.c)
 *
 * Only the job root and what is below it is in an image. So its program is put into the job's folder (ROOT_PROGRAM) and
 * travels with it: a node with another omx can go on with it. The job root is session leader and subreaper; when COMMAND
 * ends it kills and reaps what that left, writes STATUS_FILE once, and ends as COMMAND did; so do all above it.
 *
 * Usage. Everybody above waits for everybody below, so wait4(2) of `run` gives the usage of the whole tree as long as it was
 * never moved and not killed from outside. criu starts the counters anew, so the usage of a moved job is what was counted
 * at each freeze plus STATUS_FILE. The kernel reaps what it kills with a namespace without counting: ORDER_SIGNAL to
 * `run`, not SIGKILL, ends a job and keeps the count. Where the whole capsule is stopped, SIGCONT to `run` must follow: it
 * continues the others that have to obey, not the job.
 *
 * Signals. SIGKILL to `run` ends everything at once (PR_SET_PDEATHSIG of pid 1, and pid 1 takes the namespace with it), and
 * so does the end of its parent.
 * Other signals to `run` go to the command's process group, except those of our parent: the shepherd signals every process
 * of a job by itself, and nobody should hear it twice.
 *
 * Exit: as COMMAND (127 and 126: it could not be started; STATUS_FILE has the errno), or FAILED without any status file.
 */
#define _GNU_SOURCE
#include "capsule.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int usage(void) {
  fputs("usage: omx-capsule run|thaw [--user] --folder DIR --mount PATH [...] -- COMMAND...\n"
        "       omx-capsule enter PID [--dump] -- PROGRAM...\n"
        "       omx-capsule listen ADDRESS [--expect FILE] [--fd N] -- PROGRAM...\n"
        "       omx-capsule connect PORT ADDRESS... [--fd N] [--good CODE] -- PROGRAM...\n",
        stderr);
  return FAILED;
}

static bool read_options(char **at, struct capsule_options *o) {
  const struct {
    const char *name;
    const char **value;
  } names[] = {{"--folder", &o->folder}, {"--mount", &o->mount}, {"--cwd", &o->cwd},     {"--in", &o->in},
               {"--out", &o->out},       {"--err", &o->err},     {"--log", &o->log},     {"--notes", &o->notes}};
  for (; *at != NULL && strcmp(*at, "--") != 0; at++) {
    if (strcmp(*at, "--user") == 0) {
      o->user_namespace = true;
      continue;
    }
    if (strcmp(*at, "--own") == 0) {
      if (at[1] == NULL || o->own_count == sizeof o->own / sizeof *o->own) return false;
      o->own[o->own_count++] = *++at;
      continue;
    }
    size_t i = 0;
    while (i < sizeof names / sizeof *names && strcmp(*at, names[i].name) != 0) i++;
    if (i == sizeof names / sizeof *names || at[1] == NULL) return false;
    *names[i].value = *++at;
  }
  if (*at == NULL || at[1] == NULL) return false;
  o->command = at + 1;
  return o->folder != NULL && o->mount != NULL;
}

int main(int argc, char **argv) {
  const char *action = getenv("CRTOOLS_SCRIPT_ACTION");
  if (argc == 1 && action != NULL) return gate(action);
  if (argc < 2) return usage();
  const char *mode = argv[1];
  if (strcmp(mode, "wait") == 0) return wait_for_root();
  if (strcmp(mode, "run") == 0 || strcmp(mode, "thaw") == 0) {
    struct capsule_options options = {.thaw = strcmp(mode, "thaw") == 0};
    return read_options(argv + 2, &options) ? run(&options) : usage();
  }
  if (strcmp(mode, "listen") == 0) return listen_for(argv + 2);
  if (strcmp(mode, "connect") == 0) return connect_to(argv + 2);
  if (strcmp(mode, "as-root") == 0) return argc < 4 ? usage() : as_root(argv + 3);
  if (strcmp(mode, "noting") == 0) return argc < 5 ? usage() : noting(argv[2], argv + 4);
  if (strcmp(mode, "deputy") == 0) return argc == 8 ? deputy(argv + 2) : usage();
  if (strcmp(mode, "wait-child") == 0) return argc == 4 ? wait_for_copy(atoi(argv[2]), argv[3]) : usage();
  if (argc >= 4 && strcmp(argv[2], "--") == 0) {
    if (strcmp(mode, "keep") == 0) return keep(argv + 3);
    if (strcmp(mode, "lead") == 0) return lead(argv + 3);
  }
  bool for_dump = argc >= 4 && strcmp(mode, "enter") == 0 && strcmp(argv[3], "--dump") == 0;
  if (argc < 5 + for_dump || strcmp(argv[3 + for_dump], "--") != 0) return usage();
  if (strcmp(mode, "enter") == 0) return enter(atoi(argv[2]), for_dump, argv + 4 + for_dump);
  if (strcmp(mode, "init") == 0) return job_root(argv[2], argv + 4);
  return usage();
}
