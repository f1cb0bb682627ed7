#include "timers.h"
#include "buffer.h"
#include <stdlib.h>

/* heap[1] is the earliest; place 0 stays empty, so that a job's place 0 means "no timer". */
static struct job **heap;
static size_t count, capacity;

static void place(struct job *j, size_t at) {
  heap[at] = j;
  j->heap_place = at;
}

static void settle(struct job *j, size_t at) {
  for (; at > 1 && heap[at / 2]->deadline > j->deadline; at /= 2) place(heap[at / 2], at);
  for (;;) {
    size_t child = at * 2;
    if (child < count && heap[child + 1]->deadline < heap[child]->deadline) child++;
    if (child > count || heap[child]->deadline >= j->deadline) break;
    place(heap[child], at);
    at = child;
  }
  place(j, at);
}

void timer_set(struct job *j, double deadline) {
  j->deadline = deadline;
  if (j->heap_place == 0) {
    if (count + 2 > capacity) {
      capacity = capacity == 0 ? 64 : capacity * 2;
      heap = need(realloc(heap, capacity * sizeof *heap));
    }
    j->heap_place = ++count;
  }
  settle(j, j->heap_place);
}

void timer_clear(struct job *j) {
  size_t at = j->heap_place;
  if (at == 0) return;
  j->heap_place = 0;
  struct job *last = heap[count--];
  if (last != j) settle(last, at);
}

struct job *timer_next(void) { return count == 0 ? NULL : heap[1]; }
