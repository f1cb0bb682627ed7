/* The two output files of a job. They are reached by path, so that a running job costs no descriptor. */
#ifndef OMX_OUTPUT_H
#define OMX_OUTPUT_H
#include "buffer.h"
#include "job.h"

/* Output up to this many bytes travels inside the end event. */
#define INLINE_OUTPUT (64 * 1024)

/* Cuts what is longer than the job's limit; O_APPEND lets the program go on writing at the new end. */
void output_cap(struct job *j);
/* Caps, and records the sizes. */
void output_measure(struct job *j);
/* Appends both files' bytes; false, with nothing appended, where they are too large or not what was recorded. */
bool output_put(struct buffer *b, const struct job *j);
void output_remove(const struct job *j);
#endif
