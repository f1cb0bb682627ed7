#include "table.h"
#include "buffer.h"
#include <stdlib.h>

uint64_t hash_number(uint64_t number) {
  number ^= number >> 33;
  number *= 0xff51afd7ed558ccdULL;
  number ^= number >> 33;
  number *= 0xc4ceb9fe1a85ec53ULL;
  return number ^ (number >> 33);
}

uint64_t hash_text(const char *text) {
  uint64_t hash = 0xcbf29ce484222325ULL;
  for (; *text != 0; text++) hash = (hash ^ (unsigned char)*text) * 0x100000001b3ULL;
  return hash_number(hash);
}

static void grow(struct table *t) {
  size_t size = t->size == 0 ? 64 : t->size * 2;
  struct node **slots = need(calloc(size, sizeof *slots));
  for (size_t i = 0; i < t->size; i++) {
    struct node *n = t->slots[i];
    while (n != NULL) {
      struct node *next = n->next;
      n->next = slots[n->hash & (size - 1)];
      slots[n->hash & (size - 1)] = n;
      n = next;
    }
  }
  free(t->slots);
  t->slots = slots;
  t->size = size;
}

void table_add(struct table *t, struct node *n, uint64_t hash) {
  if (t->count >= t->size) grow(t);
  n->hash = hash;
  struct node **slot = &t->slots[hash & (t->size - 1)];
  n->next = *slot;
  *slot = n;
  t->count++;
}

void table_remove(struct table *t, struct node *n) {
  if (t->size == 0) return;
  for (struct node **at = &t->slots[n->hash & (t->size - 1)]; *at != NULL; at = &(*at)->next) {
    if (*at != n) continue;
    *at = n->next;
    t->count--;
    return;
  }
}

static struct node *same_hash(struct node *n, uint64_t hash) {
  while (n != NULL && n->hash != hash) n = n->next;
  return n;
}

struct node *table_find(const struct table *t, uint64_t hash) {
  return t->size == 0 ? NULL : same_hash(t->slots[hash & (t->size - 1)], hash);
}

struct node *table_next(const struct node *n) { return same_hash(n->next, n->hash); }

void list_start(struct link *list) { list->next = list->previous = list; }

void list_append(struct link *list, struct link *l) {
  list_remove(l);
  l->previous = list->previous;
  l->next = list;
  list->previous->next = l;
  list->previous = l;
}

void list_remove(struct link *l) {
  if (l->next == NULL) return;
  l->previous->next = l->next;
  l->next->previous = l->previous;
  l->next = l->previous = NULL;
}
