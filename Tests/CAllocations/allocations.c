/* Counts what a thread allocates. The functions of the allocator are defined in the test program, so that every library
 * in it calls these; each counts and calls the C library's own.
 *
 * Source: sourceware.org/glibc/manual/latest/html_node/Replacing-malloc.html
 */
#include "allocations.h"

#include <errno.h>
#include <stddef.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif

#ifdef SANITIZED

int64_t allocations_made(void) { return -1; }

#else

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static __thread int64_t made;

int64_t allocations_made(void) { return made; }

void *malloc(size_t size) {
    made += 1;
    return __libc_malloc(size);
}

void *calloc(size_t count, size_t size) {
    made += 1;
    return __libc_calloc(count, size);
}

void *realloc(void *block, size_t size) {
    made += 1;
    return __libc_realloc(block, size);
}

void *memalign(size_t alignment, size_t size) {
    made += 1;
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void **block, size_t alignment, size_t size) {
    void *made_block = memalign(alignment, size);
    if (made_block == NULL) return ENOMEM;
    *block = made_block;
    return 0;
}

#endif
