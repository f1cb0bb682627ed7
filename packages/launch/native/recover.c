#include "recover.h"
#include "clock.h"
#include "event.h"
#include "job.h"
#include "members.h"
#include "output.h"
#include "processes.h"
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* What cannot be killed, in a wait for a dead file server for instance, must not keep the worker waiting for ever. */
#define KILL_MS 10000

void boot_id(char *into) {
  int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
  ssize_t got = fd < 0 ? 0 : read(fd, into, BOOT_ID_SIZE - 1);
  if (fd >= 0) close(fd);
  into[got < 0 ? 0 : got] = 0;
  into[strcspn(into, "\n")] = 0;
}

static void apply(unsigned type, struct reader *r) {
  uint32_t length;
  const char *key = get_text(r, &length);
  struct job *j = job_by_key(key);
  if (type == 'P' && j == NULL) {
    const char *token = get_text(r, &length);
    bool whole = length == TOKEN_LENGTH;
    const char *out = get_text(r, &length), *err = get_text(r, &length);
    double at = get_f64(r);
    if (r->bad) return;
    j = job_create(key, out, err);
    if (whole) job_set_token(j, token);
    j->started_at = at;
  }
  if (j == NULL) return;
  if (type == 'A') {
    job_free(j);
    return;
  }
  if (job_done(j)) return;
  if (type == 'S' && j->state == JOB_PREPARED) {
    pid_t pid = (pid_t)get_u32(r);
    j->first_tick = (uint64_t)get_f64(r);
    j->last_tick = (uint64_t)get_f64(r);
    j->started_at = get_f64(r);
    job_set_live(j, pid);
  }
  if (type == 'R') {
    get_refusal(r, j);
    job_set_done(j, JOB_REFUSED);
  }
  if (type == 'E') {
    get_end(r, j);
    job_set_done(j, JOB_ENDED);
  }
}

/* Returns whether the journal is of this boot. */
static bool replay(struct buffer *text) {
  struct reader from = {.at = text->data + text->start, .end = text->data + text->end}, record;
  bool same_boot = false;
  while (record_next(&from, &record)) {
    unsigned type = get_u8(&record);
    if (type != 'B') {
      apply(type, &record);
      continue;
    }
    char boot[BOOT_ID_SIZE];
    uint32_t length;
    boot_id(boot);
    same_boot = strcmp(get_text(&record, &length), boot) == 0;
  }
  return same_boot;
}

/* Kills until a look at every process finds none of a lost job. */
static void kill_lost(uint64_t session_tick) {
  static struct process_list list;
  for (double until = mono_ms() + KILL_MS; mono_ms() < until;) {
    bool any = false;
    processes_scan(&list);
    members_attribute(&list, session_tick);
    for (size_t i = 0; i < list.count; i++) {
      if (list.items[i].owner == NULL || list.items[i].state == 'Z') continue;
      any = true;
      process_signal(&list.items[i], SIGKILL);
    }
    if (!any) return;
    nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
  }
  fputs("omx-shepherd: some processes of lost jobs could not be killed\n", stderr);
}

static void report_lost(struct job *j) {
  j->ended_at = wall_ms();
  if (j->ended_at < j->started_at) j->ended_at = j->started_at;
  j->status = SIGKILL;
  output_measure(j);
  job_set_done(j, JOB_ENDED);
}

void recover(const char *journal_path) {
  struct buffer text = {0};
  struct stat s;
  int fd = open(journal_path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  if (fstat(fd, &s) == 0) {
    buffer_reserve(&text, (size_t)s.st_size + 1);
    for (ssize_t n; (n = read(fd, text.data + text.end, text.capacity - text.end)) > 0;) text.end += (size_t)n;
  }
  close(fd);
  bool same_boot = replay(&text);
  free(text.data);

  struct job *j;
  /* Prepared: the process may have been made and not yet noted. */
  for_each_job(j, &prepared_jobs, in_state) job_set_live(j, 0);
  if (list_empty(&live_jobs)) return;
  for_each_job(j, &live_jobs, in_state) j->lost = true;
  if (same_boot) {
    /* While the last record was written, the session of a live job was still its own. */
    double age = (wall_ms() - ((double)s.st_mtim.tv_sec * 1e3 + (double)s.st_mtim.tv_nsec / 1e6)) / 1e3;
    double tick = (double)boot_tick() - (age + 1) * (double)sysconf(_SC_CLK_TCK);
    kill_lost(age < 0 || tick < 0 ? 0 : (uint64_t)tick);
  }
  for_each_job(j, &live_jobs, in_state) report_lost(j);
}
