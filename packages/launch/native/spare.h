/*
 * Output files of jobs that are over, used again for the next ones: STATE_DIR/spare. To make a file and remove it again costs
 * a file system far more than to rename one. On ext4 each new file passes over all inodes that were freed in the last minute,
 * so that jobs would cost the more the faster they come.
 *
 * Only a file that nobody else can write any more is used again: none but ours is open, and it has one name.
 */
#ifndef OMX_SPARE_H
#define OMX_SPARE_H
#include <stdbool.h>
#include <stddef.h>

/* Files kept at most; what is more is removed. */
#define SPARE_MAX 512

/* Also removes what an earlier shepherd kept. */
void spare_init(const char *state_dir);
/* Takes the file away from its path, empties it and keeps it; false, with the file as it was but perhaps empty, where that must not be. */
bool spare_keep(const char *path);
/* Puts an empty file at the path if one is kept and nothing is there. */
void spare_place(const char *path);
/* Removes them all. */
void spare_drop(void);
/* The same with the folder. */
void spare_close(void);
size_t spare_count(void);
#endif
