#include "job.h"
#include "buffer.h"
#include "timers.h"
#include <stdlib.h>
#include <string.h>

struct link prepared_jobs, live_jobs, done_jobs, unsent_jobs, closing_jobs, sweep_jobs, capped_jobs;
struct table jobs_by_key;
size_t live_count;
static struct table by_pid, by_token;

void jobs_init(void) {
  struct link *lists[] = {&prepared_jobs, &live_jobs, &done_jobs, &unsent_jobs, &closing_jobs, &sweep_jobs, &capped_jobs};
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) list_start(lists[i]);
}

struct job *job_create(const char *key, const char *out, const char *err) {
  size_t key_size = strlen(key) + 1, out_size = strlen(out) + 1, err_size = strlen(err) + 1;
  struct job *j = need(calloc(1, sizeof *j + key_size + out_size + err_size));
  j->key = memcpy((char *)(j + 1), key, key_size);
  j->out = memcpy(j->key + key_size, out, out_size);
  j->err = memcpy(j->out + out_size, err, err_size);
  table_add(&jobs_by_key, &j->by_key, hash_text(key));
  list_append(&prepared_jobs, &j->in_state);
  return j;
}

void job_set_token(struct job *j, const char *token) {
  memcpy(j->token, token, TOKEN_LENGTH);
  table_add(&by_token, &j->by_token, hash_text(j->token));
}

void job_set_live(struct job *j, pid_t pid) {
  j->state = JOB_RUNNING;
  j->pid = pid;
  /* 0: from the journal, pid not known. Processes from outside a pid namespace have session 0 and are not ours. */
  if (pid > 0) table_add(&by_pid, &j->by_pid, hash_number((uint64_t)pid));
  list_append(&live_jobs, &j->in_state);
  live_count++;
}

static void leave_processes(struct job *j) {
  if (j->state >= JOB_RUNNING && j->state <= JOB_KILLING) live_count--;
  timer_clear(j);
  table_remove(&by_pid, &j->by_pid);
  table_remove(&by_token, &j->by_token);
  list_remove(&j->in_closing);
  list_remove(&j->in_sweep);
  list_remove(&j->in_capped);
}

void job_set_done(struct job *j, enum job_state state) {
  leave_processes(j);
  j->state = state;
  list_append(&done_jobs, &j->in_state);
  list_append(&unsent_jobs, &j->in_unsent);
}

void job_free(struct job *j) {
  leave_processes(j);
  list_remove(&j->in_state);
  list_remove(&j->in_unsent);
  table_remove(&jobs_by_key, &j->by_key);
  free(j->request);
  free(j);
}

struct job *job_by_key(const char *key) {
  for (struct node *n = table_find(&jobs_by_key, hash_text(key)); n != NULL; n = table_next(n)) {
    struct job *j = owner_of(n, struct job, by_key);
    if (strcmp(j->key, key) == 0) return j;
  }
  return NULL;
}

struct job *job_by_pid(pid_t pid) {
  struct job *found = NULL;
  for (struct node *n = table_find(&by_pid, hash_number((uint64_t)pid)); n != NULL; n = table_next(n)) {
    struct job *j = owner_of(n, struct job, by_pid);
    if (j->pid != pid) continue;
    /* A job that waits for its last orphan may have lost its pid to a younger job. */
    if (!j->main_done) return j;
    found = j;
  }
  return found;
}

struct job *job_by_token(const char *token) {
  for (struct node *n = table_find(&by_token, hash_text(token)); n != NULL; n = table_next(n)) {
    struct job *j = owner_of(n, struct job, by_token);
    if (strcmp(j->token, token) == 0) return j;
  }
  return NULL;
}
