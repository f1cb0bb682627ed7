/*
 * What criu finds out about the kernel takes it tens of milliseconds, each time unless it may note it down. Root's criu does
 * that in /run, but only in a tmpfs, as the notes must not outlive the boot; and in a container /run mostly is none.
 */
#define _GNU_SOURCE
#include "capsule.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/vfs.h>
#include <unistd.h>

#define PLACE "/run"
#define NOTES PLACE "/criu.kdat"

static bool is_kept(void) {
  struct statfs s;
  return statfs(PLACE, &s) == 0 && s.f_type == TMPFS_MAGIC;
}

/*
 * Just before criu is started: another criu removes the empty file, which nothing can be mounted upon then. Without notes criu
 * only takes longer, so nothing here is an error.
 */
void show_notes(const char *file) {
  if (is_kept() || access(file, R_OK) != 0) return;
  /* To be mounted upon: an empty one tells criu nothing, wherever that is not done. */
  int fd = open(NOTES, O_RDONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return;
  close(fd);
  mount(file, NOTES, NULL, MS_BIND, NULL);
}

int noting(const char *folder, char **program) {
  if (!is_kept() && unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) == 0)
    mount(folder, PLACE, NULL, MS_BIND, NULL);
  errno = execute(program);
  return failure(program[0]);
}
