/* The facts of an end or a refusal, in the one form that both the journal keeps and the worker receives. */
#ifndef OMX_EVENT_H
#define OMX_EVENT_H
#include "buffer.h"
#include "job.h"

enum end_flag { END_SIGNALLED = 1, END_OOM = 2, END_TRUNCATED = 4, END_LOST = 8 };

/* u32 pid, f64 startedAt, f64 endedAt, u8 flags, u8 reason, u32 code, f64 userUs, sysUs, maxRssKib, outBytes, errBytes */
void put_end(struct buffer *b, const struct job *j);
void get_end(struct reader *r, struct job *j);
/* u8 stage, u32 errno, f64 at */
void put_refusal(struct buffer *b, const struct job *j);
void get_refusal(struct reader *r, struct job *j);
#endif
