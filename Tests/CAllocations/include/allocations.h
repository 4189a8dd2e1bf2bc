#pragma once
#include <stdint.h>

/// Blocks of memory that the calling thread has asked the allocator for; -1 where a sanitizer has the allocator.
int64_t allocations_made(void);
