/*
 * talk BY SECONDS: a parent and a child that send numbers to each other BY something that must come along when they are moved.
 * They use that much processor time together, and print the same lines each time. Near its end the parent waits for a file
 * "finish".
 *
 *   memory      System V shared memory, one piece by its key and one that is removed already, and semaphores
 *   messages    a System V message queue
 *   nameless    POSIX shared memory whose name is gone, with semaphores in it
 *   terminal    a terminal of its own
 *   connection  a TCP connection
 *   watch       nothing: there is no child, and the parent hears of "finish" by inotify
 */
#define _GNU_SOURCE
#include "../../../../../test/fixtures/migration/burn.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pty.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { PIECES = 100, WAITING_PIECE = 95, KEY = 0x6f6d78, PARENT = 0, CHILD = 1 };

static _Noreturn void fail(const char *what) {
  perror(what);
  _exit(3);
}

/* To the other side, and from there. */
struct way {
  void (*put)(int side, uint64_t number);
  uint64_t (*take)(int side);
};

static int set;
static volatile uint64_t *boxes[2];

static void add(int number, short value) {
  struct sembuf step = {.sem_num = (unsigned short)number, .sem_op = value};
  while (semop(set, &step, 1) < 0) {
    if (errno != EINTR) fail("semop");
  }
}

static void put_memory(int side, uint64_t number) {
  *boxes[side] = number;
  add(side, 1);
}

static uint64_t take_memory(int side) {
  add(1 - side, -1);
  return *boxes[1 - side];
}

static volatile uint64_t *piece(key_t key) {
  int id = shmget(key, 100000, IPC_CREAT | IPC_EXCL | 0600);
  void *at = id < 0 ? (void *)-1 : shmat(id, NULL, 0);
  if (at == (void *)-1) fail("shared memory");
  if (key == IPC_PRIVATE) shmctl(id, IPC_RMID, NULL);
  return at;
}

static void open_memory(void) {
  boxes[PARENT] = piece(KEY);
  boxes[CHILD] = piece(IPC_PRIVATE);
  set = semget(KEY, 2, IPC_CREAT | IPC_EXCL | 0600);
  if (set < 0) fail("semget");
}

/* By their keys they are found as before. */
static void check_memory(void) {
  int id = shmget(KEY, 0, 0);
  volatile uint64_t *again = id < 0 ? (void *)-1 : shmat(id, NULL, 0);
  if (again == (void *)-1 || *again != *boxes[PARENT] || semget(KEY, 2, 0) != set) fail("by its key");
}

static int queue;
struct message {
  long type;
  uint64_t number;
};

static void put_message(int side, uint64_t number) {
  struct message m = {.type = side + 1, .number = number};
  while (msgsnd(queue, &m, sizeof m.number, 0) < 0) {
    if (errno != EINTR) fail("msgsnd");
  }
}

static uint64_t take_message(int side) {
  struct message m;
  while (msgrcv(queue, &m, sizeof m.number, 2 - side, 0) < 0) {
    if (errno != EINTR) fail("msgrcv");
  }
  return m.number;
}

static struct shared {
  sem_t full[2];
  uint64_t box[2];
} *nameless;

static void put_nameless(int side, uint64_t number) {
  nameless->box[side] = number;
  sem_post(&nameless->full[side]);
}

static uint64_t take_nameless(int side) {
  while (sem_wait(&nameless->full[1 - side]) < 0) {
    if (errno != EINTR) fail("sem_wait");
  }
  return nameless->box[1 - side];
}

static void open_nameless(void) {
  char name[64];
  snprintf(name, sizeof name, "/omx-talk-%ld-%d", (long)time(NULL), (int)getpid());
  int fd = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
  shm_unlink(name);
  if (fd < 0 || ftruncate(fd, sizeof *nameless) < 0) fail("shm_open");
  nameless = mmap(NULL, sizeof *nameless, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  close(fd);
  if (nameless == MAP_FAILED || sem_init(&nameless->full[0], 1, 0) < 0 || sem_init(&nameless->full[1], 1, 0) < 0)
    fail("shared memory without a name");
}

static int ends[2];

static void put_bytes(int side, uint64_t number) {
  if (write(ends[side], &number, sizeof number) != sizeof number) fail("write");
}

static uint64_t take_bytes(int side) {
  uint64_t number;
  for (size_t have = 0; have < sizeof number;) {
    ssize_t length = read(ends[side], (char *)&number + have, sizeof number - have);
    if (length == 0 || (length < 0 && errno != EINTR)) fail("read");
    if (length > 0) have += (size_t)length;
  }
  return number;
}

static void open_terminal(void) {
  struct termios raw;
  memset(&raw, 0, sizeof raw);
  cfmakeraw(&raw);
  raw.c_cc[VMIN] = 1;
  if (openpty(&ends[PARENT], &ends[CHILD], NULL, &raw, NULL) < 0) fail("openpty");
}

static void open_connection(void) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof at;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(listener, (struct sockaddr *)&at, size) < 0 || listen(listener, 1) < 0) fail("listen");
  getsockname(listener, (struct sockaddr *)&at, &size);
  ends[CHILD] = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(ends[CHILD], (struct sockaddr *)&at, size) < 0) fail("connect");
  ends[PARENT] = accept(listener, NULL, NULL);
  close(listener);
}

static int talk(struct way way, double seconds) {
  pid_t child = fork();
  if (child == 0) {
    for (uint64_t number; (number = way.take(CHILD)) != UINT64_MAX;) {
      burn(seconds / 2 / PIECES);
      way.put(CHILD, number * number + 1);
    }
    _exit(9);
  }
  for (uint64_t i = 0; i < PIECES; i++) {
    if (i == WAITING_PIECE) wait_for_test();
    burn(seconds / 2 / PIECES);
    way.put(PARENT, i);
    dprintf(1, "answer %llu\n", (unsigned long long)way.take(PARENT));
  }
  way.put(PARENT, UINT64_MAX);
  int status;
  waitpid(child, &status, 0);
  dprintf(1, "child %d\n", WEXITSTATUS(status));
  return 16;
}

static int watch(double seconds) {
  char events[4096];
  int fd = inotify_init1(IN_CLOEXEC);
  if (inotify_add_watch(fd, ".", IN_CREATE) < 0) fail("inotify");
  for (int i = 0; i < PIECES; i++) {
    while (i == WAITING_PIECE && access("finish", F_OK) != 0) {
      if (read(fd, events, sizeof events) < 0 && errno != EINTR) fail("inotify");
    }
    burn(seconds / PIECES);
    dprintf(1, "piece %d\n", i);
  }
  return 16;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  const char *by = argv[1];
  double seconds = atof(argv[2]);
  if (strcmp(by, "watch") == 0) return watch(seconds);
  if (strcmp(by, "memory") == 0) {
    open_memory();
    int code = talk((struct way){put_memory, take_memory}, seconds);
    check_memory();
    return code;
  }
  if (strcmp(by, "messages") == 0) {
    queue = msgget(KEY, IPC_CREAT | IPC_EXCL | 0600);
    if (queue < 0) fail("msgget");
    return talk((struct way){put_message, take_message}, seconds);
  }
  if (strcmp(by, "nameless") == 0) {
    open_nameless();
    return talk((struct way){put_nameless, take_nameless}, seconds);
  }
  if (strcmp(by, "terminal") == 0) open_terminal();
  else if (strcmp(by, "connection") == 0) open_connection();
  else return 2;
  return talk((struct way){put_bytes, take_bytes}, seconds);
}
