#define _GNU_SOURCE
#include "start.h"
#include "clock.h"
#include "environment.h"
#include "job.h"
#include "journal.h"
#include "lease.h"
#include "processes.h"
#include "spawn.h"
#include "timers.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct request {
  struct job *job;
  struct environment *environment;
  const char *cwd, *stdin_path;
  mode_t mask;
  struct reader rest; /* argv and the extra entries */
};

struct texts {
  char **items;
  size_t capacity;
};

static struct request *requests;
static size_t count, capacity;
static bool closed;

static void make_token(char *token) {
  static unsigned char random[4096];
  static size_t used = sizeof random;
  if (used == sizeof random) {
    /* Only a signal or an early boot makes it short. */
    while (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) continue;
    used = 0;
  }
  for (int i = 0; i < TOKEN_LENGTH; i += 2, used++) {
    token[i] = "0123456789abcdef"[random[used] >> 4];
    token[i + 1] = "0123456789abcdef"[random[used] & 15];
  }
  token[TOKEN_LENGTH] = 0;
}

void start_gather(struct reader *r) {
  uint32_t length;
  struct request q = {0};
  const char *key = get_text(r, &length);
  bool bad_text = strlen(key) != length;
  const char *out = get_text(r, &length);
  bad_text |= strlen(out) != length;
  const char *err = get_text(r, &length);
  bad_text |= strlen(err) != length;
  const char *digest = get_text(r, &length);
  q.cwd = get_text(r, &length);
  bad_text |= strlen(q.cwd) != length;
  q.stdin_path = get_text(r, &length);
  bad_text |= strlen(q.stdin_path) != length;
  q.mask = (mode_t)get_u32(r);
  double limit = get_f64(r), grace = get_f64(r), max_output = get_f64(r);
  uint32_t kill_signal = get_u32(r);
  if (kill_signal >= NSIG) r->bad = true;
  if (r->bad) return;

  struct job *j = job_by_key(key);
  if (j != NULL) {
    /* A worker that does not know whether its request arrived may repeat it: it hears what became of the first. */
    j->tell_started = j->state != JOB_PREPARED && j->state != JOB_REFUSED;
    if (j->state != JOB_PREPARED) list_append(&unsent_jobs, &j->in_unsent);
    return;
  }
  j = job_create(key, out, err);
  char token[TOKEN_LENGTH + 1];
  make_token(token);
  job_set_token(j, token);
  j->started_at = wall_ms();
  j->time_left = limit;
  j->grace = grace;
  j->max_output = max_output;
  j->kill_signal = (int)kill_signal;
  q.job = j;
  q.environment = environment_find(digest);
  q.rest = *r;
  if (bad_text) q.rest.bad = true;
  journal_prepared(j);
  if (count == capacity) {
    capacity = capacity == 0 ? 64 : capacity * 2;
    requests = need(realloc(requests, capacity * sizeof *requests));
  }
  requests[count++] = q;
}

/* A list of pointers into the frame, which nobody changes. */
static char **get_texts(struct reader *r, struct texts *into) {
  uint32_t number = get_u32(r), length;
  if (number > (size_t)(r->end - r->at) / 5) {
    r->bad = true;
    number = 0;
  }
  if (number + 1 > into->capacity) {
    into->capacity = number + 1;
    into->items = need(realloc(into->items, into->capacity * sizeof *into->items));
  }
  for (uint32_t i = 0; i < number; i++) {
    into->items[i] = (char *)(uintptr_t)get_text(r, &length);
    /* The kernel's texts end at the first NUL: cut short, it would be another program's argument. */
    if (strlen(into->items[i]) != length) r->bad = true;
  }
  into->items[number] = NULL;
  return into->items;
}

static uint64_t recent_oom_kills(void) {
  static double read_at = -1e9;
  static uint64_t kills;
  /* The file costs more than a whole start; a second of staleness can at most blame memory for a strange SIGKILL. */
  if (mono_ms() - read_at > 1000) {
    kills = oom_kills();
    read_at = mono_ms();
  }
  return kills;
}

static pid_t start(struct request *q) {
  static struct texts argv, extra;
  struct job *j = q->job;
  char token_entry[sizeof "OMX_TOKEN=" + TOKEN_LENGTH] = "OMX_TOKEN=";
  struct program program = {.cwd = q->cwd, .stdin_path = q->stdin_path, .mask = q->mask};
  j->stage = STAGE_LEASE;
  j->error = ECANCELED;
  /* By the clock, for each start: a long group of them, or we, may have been stopped half-way. */
  lease_check();
  if (lease_suspended()) return -1;
  j->stage = STAGE_EXEC;
  j->error = EINVAL;
  program.argv = get_texts(&q->rest, &argv);
  char *const *extra_entries = get_texts(&q->rest, &extra);
  if (q->rest.bad) return -1;
  j->error = ENOKEY;
  if (q->environment == NULL) return -1;
  j->stage = STAGE_FORK;
  j->error = ECANCELED;
  if (closed) return -1;
  memcpy(token_entry + sizeof "OMX_TOKEN=" - 1, j->token, TOKEN_LENGTH + 1);
  program.envp = environment_for(q->environment, token_entry, extra_entries);
  return spawn(j, &program);
}

void start_all(void) {
  if (count == 0) return;
  journal_flush();
  for (size_t i = 0; i < count; i++) {
    struct job *j = requests[i].job;
    j->oom_count = recent_oom_kills();
    pid_t pid = start(&requests[i]);
    if (pid < 0) {
      j->ended_at = wall_ms();
      job_set_done(j, JOB_REFUSED);
      journal_done(j);
      continue;
    }
    job_set_live(j, pid);
    if (j->time_left > 0) timer_set(j, j->started_mono + j->time_left);
    if (j->max_output > 0) list_append(&capped_jobs, &j->in_capped);
    j->tell_started = true;
    list_append(&unsent_jobs, &j->in_unsent);
    journal_started(j);
  }
  count = 0;
}

void start_close(void) { closed = true; }
