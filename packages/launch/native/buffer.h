/*
 * Bytes on their way: frames to and from the worker, records of the journal.
 * Little-endian, as on every machine omx runs on. A text is u32 length, the bytes, and a NUL that the length does not
 * count, so that a received text can be handed to the kernel where it lies.
 */
#ifndef OMX_BUFFER_H
#define OMX_BUFFER_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer {
  unsigned char *data;
  size_t start, end, capacity;
};

static inline size_t buffer_length(const struct buffer *b) { return b->end - b->start; }
/* Room for `extra` more bytes at data + end. */
void buffer_reserve(struct buffer *b, size_t extra);
void buffer_consume(struct buffer *b, size_t length);
void buffer_clear(struct buffer *b);

void put_bytes(struct buffer *b, const void *bytes, size_t length);
void put_u8(struct buffer *b, unsigned value);
void put_u32(struct buffer *b, uint32_t value);
void put_f64(struct buffer *b, double value);
void put_text(struct buffer *b, const char *text);

/* A frame is u32 length of what follows. `frame_begin` returns the place that `frame_end` fills in. */
size_t frame_begin(struct buffer *b, unsigned type);
void frame_end(struct buffer *b, size_t place);

struct reader {
  const unsigned char *at, *end;
  bool bad; /* ran over the end, or a text without its NUL */
};

unsigned get_u8(struct reader *r);
uint32_t get_u32(struct reader *r);
double get_f64(struct reader *r);
/* Never NULL; "" after an error. The length tells of NULs inside. */
const char *get_text(struct reader *r, uint32_t *length);

/* Memory that is there, or the end of the program. */
void *need(void *memory);
#endif
