/* What the modes of omx-capsule share. The picture is at the head of main.c. */
#ifndef OMX_CAPSULE_H
#define OMX_CAPSULE_H
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/types.h>

/* The capsule itself failed: no status file was written. */
#define FAILED 125

/* Places inside the namespaces; the first program is always started in this order. */
enum { ROOT_PID = 2, COMMAND_PID = 3 };

/*
 * "Kill the job and tell its usage." To `run` from anybody, from there to pid 1 with the number of a signal as its value,
 * from there to the job root. A plain number, since C libraries disagree about SIGRTMIN.
 */
#define ORDER_SIGNAL 40

/* Of `system_v_objects`. */
enum { SYSTEM_V_MEMORY = 1, SYSTEM_V_OTHERS = 2 };
/* In the environment of criu: it is in the job's ipc namespace, and would leave System V objects behind. */
#define NO_SYSTEM_V "OMX_NO_SYSTEM_V"

/* Of the job's folder; made by `run`. */
#define OWN_FOLDER ".capsule"
#define ROOT_PROGRAM OWN_FOLDER "/init"
#define STATUS_FILE OWN_FOLDER "/status"

struct capsule_options {
  const char *folder, *mount, *cwd, *in, *out, *err, *log, *notes;
  const char *own[8];
  size_t own_count;
  mode_t mask; /* the job's */
  bool user_namespace;
  bool thaw;
  char **command;
};

/* What is known of a copy only when its image is there: its clocks, in nanoseconds, and where criu's pids begin. */
struct order {
  long long monotonic, boot;
  int last_pid;
};

int run(struct capsule_options *options);
int job_root(const char *status_file, char **command);
int wait_for_root(void);
int enter(pid_t pid, bool for_dump, char **command);
int gate(const char *action);
/* To the socket OMX_GATE; -1 where nobody is there. */
int connect_gate(void);
/* False where none will come. */
bool await_order(struct order *order);
void show_notes(const char *file);
int noting(const char *folder, char **program);
/* What there is in the ipc namespace that we are in; 0: nothing. FAILED where it cannot be told. */
int system_v_objects(void);
int listen_for(char **words);
int connect_to(char **words);
int as_root(char **program);
int deputy(char **words);
int keep(char **program);
int lead(char **program);
int wait_for_copy(pid_t copy, const char *status_file);

/* STATUS_FILE, or another of its form. Nothing is written where it cannot be. */
void write_status(const char *path, int status, int error, const struct rusage *usage);

int usage(void);

/* Prints `omx-capsule: WHAT: errno` and returns FAILED. */
int failure(const char *what);
/* Writes without creating: for files of /proc. */
bool write_proc(const char *path, const char *text);
void block_all_signals(void);
/* Before the exec of somebody else's program. */
void reset_signals(void);
/* As execvp(3), without handing a file of unknown format to a shell. Returns the errno. */
int execute(char **command);
/* Ends this process as the one did whose wait(2) status this is. */
_Noreturn void end_as(int status);
#endif
