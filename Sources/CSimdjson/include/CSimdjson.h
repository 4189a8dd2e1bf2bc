#ifndef ISTHMUS_CSIMDJSON_H
#define ISTHMUS_CSIMDJSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// simdjson's DOM parser with its tape and string buffer. Reused from document to document; one thread at a time.
typedef struct csimdjson_parser csimdjson_parser;

/// Why a document was refused: simdjson's error codes, folded into the kinds a caller can act on.
typedef enum csimdjson_status {
    CSIMDJSON_OK = 0,
    CSIMDJSON_TOO_LARGE,
    CSIMDJSON_TOO_DEEP,
    CSIMDJSON_OUT_OF_MEMORY,
    CSIMDJSON_EMPTY,
    CSIMDJSON_BAD_UTF8,
    CSIMDJSON_BAD_STRING,
    CSIMDJSON_BAD_NUMBER,
    CSIMDJSON_BAD_LITERAL,
    CSIMDJSON_BAD_STRUCTURE,
} csimdjson_status;

/// A new parser that refuses documents over `maximum_bytes` or nested deeper than `maximum_depth`; NULL when out of memory.
csimdjson_parser *csimdjson_parser_create(size_t maximum_bytes, size_t maximum_depth);

void csimdjson_parser_destroy(csimdjson_parser *parser);

/// How many bytes of memory behind a document simdjson may look at, whatever they hold.
size_t csimdjson_padding(void);

/// Parses `count` bytes. They are copied unless `is_padded`, which promises that `csimdjson_padding()` bytes behind
/// them may be read. Tape and strings of the previous document are overwritten.
csimdjson_status csimdjson_parser_parse(
    csimdjson_parser *parser, const uint8_t *bytes, size_t count, bool is_padded);

/// The tape of the last document that parsed; see simdjson's doc/tape.md for its layout.
const uint64_t *csimdjson_parser_tape(const csimdjson_parser *parser);

/// The string buffer the tape points into: a 32-bit length in host order, the bytes, a NUL.
const uint8_t *csimdjson_parser_strings(const csimdjson_parser *parser);

#ifdef __cplusplus
}
#endif

#endif
