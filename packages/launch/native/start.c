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
  unsigned char *owned; /* what all this points into, where nobody else keeps it */
};

struct texts {
  char **items;
  size_t capacity;
};

static struct request *requests;
static size_t count, capacity;
size_t waiting_jobs;
static bool closed;
/* The journal does not yet have all that may be started. */
static bool unsaved;

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

/* What waits for another is on record only when its turn has come: a crash before has done nothing to it. */
static void push(struct request q) {
  journal_prepared(q.job);
  unsaved = true;
  if (count == capacity) {
    capacity = capacity == 0 ? 64 : capacity * 2;
    requests = need(realloc(requests, capacity * sizeof *requests));
  }
  requests[count++] = q;
}

/* A text that must end at its first NUL. */
static const char *get_plain(struct reader *r, bool *bad) {
  uint32_t length;
  const char *text = get_text(r, &length);
  *bad |= strlen(text) != length;
  return text;
}

/* What follows the names of a START. */
static struct request get_request(struct reader *r, struct job *j) {
  struct request q = {.job = j};
  uint32_t length;
  bool bad = false;
  q.environment = environment_find(get_text(r, &length));
  q.cwd = get_plain(r, &bad);
  q.stdin_path = get_plain(r, &bad);
  q.mask = (mode_t)get_u32(r);
  j->time_left = get_f64(r);
  j->grace = get_f64(r);
  j->max_output = get_f64(r);
  j->kill_signal = (int)get_u32(r);
  if (j->kill_signal < 0 || j->kill_signal >= NSIG) r->bad = true;
  q.rest = *r;
  if (bad) q.rest.bad = true;
  return q;
}

/* Keeps the rest of the frame until `before` is done. */
static void wait_for(struct job *before, struct job *j, const struct reader *rest) {
  size_t length = (size_t)(rest->end - rest->at);
  uint32_t size = (uint32_t)length;
  j->request = need(malloc(sizeof size + length));
  memcpy(j->request, &size, sizeof size);
  memcpy(j->request + sizeof size, rest->at, length);
  j->before = before;
  before->next = j;
  waiting_jobs++;
}

void start_gather(struct reader *r) {
  bool bad = false;
  const char *key = get_plain(r, &bad), *out = get_plain(r, &bad), *err = get_plain(r, &bad), *after = get_plain(r, &bad);
  if (r->bad) return;

  struct job *j = job_by_key(key), *before = *after == 0 ? NULL : job_by_key(after);
  if (j != NULL) {
    /* A worker that does not know whether its request arrived may repeat it: it hears what became of the first. */
    j->tell_started = j->state != JOB_PREPARED && j->state != JOB_REFUSED;
    if (j->state != JOB_PREPARED) list_append(&unsent_jobs, &j->in_unsent);
    return;
  }
  bool waits = before != NULL && !job_done(before);
  if (waits && before->next != NULL) r->bad = true;
  if (r->bad) return;
  j = job_create(key, out, err);
  char token[TOKEN_LENGTH + 1];
  make_token(token);
  job_set_token(j, token);
  j->started_at = wall_ms();
  struct reader rest = *r;
  struct request q = get_request(r, j);
  if (bad) q.rest.bad = true;
  if (r->bad) job_free(j);
  else if (waits && !bad) wait_for(before, j, &rest);
  else push(q);
}

/* It waits no longer. The request is the caller's. */
static unsigned char *take_request(struct job *j) {
  unsigned char *request = j->request;
  j->before = NULL;
  j->request = NULL;
  waiting_jobs--;
  return request;
}

/* Takes a job out of the middle or from the end of the row that it waits in. */
static void leave_row(struct job *j) {
  j->before->next = j->next;
  if (j->next != NULL) j->next->before = j->before;
  j->next = NULL;
  free(take_request(j));
}

void start_next(struct job *done) {
  struct job *j = done->next;
  if (j == NULL) return;
  uint32_t size;
  /* What waits for it goes on waiting for it. */
  done->next = NULL;
  unsigned char *owned = take_request(j);
  memcpy(&size, owned, sizeof size);
  struct reader r = {.at = owned + sizeof size, .end = owned + sizeof size + size};
  struct request q = get_request(&r, j);
  q.owned = owned;
  push(q);
}

static void refuse(struct job *j) {
  j->ended_at = wall_ms();
  job_set_done(j, JOB_REFUSED);
  journal_done(j);
  start_next(j);
}

void start_recall(struct job *j) {
  leave_row(j);
  j->stage = STAGE_RECALLED;
  j->error = ECANCELED;
  refuse(j);
}

void start_forget_waiting(void) {
  struct job *j;
  for_each_job(j, &prepared_jobs, in_state) {
    if (j->before == NULL) continue;
    leave_row(j);
    job_free(j);
  }
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
  /* A refusal may add what waited for it. */
  for (size_t i = 0; i < count; i++) {
    struct job *j = requests[i].job;
    if (unsaved) journal_flush();
    unsaved = false;
    j->oom_count = recent_oom_kills();
    pid_t pid = start(&requests[i]);
    free(requests[i].owned);
    if (pid < 0) {
      refuse(j);
      if (j->error == ENOSPC) journal_shrink();
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
