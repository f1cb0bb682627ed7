/*
 * What `listen` and `connect` share: a TCP connection between two workers that both have proved a token, which a program
 * then uses by itself.
 *
 *   connect ──── first half of the token ───► listen     nobody else's connection is ever given to the program
 *           ◄─── second half ────────────────            and nobody else gets what the program sends
 *           ════ what the programs say ══════
 *           ──── end of the stream ──────────►           } without --fd
 *           ◄─── `+`, or `-` and the reason ──           }
 *
 * The token, 64 hexadecimal digits, comes in OMX_SHIP_TOKEN: everybody may read command lines. It is for one connection.
 */
#ifndef OMX_STREAM_H
#define OMX_STREAM_H
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define TOKEN_HALF 32
/* For a connection, and for the token on it. */
#define PROOF_MS 5000
/* Of what the other side says went wrong. */
#define REASON_MAX 1000

struct stream_options {
  char token[2 * TOKEN_HALF + 1];
  int fd;             /* the program finds the connection there; -1: as its input or output, with an answer at the end */
  int good;           /* an exit code of the program that is as good as 0; -1: none */
  const char *expect; /* what has come is whole only where this file is there at the end */
  char **addresses;   /* the words before the options */
  size_t address_count;
  char **program;
};

struct address {
  struct sockaddr_storage value;
  socklen_t size;
};

/* Also makes this process end with its parent. False where the words or the token are not as they should be. */
bool stream_begin(char **words, struct stream_options *options);
/* Numeric, IPv4 or IPv6, with `%INTERFACE` where it needs one. Names are resolved by whoever starts us. */
bool stream_address(const char *text, unsigned port, struct address *address);
/* A peer that is gone without a word is noticed within ten seconds; so is one that takes nothing for so long. */
void stream_guard(int connection);
/* In a time that does not depend on where they differ. */
bool stream_same(const char *a, const char *b, size_t size);
/* The connection at `fd`, and the program in our place. Returns FAILED where it cannot be started. */
int stream_become(int connection, int fd, char **program);
double stream_now(void);
#endif
