#ifndef OMX_RECOVER_H
#define OMX_RECOVER_H
#include "buffer.h"
#include <stdbool.h>

#define BOOT_ID_SIZE 64
void boot_id(char *into);

/* The next whole record of a journal; false at its end or where it is torn. */
bool record_next(struct reader *from, struct reader *record);

/*
 * Reads the journal of an earlier shepherd. Afterwards every job in it that was not acknowledged is ended or refused:
 * those that were running have been killed, with everything that carries their token, and are marked lost.
 */
void recover(const char *journal_path);
#endif
