/* A program in the namespaces of a capsule: criu must see the job as the job sees itself. */
#define _GNU_SOURCE
#include "capsule.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* The user namespace first: it gives the right to enter the others. */
static const char *const kinds[] = {"user", "ipc", "time", "pid", "mnt"};
enum { USER, IPC, KINDS = sizeof kinds / sizeof *kinds };

int system_v_objects(void) {
  struct shm_info memory;
  struct seminfo semaphores;
  struct msginfo messages;
  if (shmctl(0, SHM_INFO, (struct shmid_ds *)&memory) < 0 || semctl(0, 0, SEM_INFO, &semaphores) < 0 ||
      msgctl(0, MSG_INFO, (struct msqid_ds *)&messages) < 0)
    return failure("cannot count System V objects");
  if (memory.used_ids > 0) return SYSTEM_V_MEMORY;
  return semaphores.semusz > 0 || messages.msgpool > 0 ? SYSTEM_V_OTHERS : 0;
}

/* Nobody gets out of an ipc namespace whose user namespace is another one, so a child goes in and looks. */
static int look_into(int fd) {
  pid_t child = fork();
  if (child < 0) return failure("cannot fork");
  if (child == 0) _exit(setns(fd, 0) < 0 ? failure(kinds[IPC]) : system_v_objects());
  int status;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return failure("wait");
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : FAILED;
}

int enter(pid_t pid, bool for_dump, char **command) {
  int fds[KINDS];
  /* All are opened before the first is entered: /proc is another one afterwards. */
  for (int i = 0; i < KINDS; i++) {
    char path[64];
    struct stat there, here;
    snprintf(path, sizeof path, "/proc/%d/ns/%s", (int)pid, kinds[i]);
    fds[i] = open(path, O_RDONLY | O_CLOEXEC);
    if (fds[i] < 0 || fstat(fds[i], &there) < 0) return failure(path);
    snprintf(path, sizeof path, "/proc/self/ns/%s", kinds[i]);
    if (stat(path, &here) < 0) return failure(path);
    /* The kernel refuses to enter a user namespace where one is already. */
    if (there.st_ino != here.st_ino) continue;
    close(fds[i]);
    fds[i] = -1;
  }
  for (int i = 0; i < KINDS; i++) {
    if (fds[i] < 0) continue;
    if (for_dump && i == IPC) {
      int objects = look_into(fds[i]);
      if (objects == FAILED) return FAILED;
      /* criu finds such memory by links that the kernel follows for root only. */
      if (objects == SYSTEM_V_MEMORY && fds[USER] >= 0) {
        fputs("omx-capsule: it uses System V shared memory, which cannot be moved without root\n", stderr);
        return FAILED;
      }
      if (objects != 0) continue;
      setenv(NO_SYSTEM_V, "", 1);
    }
    if (setns(fds[i], 0) < 0) return failure(kinds[i]);
  }
  /* Only a child is in the pid namespace. */
  pid_t child = fork();
  if (child < 0) return failure("cannot fork");
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    reset_signals();
    errno = execute(command);
    _exit(failure(command[0]));
  }
  int status;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return failure("wait");
  }
  end_as(status);
}
