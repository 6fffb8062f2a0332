/* Prints this processor's time stamp counter's kHz. A guest under emulation reads the same counter, but
 * cannot measure it on a busy machine: told, it need not try. */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

#define MEASURE_NS 100000000L

static int64_t now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC_RAW, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

int main(void)
{
    const int64_t began = now();
    const uint64_t first = __rdtsc();
    const struct timespec pause = {.tv_nsec = MEASURE_NS};
    (void)nanosleep(&pause, NULL);
    const int64_t ns = now() - began;
    return printf("%.0f\n", (double)(__rdtsc() - first) * 1e6 / (double)ns) < 0;
}
