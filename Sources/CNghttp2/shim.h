#ifndef ISTHMUS_CNGHTTP2_SHIM_H
#define ISTHMUS_CNGHTTP2_SHIM_H

#include <string.h>

#include <nghttp2/nghttp2.h>

#endif
