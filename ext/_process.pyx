"""What a worker process asks of the operating system."""

cdef extern from *:
    """
    #if defined(__linux__)
    #include <signal.h>
    #include <sys/prctl.h>
    static int fc_die_with_parent(void) { return prctl(PR_SET_PDEATHSIG, SIGKILL); }
    #else
    /* Elsewhere a worker ends when it next answers, and finds the socket closed. */
    static int fc_die_with_parent(void) { return 0; }
    #endif
    """
    int fc_die_with_parent() nogil


def die_with_parent():
    """Have this process killed as soon as the thread that started it is gone."""
    fc_die_with_parent()
