/* The side that waits: one port, one connection that proves the token, one program that reads from it. */
#define _GNU_SOURCE
#include "capsule.h"
#include "stream.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* At once; the oldest gives way to a new one. */
#define CANDIDATES 16

struct candidate {
  int fd;
  size_t got;
  double deadline;
  char said[TOKEN_HALF];
};

static int open_port(const char *text) {
  struct address a;
  if (!stream_address(text, 0, &a)) {
    errno = EADDRNOTAVAIL;
    return -1;
  }
  int fd = socket(a.value.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return -1;
  if (bind(fd, (struct sockaddr *)&a.value, a.size) == 0 && listen(fd, CANDIDATES) == 0 &&
      getsockname(fd, (struct sockaddr *)&a.value, &a.size) == 0) {
    in_port_t port = a.value.ss_family == AF_INET ? ((struct sockaddr_in *)&a.value)->sin_port
                                                  : ((struct sockaddr_in6 *)&a.value)->sin6_port;
    if (dprintf(1, "%u\n", (unsigned)ntohs(port)) > 0) return fd;
  }
  int error = errno;
  close(fd);
  errno = error;
  return -1;
}

static void drop(struct candidate *all, size_t *count, size_t at) {
  close(all[at].fd);
  memmove(all + at, all + at + 1, (--*count - at) * sizeof *all);
}

/* 1: it has proved the token. 0: more must come. -1: it is somebody else's. */
static int listen_to(struct candidate *c, const char *token) {
  ssize_t got = recv(c->fd, c->said + c->got, sizeof c->said - c->got, 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
  if (got <= 0) return -1;
  c->got += (size_t)got;
  if (c->got < sizeof c->said) return 0;
  return stream_same(c->said, token, TOKEN_HALF) ? 1 : -1;
}

static int accept_proven(int listener, const char *token) {
  struct candidate all[CANDIDATES];
  size_t count = 0;
  for (;;) {
    struct pollfd fds[CANDIDATES + 1];
    int wait = -1;
    for (size_t i = 0; i < count; i++) {
      fds[i] = (struct pollfd){.fd = all[i].fd, .events = POLLIN};
      double left = all[i].deadline - stream_now();
      if (wait < 0 || left < wait) wait = left < 0 ? 0 : (int)left + 1;
    }
    fds[count] = (struct pollfd){.fd = listener, .events = POLLIN};
    if (poll(fds, count + 1, wait) < 0 && errno != EINTR) return -1;
    bool more = fds[count].revents != 0;
    for (size_t i = count; i-- > 0;) {
      int verdict = fds[i].revents == 0 ? 0 : listen_to(&all[i], token);
      if (verdict > 0) {
        for (size_t other = 0; other < count; other++) {
          if (other != i) close(all[other].fd);
        }
        return all[i].fd;
      }
      if (verdict < 0 || all[i].deadline <= stream_now()) drop(all, &count, i);
    }
    if (!more) continue;
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) continue;
    if (count == CANDIDATES) drop(all, &count, 0);
    all[count++] = (struct candidate){.fd = fd, .deadline = stream_now() + PROOF_MS};
  }
}

/* Whether the other side has ended the stream, not broken it. The program may know its end before. */
static bool ended(int connection) {
  char rest[4096];
  for (;;) {
    ssize_t got = recv(connection, rest, sizeof rest, 0);
    if (got == 0) return true;
    if (got < 0 && errno != EINTR) return false;
  }
}

/* The program reads; what it says goes on to our parent, and to the other side where it fails. */
static int take(int connection, const struct stream_options *o) {
  int words[2], status = -1;
  if (pipe2(words, O_CLOEXEC) < 0) return failure("cannot make a pipe");
  pid_t child = fork();
  if (child < 0) return failure("cannot fork");
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(words[1], 2);
    _exit(stream_become(connection, 0, o->program));
  }
  close(words[1]);
  char answer[REASON_MAX + 1] = "-", piece[512];
  size_t length = 1;
  for (ssize_t got; (got = read(words[0], piece, sizeof piece)) != 0;) {
    if (got < 0 && errno != EINTR) break;
    if (got < 0 || write(2, piece, (size_t)got) < 0) continue;
    size_t kept = (size_t)got < sizeof answer - length ? (size_t)got : sizeof answer - length;
    memcpy(answer + length, piece, kept);
    length += kept;
  }
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  bool well = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  bool whole = well && ended(connection) && (o->expect == NULL || access(o->expect, F_OK) == 0);
  static const char cut[] = "the stream ended too early\n";
  if (well && !whole) {
    if (write(2, cut, sizeof cut - 1) < 0) return FAILED;
    memcpy(answer + 1, cut, length = sizeof cut);
  }
  if (whole) answer[0] = '+', length = 1;
  /* Nobody there to hear it: then the other side has failed, and what came is not used. */
  bool heard = send(connection, answer, length, MSG_NOSIGNAL) == (ssize_t)length;
  return whole && heard ? 0 : FAILED;
}

int listen_for(char **argv) {
  struct stream_options o;
  if (!stream_begin(argv, &o) || o.address_count != 1) return usage();
  int listener = open_port(o.addresses[0]);
  if (listener < 0) {
    fprintf(stderr, "omx-capsule: cannot listen on %s: %s\n", o.addresses[0], strerror(errno));
    return FAILED;
  }
  int connection = accept_proven(listener, o.token);
  if (connection < 0) return failure("cannot accept");
  close(listener);
  stream_guard(connection);
  if (send(connection, o.token + TOKEN_HALF, TOKEN_HALF, MSG_NOSIGNAL) != TOKEN_HALF) return failure("the connection");
  return o.fd >= 0 ? stream_become(connection, o.fd, o.program) : take(connection, &o);
}
