#include "environment.h"
#include "table.h"
#include <stdlib.h>
#include <string.h>

struct environment {
  struct node by_digest;
  char *digest;
  size_t count;
  char **entries; /* pointers, then the texts, in one piece of memory */
};

static struct table environments;

struct environment *environment_find(const char *digest) {
  for (struct node *n = table_find(&environments, hash_text(digest)); n != NULL; n = table_next(n)) {
    struct environment *e = owner_of(n, struct environment, by_digest);
    if (strcmp(e->digest, digest) == 0) return e;
  }
  return NULL;
}

static void drop(struct environment *e) {
  table_remove(&environments, &e->by_digest);
  free(e->entries);
  free(e->digest);
  free(e);
}

void environment_forget(const char *digest) {
  struct environment *e = environment_find(digest);
  if (e != NULL) drop(e);
}

void environment_forget_all(void) {
  for (size_t i = 0; i < environments.size; i++) {
    while (environments.slots[i] != NULL) drop(owner_of(environments.slots[i], struct environment, by_digest));
  }
}

void environment_define(const char *digest, struct reader *entries) {
  uint32_t count = get_u32(entries), length;
  size_t left = (size_t)(entries->end - entries->at);
  /* An entry takes five bytes at least; a larger count is a lie that must not choose how much memory we take. */
  if (entries->bad || count > left / 5) {
    entries->bad = true;
    return;
  }
  environment_forget(digest);
  struct environment *e = need(calloc(1, sizeof *e));
  e->digest = need(strdup(digest));
  e->count = count;
  e->entries = need(malloc(count * sizeof *e->entries + left + 1));
  char *at = (char *)(e->entries + count);
  for (uint32_t i = 0; i < count; i++) {
    const char *text = get_text(entries, &length);
    e->entries[i] = memcpy(at, text, length + 1);
    at += length + 1;
  }
  table_add(&environments, &e->by_digest, hash_text(digest));
}

static size_t name_length(const char *entry) { return strcspn(entry, "="); }

static int replaced(const char *entry, char *const *by) {
  size_t length = name_length(entry);
  for (; *by != NULL; by++) {
    if (strncmp(*by, entry, length) == 0 && ((*by)[length] == '=' || (*by)[length] == 0)) return 1;
  }
  return 0;
}

char *const *environment_for(const struct environment *e, char *token, char *const *extra) {
  static char **built;
  static size_t capacity;
  char *const ours[] = {token, NULL};
  size_t count = 0, extras = 0;
  while (extra[extras] != NULL) extras++;
  if (e->count + extras + 2 > capacity) {
    capacity = e->count + extras + 2;
    built = need(realloc(built, capacity * sizeof *built));
  }
  built[count++] = token;
  for (size_t i = 0; i < e->count; i++) {
    if (!replaced(e->entries[i], ours) && !replaced(e->entries[i], extra)) built[count++] = e->entries[i];
  }
  for (size_t i = 0; i < extras; i++) {
    if (!replaced(extra[i], ours)) built[count++] = extra[i];
  }
  built[count] = NULL;
  return built;
}
