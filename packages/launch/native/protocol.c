#include "protocol.h"
#include "clock.h"
#include "environment.h"
#include "event.h"
#include "job.h"
#include "journal.h"
#include "lease.h"
#include "lifecycle.h"
#include "output.h"
#include "start.h"
#include <string.h>
#include <unistd.h>

enum request { ENVIRONMENT = 1, FORGET, START, END, PAUSE, RESUME, ACKNOWLEDGE, QUIT, LEASE, RECALL };
enum answer { HELLO = 64, STARTED, REFUSED, ENDED, BUSY, REPLACED, ALIVE };

/* A slow reader must not make us hold all output in memory: it grows the maxrss we pass on to every child. */
#define OUTPUT_MAX (256 * 1024)

bool quit_requested;
/* What the worker was last told. */
static bool told_suspended;

static void acknowledge(struct reader *frame) {
  bool remove_output = get_u8(frame) != 0;
  uint32_t count = get_u32(frame), length;
  for (uint32_t i = 0; i < count && !frame->bad; i++) {
    struct job *j = job_by_key(get_text(frame, &length));
    if (j == NULL || !job_done(j)) continue;
    journal_acknowledged(j->key);
    if (remove_output) output_remove(j);
    job_free(j);
  }
}

void protocol_quit(void) {
  struct job *j;
  start_close();
  quit_requested = true;
  for_each_job(j, &prepared_jobs, in_state)
    if (j->before != NULL) start_recall(j);
  /* The reason that lets another node, or the next worker, run them again. */
  for_each_job(j, &live_jobs, in_state) lifecycle_end(j, REASON_REQUEUE, 0);
}

static void quit(struct reader *frame, struct buffer *out) {
  bool force = get_u8(frame) != 0;
  if (force || live_count == 0) {
    protocol_quit();
    return;
  }
  size_t place = frame_begin(out, BUSY);
  put_u32(out, (uint32_t)live_count);
  frame_end(out, place);
}

static void put_alive(struct buffer *out, bool answer) {
  size_t place = frame_begin(out, ALIVE);
  told_suspended = lease_suspended();
  put_f64(out, boot_ms());
  put_u8(out, told_suspended);
  put_u8(out, answer);
  frame_end(out, place);
}

static void lease(struct reader *frame, struct buffer *out) {
  double until = get_f64(frame);
  unsigned policy = get_u8(frame);
  /* Also where it is not a number; the bound is far beyond any machine's life. */
  if (!(until < 1e15) || policy >= LEASE_POLICIES) frame->bad = true;
  if (frame->bad) return;
  lease_set(until, (enum lease_policy)policy);
  put_alive(out, true);
}

static void end(struct job *j, struct reader *frame) {
  unsigned reason = get_u8(frame);
  double grace = get_f64(frame);
  if (reason == REASON_NONE || reason >= REASON_COUNT) frame->bad = true;
  else if (j != NULL && !frame->bad && j->before != NULL) start_recall(j);
  else if (j != NULL && !frame->bad) lifecycle_end(j, (enum end_reason)reason, grace);
}

bool protocol_request(struct reader *frame, struct buffer *out) {
  uint32_t length;
  unsigned type = get_u8(frame);
  if (type == START) {
    start_gather(frame);
    return !frame->bad;
  }
  /* Anything else may concern a job that is only gathered so far. */
  if (type != ACKNOWLEDGE) start_all();
  bool named = type != ACKNOWLEDGE && type != QUIT && type != LEASE;
  const char *name = named ? get_text(frame, &length) : "";
  struct job *j = type == END || type == PAUSE || type == RESUME || type == RECALL ? job_by_key(name) : NULL;
  switch (type) {
    case ENVIRONMENT: environment_define(name, frame); break;
    case FORGET: environment_forget(name); break;
    case END: end(j, frame); break;
    case PAUSE:
      if (j != NULL) lifecycle_pause(j);
      break;
    case RESUME:
      if (j != NULL) lifecycle_resume(j);
      break;
    case ACKNOWLEDGE: acknowledge(frame); break;
    case QUIT: quit(frame, out); break;
    case LEASE: lease(frame, out); break;
    case RECALL:
      if (j != NULL && j->before != NULL) start_recall(j);
      break;
    default: return false;
  }
  return !frame->bad;
}

void protocol_hello(struct buffer *out) {
  struct job *j;
  size_t place = frame_begin(out, HELLO);
  put_u32(out, PROTOCOL_VERSION);
  put_u32(out, (uint32_t)getpid());
  put_u32(out, (uint32_t)live_count);
  for_each_job(j, &live_jobs, in_state) {
    put_text(out, j->key);
    put_u32(out, (uint32_t)j->pid);
    put_f64(out, j->started_at);
    put_u8(out, j->paused);
    j->tell_started = false;
    list_remove(&j->in_unsent);
  }
  size_t counted = buffer_length(out);
  uint32_t done = 0;
  put_u32(out, 0);
  for_each_job(j, &done_jobs, in_state) {
    put_text(out, j->key);
    done++;
    j->tell_started = false;
    list_append(&unsent_jobs, &j->in_unsent);
  }
  memcpy(out->data + out->start + counted, &done, sizeof done);
  told_suspended = lease_suspended();
  put_f64(out, boot_ms());
  put_u8(out, told_suspended);
  frame_end(out, place);
}

void protocol_replaced(struct buffer *out) { frame_end(out, frame_begin(out, REPLACED)); }

static void put_events(struct buffer *out, struct job *j) {
  size_t place;
  /* Of one that is over already the end says it all. */
  if (j->tell_started && j->state != JOB_ENDED) {
    place = frame_begin(out, STARTED);
    put_text(out, j->key);
    put_u32(out, (uint32_t)j->pid);
    put_f64(out, j->started_at);
    frame_end(out, place);
  }
  j->tell_started = false;
  if (j->state == JOB_REFUSED) {
    place = frame_begin(out, REFUSED);
    put_text(out, j->key);
    put_refusal(out, j);
    frame_end(out, place);
  }
  if (j->state == JOB_ENDED) {
    place = frame_begin(out, ENDED);
    put_text(out, j->key);
    put_end(out, j);
    size_t flag = buffer_length(out);
    put_u8(out, 1);
    if (!output_put(out, j)) out->data[out->start + flag] = 0;
    frame_end(out, place);
  }
}

bool protocol_events(struct buffer *out) {
  bool any = told_suspended != lease_suspended();
  if (any) put_alive(out, false);
  while (!list_empty(&unsent_jobs) && buffer_length(out) < OUTPUT_MAX) {
    struct job *j = owner_of(unsent_jobs.next, struct job, in_unsent);
    list_remove(&j->in_unsent);
    put_events(out, j);
    any = true;
  }
  return any;
}
