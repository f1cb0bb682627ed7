/* The side that sends: connects, proves the token, and lets a program write. */
#define _GNU_SOURCE
#include "capsule.h"
#include "stream.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Where our program has failed: for the reason, if the other side is the cause. */
#define LAST_WORD_MS 500

static bool ready(int fd, short events, double until) {
  struct pollfd wanted = {.fd = fd, .events = events};
  double left = until - stream_now();
  int number = poll(&wanted, 1, left < 0 ? 0 : (int)left + 1);
  if (number == 0) errno = ETIMEDOUT;
  return number > 0;
}

static int connect_one(const char *text, unsigned port) {
  struct address a;
  double until = stream_now() + PROOF_MS;
  if (!stream_address(text, port, &a)) {
    errno = EADDRNOTAVAIL;
    return -1;
  }
  int fd = socket(a.value.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), error = 0;
  if (fd < 0) return -1;
  socklen_t size = sizeof error;
  if (connect(fd, (struct sockaddr *)&a.value, a.size) == 0) return fd;
  if (errno == EINPROGRESS && ready(fd, POLLOUT, until) && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0) {
    if (error == 0) return fd;
    errno = error;
  }
  error = errno;
  close(fd);
  errno = error;
  return -1;
}

/* NULL, or why the other side is not the one that was meant. */
static const char *prove(int fd, const char *token) {
  char said[TOKEN_HALF];
  double until = stream_now() + PROOF_MS;
  if (send(fd, token, TOKEN_HALF, MSG_NOSIGNAL) != TOKEN_HALF) return strerror(errno);
  for (size_t got = 0; got < sizeof said;) {
    if (!ready(fd, POLLIN, until)) return strerror(errno);
    ssize_t more = recv(fd, said + got, sizeof said - got, 0);
    if (more < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (more == 0) return "it refuses the token";
    if (more < 0) return strerror(errno);
    got += (size_t)more;
  }
  return stream_same(said, token + TOKEN_HALF, TOKEN_HALF) ? NULL : "it does not know the token";
}

static void tell_bytes(int connection) {
  struct tcp_info info = {0};
  socklen_t size = sizeof info;
  getsockopt(connection, IPPROTO_TCP, TCP_INFO, &info, &size);
  dprintf(1, "%llu\n", (unsigned long long)info.tcpi_bytes_acked);
}

/* The program writes; then the other side says whether all has come. */
static int give(int connection, const struct stream_options *o) {
  int status = -1;
  pid_t child = fork();
  if (child < 0) return failure("cannot fork");
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    _exit(stream_become(connection, 1, o->program));
  }
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  bool well = WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == o->good);
  char answer[REASON_MAX + 2];
  size_t length = 0;
  if (well) shutdown(connection, SHUT_WR);
  /* What came of a program that failed must not be taken for whole: the stream is to break, not to end. */
  else setsockopt(connection, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger));
  while (length < sizeof answer - 1) {
    if (!well && !ready(connection, POLLIN, stream_now() + LAST_WORD_MS)) break;
    ssize_t got = recv(connection, answer + length, sizeof answer - 1 - length, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && length == 0) failure("the connection");
    if (got <= 0) break;
    length += (size_t)got;
  }
  answer[length] = 0;
  if (length == 0 && well) fputs("omx-capsule: the other side has gone away\n", stderr);
  if (length > 0 && answer[0] == '-') fprintf(stderr, "the other side: %s", answer + 1);
  if (!well || answer[0] != '+') return FAILED;
  tell_bytes(connection);
  return 0;
}

int connect_to(char **argv) {
  struct stream_options o;
  if (!stream_begin(argv, &o) || o.address_count < 2) return usage();
  int connection = -1;
  unsigned port = (unsigned)atoi(o.addresses[0]);
  for (size_t i = 1; i < o.address_count && connection < 0; i++) connection = connect_one(o.addresses[i], port);
  if (connection < 0) return failure("cannot connect");
  stream_guard(connection);
  const char *reason = prove(connection, o.token);
  if (reason != NULL) {
    fprintf(stderr, "omx-capsule: the other side: %s\n", reason);
    return FAILED;
  }
  return o.fd >= 0 ? stream_become(connection, o.fd, o.program) : give(connection, &o);
}
