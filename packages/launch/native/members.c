#include "members.h"
#include "buffer.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct orphan {
  struct node by_pid;
  pid_t pid;
  struct job *job; /* NULL: a stray */
};

static struct table orphans;
static size_t strays;

static struct orphan *orphan_find(pid_t pid) {
  for (struct node *n = table_find(&orphans, hash_number((uint64_t)pid)); n != NULL; n = table_next(n)) {
    struct orphan *o = owner_of(n, struct orphan, by_pid);
    if (o->pid == pid) return o;
  }
  return NULL;
}

static void orphan_set_job(struct orphan *o, struct job *j) {
  if (j == NULL || o->job != NULL) return;
  o->job = j;
  j->orphans++;
  strays--;
}

void members_find_orphans(void) {
  const pid_t *pids;
  size_t count = own_children(&pids);
  for (size_t i = 0; i < count; i++) {
    const struct job *main = job_by_pid(pids[i]);
    if (main != NULL && !main->main_done) continue;
    struct orphan *o = orphan_find(pids[i]);
    if (o != NULL && o->job != NULL) continue;
    if (o == NULL) {
      o = need(calloc(1, sizeof *o));
      o->pid = pids[i];
      table_add(&orphans, &o->by_pid, hash_number((uint64_t)o->pid));
      strays++;
    }
    /* A stray is asked again each time: a process in the middle of execve has no environment for a moment. */
    struct process p;
    char token[TOKEN_LENGTH + 1];
    struct job *j = process_read(o->pid, &p) ? job_by_pid(p.session) : NULL;
    if (j == NULL && process_token(o->pid, token)) {
      j = job_by_token(token);
      /* Its job's end is already told; it must have been hidden in an execve then. */
      if (j == NULL) kill(o->pid, SIGKILL);
    }
    orphan_set_job(o, j);
  }
}

void members_kill_strays(void) {
  if (strays == 0) return;
  for (size_t i = 0; i < orphans.size; i++) {
    for (struct node *n = orphans.slots[i]; n != NULL; n = n->next) {
      /* Safe without a look at start times: a child keeps its pid until we reap it. */
      kill(owner_of(n, struct orphan, by_pid)->pid, SIGKILL);
    }
  }
}

struct job *members_reap_orphan(pid_t pid) {
  struct orphan *o = orphan_find(pid);
  if (o == NULL) {
    /* Died before we ever saw it. A zombie still has its session. */
    struct process p;
    return process_read(pid, &p) ? job_by_pid(p.session) : NULL;
  }
  struct job *j = o->job;
  if (j != NULL) j->orphans--;
  else strays--;
  table_remove(&orphans, &o->by_pid);
  free(o);
  return j;
}

static bool is_above_us(const struct process_list *list, pid_t pid) {
  const struct process *at = processes_find(list, getpid());
  while (at != NULL && at->pid != pid) at = processes_find(list, at->parent);
  return at != NULL;
}

/* Whether a token came with a process from elsewhere: then somebody above it has another one, and is not above us too. */
static bool is_foreign(const struct process_list *list, const struct process *p, const char *token) {
  const struct process *parent = processes_find(list, p->parent);
  char other[TOKEN_LENGTH + 1];
  if (parent == NULL || is_above_us(list, parent->pid)) return false;
  return parent->foreign || (process_token(parent->pid, other) && strcmp(other, token) != 0);
}

static struct job *owner(struct process_list *list, struct process *p, uint64_t oldest_tick, uint64_t session_tick) {
  if (p->known) return p->owner;
  p->known = true;
  p->owner = NULL;
  if (p->pid == getpid() || p->start_tick < oldest_tick) return NULL;

  struct job *j = job_by_pid(p->session);
  if (j != NULL && j->lost && p->start_tick > session_tick) {
    const struct process *leader = processes_find(list, p->session);
    if (leader == NULL || leader->start_tick < j->first_tick || leader->start_tick > j->last_tick) j = NULL;
  }
  if (j == NULL) {
    const struct orphan *o = p->parent == getpid() ? orphan_find(p->pid) : NULL;
    if (o != NULL) j = o->job;
  }
  if (j == NULL && p->parent != getpid()) {
    struct process *parent = processes_find(list, p->parent);
    if (parent != NULL) j = owner(list, parent, oldest_tick, session_tick);
  }
  char token[TOKEN_LENGTH + 1];
  if (j == NULL && process_token(p->pid, token)) {
    p->foreign = is_foreign(list, p, token);
    if (!p->foreign) j = job_by_token(token);
  }
  p->owner = j;
  return j;
}

void members_attribute(struct process_list *list, uint64_t session_tick) {
  if (list_empty(&live_jobs)) return;
  /* Live jobs are in the order of their start: nothing older than the first belongs to any. */
  uint64_t oldest_tick = owner_of(live_jobs.next, struct job, in_state)->first_tick;
  for (size_t i = 0; i < list->count; i++) owner(list, &list->items[i], oldest_tick, session_tick);
}

void members_request(struct job *j, int number) {
  if (j->sweep_signal == SIGKILL) return;
  j->sweep_signal = number;
  list_append(&sweep_jobs, &j->in_sweep);
}

void members_withdraw(struct job *j) {
  j->sweep_signal = 0;
  list_remove(&j->in_sweep);
}

static bool wanted(const struct process *p, int number) {
  if (p->state == 'Z' || p->state == 'X') return false;
  /* What is traced gets it too, and stops when the tracer lets go: criu holds a job so, while it is moved. */
  return number != SIGSTOP || p->state != 'T';
}

/* The whole process group of one that was just stopped, which keeps the group's number from being given anew. A group lies
   within one session, and so belongs to one job. */
static void stop_group(const struct process *p, pid_t *last) {
  pid_t group = getpgid(p->pid);
  if (group <= 1 || group == *last || group == getpgrp()) return;
  *last = group;
  kill(-group, SIGSTOP);
}

/* Signals what was not signalled in the round before; returns whether there was any. */
static bool round_of_signals(struct process_list *list, const struct process_list *before) {
  bool any = false;
  pid_t last_group = 0;
  for (size_t i = 0; i < list->count; i++) {
    struct process *p = &list->items[i];
    struct job *j = p->owner;
    if (j == NULL || j->sweep_signal == 0 || !wanted(p, j->sweep_signal)) continue;
    const struct process *old = processes_find(before, p->pid);
    p->signalled = true;
    if (old != NULL && old->signalled && old->start_tick == p->start_tick) continue;
    any = true;
    /* In any other state it waits in the kernel and stops when it leaves it; but a tracer may swallow the signal. */
    if (j->sweep_signal == SIGSTOP && (p->state == 'R' || p->state == 'S' || p->state == 't')) j->restless = true;
    bool sent = process_signal(p, j->sweep_signal);
    if (sent && j->sweep_signal == SIGSTOP) stop_group(p, &last_group);
    /* A stopped process hears SIGTERM only when it continues. */
    if (j->sweep_signal == SIGTERM) process_signal(p, SIGCONT);
  }
  return any;
}

/* A signal to a process group is one step for the kernel: no fork of a member escapes it. While the main process is not
   reaped, the group's number belongs to nobody else. */
static void signal_main_group(const struct job *j) {
  if (j->pid > 0 && !j->main_done) kill(-j->pid, j->sweep_signal);
}

void members_sweep(void) {
  static struct process_list lists[2];
  if (list_empty(&sweep_jobs)) return;
  members_find_orphans();
  lists[1].count = 0;
  bool repeat = false;
  struct job *j;
  for_each_job(j, &sweep_jobs, in_sweep) {
    if (j->sweep_signal != SIGKILL && j->sweep_signal != SIGSTOP) continue;
    repeat = true;
    signal_main_group(j);
  }
  /* What forks while we read may be missed: a stop or a kill is repeated until a second look finds nobody new. */
  for (int round = 0; round < 5; round++) {
    struct process_list *list = &lists[round % 2];
    processes_scan(list);
    members_attribute(list, UINT64_MAX);
    bool any = round_of_signals(list, &lists[(round + 1) % 2]);
    if (!repeat || (!any && round > 0)) break;
    for_each_job(j, &sweep_jobs, in_sweep) {
      if (j->sweep_signal != SIGKILL && j->sweep_signal != SIGSTOP) j->sweep_signal = 0;
    }
  }
  for_each_job(j, &sweep_jobs, in_sweep) {
    j->sweep_signal = 0;
    list_remove(&j->in_sweep);
  }
}
