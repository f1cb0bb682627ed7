/*
 * The node's right to run its jobs, as the worker last knew it. When it runs out the jobs are taken care of here, with or
 * without a worker: others are about to take them. Before the first LEASE nothing ever runs out.
 */
#ifndef OMX_LEASE_H
#define OMX_LEASE_H
#include <stdbool.h>

/* What becomes of the jobs; the order of `leasePolicies` in requests.ts. */
enum lease_policy { LEASE_FINISH, LEASE_PAUSE, LEASE_STOP, LEASE_POLICIES };

void lease_init(void);
/* Readable when the lease has run out, at once after a suspend of the machine too; quiet again after `lease_check`. */
int lease_fd(void);
/* `until` is milliseconds of CLOCK_BOOTTIME; what is past runs out now. */
void lease_set(double until, enum lease_policy policy);
/* Suspends or ends the jobs if the lease is out, lets them go on if it is not; true where that is new, and
   `members_sweep` has work. */
bool lease_check(void);
/* The lease is out, and its policy lets nothing run: nothing may be started either. */
bool lease_suspended(void);
#endif
