"""What a process asks of the operating system."""

import os

cdef extern from *:
    """
    #include <errno.h>
    #if defined(__linux__)
    #include <signal.h>
    #include <sys/prctl.h>
    #include <unistd.h>
    static int fc_die_with_parent(void) { return prctl(PR_SET_PDEATHSIG, SIGKILL); }
    static int fc_sync_all(int fd) { return syncfs(fd) < 0 ? errno : 0; }
    #else
    /* Elsewhere a worker ends when it next answers, and finds the socket closed. */
    static int fc_die_with_parent(void) { return 0; }
    static int fc_sync_all(int fd) { (void)fd; return ENOSYS; }
    #endif
    """
    int fc_die_with_parent() nogil
    int fc_sync_all(int fd) nogil


def die_with_parent():
    """Have this process killed as soon as the thread that started it is gone."""
    fc_die_with_parent()


def sync_all(int fd):
    """Wait until all of the file system that an open file is on is on disk. OSError where that goes
    wrong: with ENOSYS where the system cannot be asked for it."""
    cdef int error
    with nogil:
        error = fc_sync_all(fd)
    if error:
        raise OSError(error, os.strerror(error))
