#define _GNU_SOURCE
#include "stream.h"
#include "capsule.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define SILENT_MS 10000

double stream_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static bool read_token(char *token) {
  const char *text = getenv("OMX_SHIP_TOKEN");
  if (text == NULL || strlen(text) != 2 * TOKEN_HALF) return false;
  for (const char *at = text; *at != 0; at++) {
    if (!isxdigit((unsigned char)*at)) return false;
  }
  memcpy(token, text, 2 * TOKEN_HALF + 1);
  unsetenv("OMX_SHIP_TOKEN");
  return true;
}

bool stream_begin(char **words, struct stream_options *o) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  /* Our parent may have died before the line above; then nobody reads what we say. */
  struct pollfd reader = {.fd = 2};
  if (poll(&reader, 1, 0) != 0) return false;
  *o = (struct stream_options){.fd = -1, .good = -1, .addresses = words};
  for (; *words != NULL && strncmp(*words, "--", 2) != 0; words++) o->address_count++;
  for (; *words != NULL && strcmp(*words, "--") != 0; words += 2) {
    if (words[1] == NULL) return false;
    if (strcmp(*words, "--fd") == 0) o->fd = atoi(words[1]);
    else if (strcmp(*words, "--good") == 0) o->good = atoi(words[1]);
    else if (strcmp(*words, "--expect") == 0) o->expect = words[1];
    else return false;
  }
  if (*words == NULL || words[1] == NULL) return false;
  o->program = words + 1;
  if (o->fd >= 0 && o->fd < 3) return false;
  if (read_token(o->token)) return true;
  fputs("omx-capsule: OMX_SHIP_TOKEN is not 64 hexadecimal digits\n", stderr);
  return false;
}

bool stream_address(const char *text, unsigned port, struct address *a) {
  char host[INET6_ADDRSTRLEN + IF_NAMESIZE + 1];
  struct sockaddr_in *four = (struct sockaddr_in *)&a->value;
  struct sockaddr_in6 *six = (struct sockaddr_in6 *)&a->value;
  memset(a, 0, sizeof *a);
  if (strlen(text) >= sizeof host || port > 65535) return false;
  strcpy(host, text);
  if (inet_pton(AF_INET, host, &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons((uint16_t)port);
    a->size = sizeof *four;
    return true;
  }
  char *scope = strchr(host, '%');
  if (scope != NULL) {
    *scope++ = 0;
    six->sin6_scope_id = if_nametoindex(scope);
    if (six->sin6_scope_id == 0) return false;
  }
  six->sin6_family = AF_INET6;
  six->sin6_port = htons((uint16_t)port);
  a->size = sizeof *six;
  return inet_pton(AF_INET6, host, &six->sin6_addr) == 1;
}

void stream_guard(int connection) {
  const struct {
    int level, name, value;
  } all[] = {{SOL_SOCKET, SO_KEEPALIVE, 1},
             {IPPROTO_TCP, TCP_KEEPIDLE, 4},
             {IPPROTO_TCP, TCP_KEEPINTVL, 2},
             {IPPROTO_TCP, TCP_KEEPCNT, 3},
             {IPPROTO_TCP, TCP_USER_TIMEOUT, SILENT_MS},
             {IPPROTO_TCP, TCP_NODELAY, 1}};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    setsockopt(connection, all[i].level, all[i].name, &all[i].value, sizeof all[i].value);
}

bool stream_same(const char *a, const char *b, size_t size) {
  volatile unsigned char different = 0;
  for (size_t i = 0; i < size; i++) different |= (unsigned char)(a[i] ^ b[i]);
  return different == 0;
}

int stream_become(int connection, int fd, char **program) {
  /* A program expects a socket that waits. */
  fcntl(connection, F_SETFL, fcntl(connection, F_GETFL) & ~O_NONBLOCK);
  if (connection == fd) fcntl(fd, F_SETFD, 0);
  else if (dup2(connection, fd) < 0) return failure("dup2");
  reset_signals();
  errno = execute(program);
  return failure(program[0]);
}
