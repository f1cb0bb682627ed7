/*
 * Generates RSA key pairs: a steady load of arithmetic with, if asked for, two small files a pair.
 *
 *   distkeygen CHILD KEYS BITS [OUTDIR]         the pairs of one child
 *   distkeygen --fork COUNT KEYS BITS [OUTDIR]  children 0 to COUNT-1, each a process of its own
 *
 * Exit status: 0 all pairs made, 1 something failed, 2 bad arguments.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_CHILD = 9999, MAX_KEYS = 9999, MIN_BITS = 512, MAX_BITS = 16384, MAX_PATH = 4096 };

struct work {
  int keys;
  int bits;
  const char *outdir; /* NULL: the keys are made and thrown away */
};

static int usage(void) {
  fprintf(stderr,
          "usage: distkeygen CHILD KEYS BITS [OUTDIR]\n"
          "       distkeygen --fork COUNT KEYS BITS [OUTDIR]\n"
          "       CHILD 0 to %d, COUNT 1 to %d, KEYS 1 to %d, BITS %d to %d\n",
          MAX_CHILD, MAX_CHILD + 1, MAX_KEYS, MIN_BITS, MAX_BITS);
  return 2;
}

static bool parse_number(const char *text, int least, int most, int *number) {
  if (*text < '0' || *text > '9') return false;
  char *end;
  errno = 0;
  long value = strtol(text, &end, 10);
  if (errno != 0 || *end != '\0' || value < least || value > most) return false;
  *number = (int)value;
  return true;
}

static bool write_whole(int fd, const void *data, size_t size) {
  const char *at = data;
  while (size > 0) {
    ssize_t count = write(fd, at, size);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    at += count;
    size -= (size_t)count;
  }
  return true;
}

static bool complain(int child, const char *what) {
  fprintf(stderr, "child %d: %s: %s\n", child, what, strerror(errno));
  return false;
}

static bool complain_openssl(int child, const char *what) {
  char reason[256] = "unknown reason";
  unsigned long code = ERR_get_error();
  if (code != 0) ERR_error_string_n(code, reason, sizeof reason);
  fprintf(stderr, "child %d: %s: %s\n", child, what, reason);
  return false;
}

/* Writes aside and renames, so that a killed or repeated job leaves no half-written key under its final name. */
static bool save(int child, const char *path, mode_t mode, const void *data, size_t size) {
  char aside[MAX_PATH + 32];
  snprintf(aside, sizeof aside, "%s.%ld", path, (long)getpid());
  int fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  if (fd < 0) return complain(child, aside);
  bool written = write_whole(fd, data, size);
  if (close(fd) != 0) written = false;
  if (written && rename(aside, path) == 0) return true;
  complain(child, path);
  unlink(aside);
  return false;
}

/* File names are those of the old DistKeyGen: the child, the key in three digits, and which half of the pair it is. */
static bool save_half(int child, int key, const char *half, mode_t mode, const struct work *work, unsigned char *der, int size) {
  char path[MAX_PATH];
  bool saved = false;
  if (size <= 0) {
    complain_openssl(child, "cannot encode a key");
  } else if (snprintf(path, sizeof path, "%s/%d%03d-%s", work->outdir, child, key, half) >= (int)sizeof path) {
    errno = ENAMETOOLONG;
    complain(child, work->outdir);
  } else {
    saved = save(child, path, mode, der, (size_t)size);
  }
  if (size > 0) OPENSSL_clear_free(der, (size_t)size);
  return saved;
}

static bool save_pair(int child, int key, const struct work *work, const EVP_PKEY *pair) {
  unsigned char *der = NULL;
  int size = i2d_PrivateKey(pair, &der);
  if (!save_half(child, key, "PrivateKey", 0600, work, der, size)) return false;
  der = NULL;
  size = i2d_PublicKey(pair, &der);
  return save_half(child, key, "PublicKey", 0644, work, der, size);
}

static bool make_pairs(int child, const struct work *work) {
  EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_id(EVP_PKEY_RSA, NULL);
  bool well = context != NULL && EVP_PKEY_keygen_init(context) > 0 &&
              EVP_PKEY_CTX_set_rsa_keygen_bits(context, work->bits) > 0;
  if (!well) complain_openssl(child, "cannot prepare for RSA");
  for (int key = 0; well && key < work->keys; key++) {
    EVP_PKEY *pair = NULL;
    if (EVP_PKEY_keygen(context, &pair) <= 0) {
      well = complain_openssl(child, "cannot generate a key pair");
    } else if (work->outdir != NULL) {
      well = save_pair(child, key, work, pair);
    }
    EVP_PKEY_free(pair);
  }
  EVP_PKEY_CTX_free(context);
  return well;
}

/* All of a child's work; the line it ends with goes out in one write. Returns the exit status. */
static int run_child(int child, const struct work *work) {
  if (!make_pairs(child, work)) return 1;
  char line[96];
  int size = snprintf(line, sizeof line, "child %d: %d keys of %d bits\n", child, work->keys, work->bits);
  if (write_whole(STDOUT_FILENO, line, (size_t)size)) return 0;
  complain(child, "cannot write to standard output");
  return 1;
}

static int run_forked(int count, const struct work *work) {
  int status = 0, started = 0;
  pid_t *pids = calloc((size_t)count, sizeof *pids);
  if (pids == NULL) {
    perror("distkeygen");
    return 1;
  }
  for (; started < count; started++) {
    pid_t pid = fork();
    if (pid == 0) _exit(run_child(started, work));
    if (pid < 0) {
      complain(started, "not started");
      status = 1;
      break;
    }
    pids[started] = pid;
  }
  for (int child = 0; child < started; child++) {
    int ended;
    pid_t got;
    do got = waitpid(pids[child], &ended, 0);
    while (got < 0 && errno == EINTR);
    if (got >= 0 && WIFEXITED(ended) && WEXITSTATUS(ended) == 0) continue;
    status = 1;
    if (got < 0) complain(child, "cannot wait");
    else if (WIFSIGNALED(ended)) fprintf(stderr, "child %d: ended by signal %d\n", child, WTERMSIG(ended));
  }
  free(pids);
  return status;
}

int main(int argc, char *argv[]) {
  bool forked = argc > 1 && strcmp(argv[1], "--fork") == 0;
  char **words = argv + (forked ? 2 : 1);
  int count = argc - (forked ? 2 : 1);
  int first;
  struct work work = {0};
  if (count < 3 || count > 4) return usage();
  if (!parse_number(words[0], forked ? 1 : 0, forked ? MAX_CHILD + 1 : MAX_CHILD, &first)) return usage();
  if (!parse_number(words[1], 1, MAX_KEYS, &work.keys)) return usage();
  if (!parse_number(words[2], MIN_BITS, MAX_BITS, &work.bits)) return usage();
  if (count == 4) {
    work.outdir = words[3];
    if (mkdir(work.outdir, 0700) != 0 && errno != EEXIST) {
      fprintf(stderr, "distkeygen: cannot make %s: %s\n", work.outdir, strerror(errno));
      return 1;
    }
  }
  return forked ? run_forked(first, &work) : run_child(first, &work);
}
