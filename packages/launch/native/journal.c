#define _GNU_SOURCE
#include "journal.h"
#include "buffer.h"
#include "event.h"
#include "recover.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COMPACT_SIZE (1024 * 1024)
/* The same where the disk is short of room. */
#define SHRINK_SIZE (64 * 1024)
/* Records kept in memory while the disk is full; beyond this the whole file is written anew from what we know. */
#define WAITING_MAX (1024 * 1024)
/* A generous record set of one job, to judge how much of the file is still of use. */
#define JOB_SIZE 600

static int file = -1;
static char path[4096 + 16], fresh_path[sizeof path + 8];
static double size, compact_at = COMPACT_SIZE;
static struct buffer waiting;
static bool rewrite_needed, failing;

static uint32_t checksum(const unsigned char *bytes, size_t length) {
  uint32_t sum = 2166136261u;
  for (size_t i = 0; i < length; i++) sum = (sum ^ bytes[i]) * 16777619u;
  return sum;
}

static size_t record_begin(struct buffer *b, unsigned type) {
  put_u32(b, 0);
  put_u32(b, 0);
  put_u8(b, type);
  return buffer_length(b) - 9;
}

static void record_end(struct buffer *b, size_t place) {
  unsigned char *record = b->data + b->start + place;
  uint32_t length = (uint32_t)(buffer_length(b) - place - 8);
  uint32_t sum = checksum(record + 8, length);
  memcpy(record, &length, 4);
  memcpy(record + 4, &sum, 4);
}

bool record_next(struct reader *from, struct reader *record) {
  uint32_t length = get_u32(from), sum = get_u32(from);
  if (from->bad || length == 0 || length > (size_t)(from->end - from->at)) return false;
  if (checksum(from->at, length) != sum) return false;
  *record = (struct reader){.at = from->at, .end = from->at + length};
  from->at += length;
  return true;
}

static void put_prepared(struct buffer *b, const struct job *j) {
  size_t place = record_begin(b, 'P');
  put_text(b, j->key);
  put_text(b, j->token);
  put_text(b, j->out);
  put_text(b, j->err);
  put_f64(b, j->started_at);
  record_end(b, place);
}

static void put_started(struct buffer *b, const struct job *j) {
  size_t place = record_begin(b, 'S');
  put_text(b, j->key);
  put_u32(b, (uint32_t)j->pid);
  put_f64(b, (double)j->first_tick);
  put_f64(b, (double)j->last_tick);
  put_f64(b, j->started_at);
  record_end(b, place);
}

static void put_done(struct buffer *b, const struct job *j) {
  size_t place = record_begin(b, j->state == JOB_REFUSED ? 'R' : 'E');
  put_text(b, j->key);
  if (j->state == JOB_REFUSED) put_refusal(b, j);
  else put_end(b, j);
  record_end(b, place);
}

static void put_boot(struct buffer *b) {
  char boot[BOOT_ID_SIZE];
  size_t place = record_begin(b, 'B');
  boot_id(boot);
  put_text(b, boot);
  record_end(b, place);
}

void journal_prepared(const struct job *j) { put_prepared(&waiting, j); }
void journal_started(const struct job *j) { put_started(&waiting, j); }
void journal_done(const struct job *j) { put_done(&waiting, j); }

void journal_acknowledged(const char *key) {
  size_t place = record_begin(&waiting, 'A');
  put_text(&waiting, key);
  record_end(&waiting, place);
}

static void report(bool failed) {
  if (failed == failing) return;
  failing = failed;
  fprintf(stderr, "omx-shepherd: %s: %s\n", path, failed ? strerror(errno) : "can be written again");
}

/* A new file with only what still counts takes the old one's place. */
static bool rewrite(void) {
  struct buffer b = {0};
  struct job *j;
  put_boot(&b);
  for_each_job(j, &done_jobs, in_state) {
    put_prepared(&b, j);
    put_done(&b, j);
  }
  for_each_job(j, &prepared_jobs, in_state)
    if (j->before == NULL) put_prepared(&b, j);
  for_each_job(j, &live_jobs, in_state) {
    put_prepared(&b, j);
    put_started(&b, j);
  }
  int fresh = open(fresh_path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
  size_t written = 0, length = buffer_length(&b);
  while (fresh >= 0 && written < length) {
    ssize_t n = write(fresh, b.data + written, length - written);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    written += (size_t)n;
  }
  free(b.data);
  bool done = fresh >= 0 && written == length && rename(fresh_path, path) == 0;
  report(!done);
  if (!done) {
    if (fresh >= 0) close(fresh);
    unlink(fresh_path);
    return false;
  }
  if (file >= 0) close(file);
  file = fresh;
  size = (double)length;
  compact_at = size * 2 > COMPACT_SIZE ? size * 2 : COMPACT_SIZE;
  rewrite_needed = false;
  /* Everything that waited is in the state just written. */
  buffer_clear(&waiting);
  return true;
}

void journal_open(const char *state_dir) {
  snprintf(path, sizeof path, "%s/journal", state_dir);
  snprintf(fresh_path, sizeof fresh_path, "%s.new", path);
  recover(path);
  if (!rewrite()) rewrite_needed = true;
}

/* Most of the file is of no use any more. */
static bool stale(void) { return (double)jobs_by_key.count * JOB_SIZE < size / 2; }

void journal_shrink(void) {
  if (size > SHRINK_SIZE && stale()) rewrite();
}

void journal_flush(void) {
  if (rewrite_needed) {
    if (!rewrite()) buffer_clear(&waiting);
    return;
  }
  while (buffer_length(&waiting) > 0) {
    ssize_t n = write(file, waiting.data + waiting.start, buffer_length(&waiting));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      report(true);
      if (buffer_length(&waiting) > WAITING_MAX) {
        rewrite_needed = true;
        buffer_clear(&waiting);
      }
      return;
    }
    report(false);
    size += (double)n;
    buffer_consume(&waiting, (size_t)n);
  }
  if (size > compact_at && stale()) rewrite();
}

bool journal_waiting(void) { return rewrite_needed || buffer_length(&waiting) > 0; }
