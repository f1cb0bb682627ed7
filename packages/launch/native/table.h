/* A hash table of nodes that live inside their owners, so that no operation allocates except the growth of the table. */
#ifndef OMX_TABLE_H
#define OMX_TABLE_H
#include <stddef.h>
#include <stdint.h>

#define owner_of(pointer, type, member) ((type *)(void *)((char *)(pointer) - offsetof(type, member)))

struct node {
  struct node *next;
  uint64_t hash;
};

struct table {
  struct node **slots;
  size_t size, count;
};

uint64_t hash_text(const char *text);
uint64_t hash_number(uint64_t number);
void table_add(struct table *t, struct node *n, uint64_t hash);
/* No harm where the node is not in the table. */
void table_remove(struct table *t, struct node *n);
/* The first node with that hash; `table_next` gives the others. The caller compares the real key. */
struct node *table_find(const struct table *t, uint64_t hash);
struct node *table_next(const struct node *n);

/* A ring of links: the list itself is a link that belongs to nobody. */
struct link {
  struct link *previous, *next;
};

void list_start(struct link *list);
void list_append(struct link *list, struct link *l);
/* No harm where the link is in no list. */
void list_remove(struct link *l);
static inline int list_empty(const struct link *list) { return list->next == list; }
#endif
