/*
 * The order to a capsule of `thaw`, which is made while the image is still on its way and waits for it.
 *
 * Its pid 1 connects to the unix socket OMX_GATE, says `capsule\n`, and reads one line `MONO BOOT LAST_PID\n`. The end of the
 * connection is the end of the capsule: whoever made it does not want the copy any more, or is dead.
 */
#define _GNU_SOURCE
#include "capsule.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int connect_gate(void) {
  const char *path = getenv("OMX_GATE");
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (path == NULL || strlen(path) >= sizeof address.sun_path) return -1;
  memcpy(address.sun_path, path, strlen(path));
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
  if (fd >= 0) close(fd);
  return -1;
}

bool await_order(struct order *order) {
  static const char here[] = "capsule\n";
  char line[128];
  size_t length = 0;
  int fd = connect_gate();
  if (fd < 0 || send(fd, here, sizeof here - 1, MSG_NOSIGNAL) < 0) return false;
  while (length < sizeof line - 1) {
    ssize_t got = read(fd, line + length, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0 || line[length++] == '\n') break;
  }
  line[length] = 0;
  close(fd);
  int end = 0;
  return sscanf(line, "%lld %lld %d%n", &order->monotonic, &order->boot, &order->last_pid, &end) == 3 &&
         strcmp(line + end, "\n") == 0;
}
