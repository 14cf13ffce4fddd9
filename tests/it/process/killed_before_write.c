/* Kills the process before it writes to files for the time that KILL_BEFORE_WRITE names. Loaded before the C library. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_long left;

__attribute__((constructor)) static void look(void) {
    const char *number = getenv("KILL_BEFORE_WRITE");
    if (!number) abort();
    left = atol(number);
}

static int is_file(int file) {
    struct stat found;
    return file > STDERR_FILENO && fstat(file, &found) == 0 && S_ISREG(found.st_mode);
}

ssize_t write(int file, const void *bytes, size_t count) {
    if (is_file(file) && atomic_fetch_sub(&left, 1) == 1) {
        kill(getpid(), SIGKILL);
        pause();
    }
    return syscall(SYS_write, file, bytes, count);
}
