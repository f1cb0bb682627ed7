/*
 * Between the worker and the shepherd: frames over a unix socket, in both directions.
 *
 * A frame is u32 length, u8 type, fields (`buffer.h`; f64 for times, sizes and limits). Many frames may come in one
 * read; what they cause is answered in one write. Requests have no replies of their own, events say what happened.
 *
 * worker → shepherd
 *    1 ENVIRONMENT  digest, u32 n, n entries               kept for this connection
 *    2 FORGET       digest
 *    3 START        key, out, err, after, digest, cwd, stdin, u32 umask, f64 timeMs, graceMs, maxOutputBytes,
 *                   u32 killSignal (job.h; 0: none), u32 n, argv, u32 n, extra entries      a known key is not started twice: its events are repeated. `after`: key of the job it
 *                   follows, which nobody else does; it starts as soon as that is done, or at once
 *    4 END          key, u8 reason, f64 graceMs                     as RECALL of one that waits
 *    5 PAUSE        key
 *    6 RESUME       key
 *    7 ACKNOWLEDGE  u8 remove output, u32 n, keys
 *    8 QUIT         u8 force
 *    9 LEASE        f64 until, u8 policy                  see below
 *   10 RECALL       key                                   what still waits for another is REFUSED at the stage `recalled`
 * shepherd → worker
 *   64 HELLO        u32 version, u32 pid, u32 n, n × (key, u32 pid, f64 startedAt, u8 paused),
 *                   u32 n, keys of REFUSED and ENDED to be repeated,
 *                   f64 now, u8 suspended                  first on a connection
 *   65 STARTED      key, u32 pid, f64 startedAt
 *   66 REFUSED      key, refusal (`event.h`)
 *   67 ENDED        key, end (`event.h`), u8 has output, out, err
 *   68 BUSY         u32 live jobs                          QUIT without force was refused
 *   69 REPLACED                                            a newer worker has connected; nothing follows
 *   70 ALIVE        f64 now, u8 suspended, u8 answer       answer 1: to a LEASE; 0: `suspended` has changed by itself
 *
 * While every job that ends is followed by another, what is to be told may wait for some milliseconds and travels together.
 *
 * One worker is connected at a time; a newer connection closes the older. REFUSED and ENDED are repeated on each new
 * connection, after HELLO, until they are acknowledged. A malformed frame closes the connection.
 *
 * A LEASE says how long the node may run its jobs for sure. `until` and `now` are milliseconds of CLOCK_BOOTTIME: a frame
 * that has waited in the socket says nothing wrong, and the time of a suspended machine counts. It belongs to the
 * shepherd, not to the connection; without any LEASE nothing runs out. When it runs out:
 *   policy 0 finish  nothing happens
 *   policy 1 pause   every job is suspended: stopped, its time limit too; one that was being ended is killed
 *   policy 2 stop    every job is killed, with the reason `lease`
 * With 1 and 2, `suspended` is true until a new LEASE holds, and START is REFUSED at the stage `lease`. Then suspended jobs
 * go on, except those that are paused: PAUSE and RESUME count for then, END at once.
 *
 * If the worker dies:   jobs, their limits and the lease go on, events wait, the next worker finds them. What waits for the
 *                       end of another is forgotten.
 * If the shepherd dies: see journal.h; the connection closes, the worker starts a new one, repeats START for what it had
 *                       asked and not heard of, and hears of the lost jobs.
 */
#ifndef OMX_PROTOCOL_H
#define OMX_PROTOCOL_H
#include "buffer.h"
#include <stdbool.h>

#define PROTOCOL_VERSION 5
#define FRAME_MAX (64 * 1024 * 1024)

/* The worker asked for the end of the shepherd; it comes when no job is live. */
extern bool quit_requested;

/* Carries out one frame, without its length; false where it is malformed. Replies go into `out`. */
bool protocol_request(struct reader *frame, struct buffer *out);
/* HELLO, and everything unacknowledged is unsent again. */
void protocol_hello(struct buffer *out);
/* Unsent events, as many as fit; returns whether there were any. */
bool protocol_events(struct buffer *out);
void protocol_replaced(struct buffer *out);
/* All jobs are killed, and QUIT is carried out when they are gone. */
void protocol_quit(void);
#endif
