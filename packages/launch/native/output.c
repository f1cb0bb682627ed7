#include "output.h"
#include "spare.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* The size after the cut; what is not a regular file counts as empty and is left alone. */
static double cut(const char *path, double limit, bool *truncated) {
  struct stat s;
  if (lstat(path, &s) < 0 || !S_ISREG(s.st_mode)) return 0;
  if (limit > 0 && (double)s.st_size > limit && truncate(path, (off_t)limit) == 0) {
    *truncated = true;
    return limit;
  }
  return (double)s.st_size;
}

void output_cap(struct job *j) {
  cut(j->out, j->max_output, &j->truncated);
  cut(j->err, j->max_output, &j->truncated);
}

void output_measure(struct job *j) {
  j->out_bytes = cut(j->out, j->max_output, &j->truncated);
  j->err_bytes = cut(j->err, j->max_output, &j->truncated);
}

static bool put_file(struct buffer *b, const char *path, uint32_t size) {
  put_u32(b, size);
  buffer_reserve(b, (size_t)size + 1);
  if (size > 0) {
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return false;
    uint32_t got = 0;
    while (got < size) {
      ssize_t n = read(fd, b->data + b->end + got, size - got);
      if (n <= 0) break;
      got += (uint32_t)n;
    }
    close(fd);
    if (got < size) return false;
    b->end += size;
  }
  put_u8(b, 0);
  return true;
}

bool output_put(struct buffer *b, const struct job *j) {
  if (j->out_bytes + j->err_bytes > INLINE_OUTPUT) return false;
  /* Relative to the start: the buffer may move. */
  size_t length = buffer_length(b);
  if (put_file(b, j->out, (uint32_t)j->out_bytes) && put_file(b, j->err, (uint32_t)j->err_bytes)) return true;
  b->end = b->start + length;
  return false;
}

static void remove_file(const char *path) {
  if (spare_keep(path)) return;
  struct stat s;
  /* A job may write to /dev/null, and we may be root. */
  if (lstat(path, &s) == 0 && S_ISREG(s.st_mode)) unlink(path);
}

void output_remove(const struct job *j) {
  remove_file(j->out);
  remove_file(j->err);
}
