/*
 * STATE_DIR/journal: what a crash of the shepherd must not lose, append-only, one write(2) for a group of records.
 *
 * A record is u32 length and u32 checksum of what follows: u8 type and its fields (`buffer.h`).
 *   B  boot id                            first in the file: after a reboot no pid or process of it means anything
 *   P  key, token, out, err, f64 at       about to be started; written before the process exists. Of a job that waits for
 *                                         another there is none: it has not been touched
 *   S  key, u32 pid, f64 first and last tick of its start, f64 startedAt
 *   R  key, refusal                       `event.h`
 *   E  key, end                           `event.h`; written before the worker is told
 *   A  key                                acknowledged: nothing of this key counts any more
 *
 * What a crash leaves behind, and what the next shepherd makes of it (`recover.h`):
 *   after P or S   processes, perhaps: the main one dies with us (PR_SET_PDEATHSIG), the others are found by their token
 *                  and killed, and the job is reported as ended and lost
 *   after R or E   the event is offered again; output is read again from its files
 *   after A        nothing; a worker that acknowledged just before the write acknowledges once more
 *   half a record  ignored, as is anything after it
 * A full disk keeps records in memory until they can be written. Nothing is synced: after a power cut no process is left
 * to be known.
 */
#ifndef OMX_JOURNAL_H
#define OMX_JOURNAL_H
#include "job.h"

/* Offers again what an earlier shepherd left, ends what it left running, and starts a fresh file. */
void journal_open(const char *state_dir);
void journal_prepared(const struct job *j);
void journal_started(const struct job *j);
/* Ended or refused. */
void journal_done(const struct job *j);
void journal_acknowledged(const char *key);
void journal_flush(void);
/* The disk is short of room: gives back what the file holds in vain. */
void journal_shrink(void);
/* True where something waits for room on the disk; call `journal_flush` again in a while. */
bool journal_waiting(void);
#endif
