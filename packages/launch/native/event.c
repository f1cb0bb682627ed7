#include "event.h"
#include <sys/wait.h>

void put_end(struct buffer *b, const struct job *j) {
  bool signalled = WIFSIGNALED(j->status);
  put_u32(b, (uint32_t)j->pid);
  put_f64(b, j->started_at);
  put_f64(b, j->ended_at);
  put_u8(b, (signalled ? END_SIGNALLED : 0) | (j->oom_killed ? END_OOM : 0) | (j->truncated ? END_TRUNCATED : 0) |
                (j->lost ? END_LOST : 0));
  put_u8(b, j->reason);
  put_u32(b, (uint32_t)(signalled ? WTERMSIG(j->status) : WEXITSTATUS(j->status)));
  put_f64(b, j->user_us);
  put_f64(b, j->sys_us);
  put_f64(b, j->maxrss_kib);
  put_f64(b, j->out_bytes);
  put_f64(b, j->err_bytes);
}

void get_end(struct reader *r, struct job *j) {
  j->pid = (pid_t)get_u32(r);
  j->started_at = get_f64(r);
  j->ended_at = get_f64(r);
  unsigned flags = get_u8(r);
  j->oom_killed = (flags & END_OOM) != 0;
  j->truncated = (flags & END_TRUNCATED) != 0;
  j->lost = (flags & END_LOST) != 0;
  j->reason = get_u8(r);
  int code = (int)get_u32(r);
  /* As wait(2) would have put it. */
  j->status = (flags & END_SIGNALLED) != 0 ? code : code << 8;
  j->user_us = get_f64(r);
  j->sys_us = get_f64(r);
  j->maxrss_kib = get_f64(r);
  j->out_bytes = get_f64(r);
  j->err_bytes = get_f64(r);
}

void put_refusal(struct buffer *b, const struct job *j) {
  put_u8(b, j->stage);
  put_u32(b, (uint32_t)j->error);
  put_f64(b, j->ended_at);
}

void get_refusal(struct reader *r, struct job *j) {
  j->stage = get_u8(r);
  j->error = (int)get_u32(r);
  j->ended_at = get_f64(r);
}
