/* A sigsuspend that valgrind 3.19 survives: a program that waits in the real one aborts it at the next signal.
 *
 * It waits for any signal that has a handler, whatever the mask; the gateway waits for those of its end and its reload.
 */
#include <signal.h>
#include <time.h>

int sigsuspend(const sigset_t *mask) {
    struct timespec long_time = {1000000, 0};
    (void)mask;
    return nanosleep(&long_time, NULL);
}
