/*
 * Requests to start. They are gathered while a group of frames is read, noted in the journal with one write, and only
 * then carried out: no process of ours ever exists without its token being on record.
 */
#ifndef OMX_START_H
#define OMX_START_H
#include "buffer.h"
#include <stdbool.h>

/* Notes the request; the frame must stay where it is until `start_all`. */
void start_gather(struct reader *request);
/* While the lease is out and lets nothing run they are refused instead. */
void start_all(void);
/* From now on every request is refused with ECANCELED: the shepherd is about to end. */
void start_close(void);
#endif
