/* The socket and the one worker on it. */
#ifndef OMX_WORKER_H
#define OMX_WORKER_H
#include <poll.h>
#include <stdbool.h>

void worker_listen(const char *socket_path);
/* Two entries: the listening socket, and the worker's where there is one. */
void worker_poll(struct pollfd *fds);
void worker_handle(const struct pollfd *fds);
/* Writes what can be written now. While jobs follow one another without the worker's help it is told of them in groups. */
void worker_write(double now);
/* Monotonic; when what is held back must be written. 0: nothing is. */
double worker_deadline(void);
/* Something has happened that the worker must act on: nothing is held back. */
void worker_hurry(void);
bool worker_connected(void);
/* Everything there is to say has been said. */
bool worker_drained(void);
#endif
