/*
 * Requests to start. They are gathered while a group of frames is read, noted in the journal with one write, and only
 * then carried out: no process of ours ever exists without its token being on record.
 */
#ifndef OMX_START_H
#define OMX_START_H
#include "buffer.h"
#include "job.h"
#include <stdbool.h>

/* So many wait for the end of another. */
extern size_t waiting_jobs;

/* Notes the request; the frame must stay where it is until `start_all`. */
void start_gather(struct reader *request);
/* A job is done: what waited for it is gathered. */
void start_next(struct job *done);
/* One that still waits will not start: it is refused at the stage `recalled`. What waits for it waits for `before` now. */
void start_recall(struct job *waiting);
/* The worker that asked for them is gone: forgets all that wait. */
void start_forget_waiting(void);
/* While the lease is out and lets nothing run they are refused instead. */
void start_all(void);
/* From now on every request is refused with ECANCELED: the shepherd is about to end. */
void start_close(void);
#endif
