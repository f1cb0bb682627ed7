#define _GNU_SOURCE
#include "worker.h"
#include "buffer.h"
#include "environment.h"
#include "job.h"
#include "protocol.h"
#include "start.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* One read holds some two hundred starts; more would keep ended jobs waiting for their report. */
#define READ_SIZE (64 * 1024)

/* So long news may wait for more of it, while nothing idles meanwhile: the shorter time where there is much of it. */
#define HOLD_MS 10.0
#define HOLD_FEW_MS 25.0
#define MUCH 8

static int listener = -1, connection = -1;
static struct buffer in, out;
static double held_since;
static bool hurry;

void worker_listen(const char *socket_path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(socket_path) >= sizeof address.sun_path) {
    fprintf(stderr, "omx-shepherd: socket path is longer than %zu bytes: %s\n", sizeof address.sun_path - 1, socket_path);
    exit(2);
  }
  strcpy(address.sun_path, socket_path);
  /* Whoever holds the lock is the only shepherd: a socket found here is a dead one's. */
  unlink(socket_path);
  listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 16) < 0) {
    fprintf(stderr, "omx-shepherd: cannot listen on %s: %s\n", socket_path, strerror(errno));
    exit(1);
  }
}

static void disconnect(void) {
  if (connection < 0) return;
  close(connection);
  connection = -1;
  buffer_clear(&in);
  buffer_clear(&out);
  environment_forget_all();
  start_forget_waiting();
}

static void connect_worker(void) {
  int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return;
  struct ucred peer;
  socklen_t size = sizeof peer;
  /* The socket's mode says so already; a state folder on a file system without modes does not. */
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || (peer.uid != geteuid() && peer.uid != 0)) {
    close(fd);
    return;
  }
  if (connection >= 0 && buffer_length(&out) == 0) {
    protocol_replaced(&out);
    /* If it does not fit, the close says enough. */
    send(connection, out.data + out.start, buffer_length(&out), MSG_NOSIGNAL);
  }
  disconnect();
  connection = fd;
  protocol_hello(&out);
}

/* Carries out the whole frames that have come; false where one is malformed. */
static bool read_frames(void) {
  for (;;) {
    uint32_t length;
    if (buffer_length(&in) < 4) return true;
    memcpy(&length, in.data + in.start, 4);
    if (length > FRAME_MAX) return false;
    if (buffer_length(&in) - 4 < length) {
      /* What was gathered points into the buffer, which must not move before. */
      start_all();
      buffer_reserve(&in, length + 4 - buffer_length(&in));
      return true;
    }
    const unsigned char *at = in.data + in.start + 4;
    struct reader frame = {.at = at, .end = at + length};
    if (!protocol_request(&frame, &out)) return false;
    in.start += 4 + length;
  }
}

static void read_worker(void) {
  buffer_reserve(&in, READ_SIZE);
  ssize_t got = read(connection, in.data + in.end, in.capacity - in.end);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) {
    disconnect();
    return;
  }
  in.end += (size_t)got;
  bool well = read_frames();
  start_all();
  buffer_consume(&in, 0);
  if (well) return;
  fputs("omx-shepherd: a malformed frame; the connection is closed\n", stderr);
  disconnect();
}

void worker_poll(struct pollfd *fds) {
  bool more = held_since == 0 && (buffer_length(&out) > 0 || !list_empty(&unsent_jobs));
  fds[0] = (struct pollfd){.fd = listener, .events = POLLIN};
  fds[1] = (struct pollfd){.fd = connection, .events = (short)(POLLIN | (more ? POLLOUT : 0))};
}

void worker_handle(const struct pollfd *fds) {
  if (fds[1].revents & (POLLIN | POLLHUP | POLLERR)) read_worker();
  if (fds[0].revents & POLLIN) connect_worker();
}

void worker_hurry(void) { hurry = true; }

static bool has_much(void) {
  int count = 0;
  for (const struct link *l = unsent_jobs.next; l != &unsent_jobs && count < MUCH; l = l->next) count++;
  return count == MUCH;
}

double worker_deadline(void) { return held_since == 0 ? 0 : held_since + (has_much() ? HOLD_MS : HOLD_FEW_MS); }

static bool held_back(double now) {
  bool may = waiting_jobs > 0 && !hurry && buffer_length(&out) == 0 && !list_empty(&unsent_jobs);
  if (!may) return false;
  if (held_since == 0) held_since = now;
  return now < worker_deadline();
}

void worker_write(double now) {
  if (held_back(now)) return;
  held_since = 0;
  hurry = false;
  while (connection >= 0) {
    bool more = protocol_events(&out);
    if (buffer_length(&out) == 0) return;
    ssize_t sent = send(connection, out.data + out.start, buffer_length(&out), MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno != EAGAIN && errno != EINTR) disconnect();
      return;
    }
    buffer_consume(&out, (size_t)sent);
    if (!more && buffer_length(&out) > 0) return;
  }
}

bool worker_connected(void) { return connection >= 0; }

bool worker_drained(void) { return connection < 0 || (buffer_length(&out) == 0 && list_empty(&unsent_jobs)); }
