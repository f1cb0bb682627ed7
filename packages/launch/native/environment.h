/* Environments that many jobs share, sent once and named by their digest. They belong to the worker's connection. */
#ifndef OMX_ENVIRONMENT_H
#define OMX_ENVIRONMENT_H
#include "buffer.h"

struct environment;

/* Reads u32 count and as many texts. */
void environment_define(const char *digest, struct reader *entries);
void environment_forget(const char *digest);
void environment_forget_all(void);
struct environment *environment_find(const char *digest);
/* The environment with the job's token first, and with `extra` entries in place of those of the same name.
   Valid until the next call; `token` is a whole entry. */
char *const *environment_for(const struct environment *e, char *token, char *const *extra);
#endif
