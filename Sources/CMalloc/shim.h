#ifndef ISTHMUS_CMALLOC_SHIM_H
#define ISTHMUS_CMALLOC_SHIM_H

#include <malloc.h>

#endif
