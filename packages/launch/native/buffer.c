#include "buffer.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A buffer that grew past this is given back once it is empty: memory must stay flat, it is the floor of every job's maxrss. */
#define KEEP_CAPACITY (512 * 1024)

void *need(void *memory) {
  if (memory == NULL) {
    fputs("omx-shepherd: out of memory\n", stderr);
    abort();
  }
  return memory;
}

void buffer_reserve(struct buffer *b, size_t extra) {
  if (b->capacity - b->end >= extra) return;
  size_t length = buffer_length(b);
  if (b->start > 0) {
    memmove(b->data, b->data + b->start, length);
    b->start = 0;
    b->end = length;
  }
  if (b->capacity - b->end >= extra) return;
  size_t capacity = b->capacity == 0 ? 4096 : b->capacity;
  while (capacity - length < extra) capacity *= 2;
  b->data = need(realloc(b->data, capacity));
  b->capacity = capacity;
}

void buffer_consume(struct buffer *b, size_t length) {
  b->start += length;
  if (b->start == b->end) buffer_clear(b);
}

void buffer_clear(struct buffer *b) {
  b->start = b->end = 0;
  if (b->capacity > KEEP_CAPACITY) {
    free(b->data);
    b->data = NULL;
    b->capacity = 0;
  }
}

void put_bytes(struct buffer *b, const void *bytes, size_t length) {
  if (length == 0) return;
  buffer_reserve(b, length);
  memcpy(b->data + b->end, bytes, length);
  b->end += length;
}

void put_u8(struct buffer *b, unsigned value) {
  unsigned char byte = (unsigned char)value;
  put_bytes(b, &byte, 1);
}

void put_u32(struct buffer *b, uint32_t value) { put_bytes(b, &value, 4); }

void put_f64(struct buffer *b, double value) { put_bytes(b, &value, 8); }

void put_text(struct buffer *b, const char *text) {
  size_t length = strlen(text);
  put_u32(b, (uint32_t)length);
  put_bytes(b, text, length + 1);
}

size_t frame_begin(struct buffer *b, unsigned type) {
  put_u32(b, 0);
  put_u8(b, type);
  /* Relative to the start, because the buffer may be moved while the frame is written. */
  return buffer_length(b) - 5;
}

void frame_end(struct buffer *b, size_t place) {
  uint32_t length = (uint32_t)(buffer_length(b) - place - 4);
  memcpy(b->data + b->start + place, &length, 4);
}

static const void *take(struct reader *r, size_t length) {
  if ((size_t)(r->end - r->at) < length) {
    r->bad = true;
    r->at = r->end;
    return NULL;
  }
  const void *from = r->at;
  r->at += length;
  return from;
}

unsigned get_u8(struct reader *r) {
  const unsigned char *from = take(r, 1);
  return from == NULL ? 0 : *from;
}

uint32_t get_u32(struct reader *r) {
  uint32_t value = 0;
  const void *from = take(r, 4);
  if (from != NULL) memcpy(&value, from, 4);
  return value;
}

double get_f64(struct reader *r) {
  double value = 0;
  const void *from = take(r, 8);
  if (from != NULL) memcpy(&value, from, 8);
  return value;
}

const char *get_text(struct reader *r, uint32_t *length) {
  *length = get_u32(r);
  const char *text = take(r, (size_t)*length + 1);
  if (text != NULL && text[*length] == 0) return text;
  r->bad = true;
  *length = 0;
  return "";
}
