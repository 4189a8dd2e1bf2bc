#include "CSimdjson.h"

#include <new>
#include <simdjson.h>

struct csimdjson_parser {
    simdjson::dom::parser parser;
    size_t maximum_depth;

    // simdjson rounds a small capacity up to 32 bytes and then refuses its own rounding; the caller's limit stays exact.
    csimdjson_parser(size_t maximum_bytes, size_t depth)
        : parser(maximum_bytes < 32 ? 32 : maximum_bytes), maximum_depth(depth) {}
};

static csimdjson_status status_of(simdjson::error_code error) {
    switch (error) {
    case simdjson::SUCCESS:
        return CSIMDJSON_OK;
    case simdjson::CAPACITY:
        return CSIMDJSON_TOO_LARGE;
    case simdjson::DEPTH_ERROR:
        return CSIMDJSON_TOO_DEEP;
    case simdjson::MEMALLOC:
        return CSIMDJSON_OUT_OF_MEMORY;
    case simdjson::EMPTY:
        return CSIMDJSON_EMPTY;
    case simdjson::UTF8_ERROR:
        return CSIMDJSON_BAD_UTF8;
    case simdjson::STRING_ERROR:
    case simdjson::UNESCAPED_CHARS:
    case simdjson::UNCLOSED_STRING:
        return CSIMDJSON_BAD_STRING;
    case simdjson::NUMBER_ERROR:
    case simdjson::NUMBER_OUT_OF_RANGE:
        return CSIMDJSON_BAD_NUMBER;
    case simdjson::T_ATOM_ERROR:
    case simdjson::F_ATOM_ERROR:
    case simdjson::N_ATOM_ERROR:
        return CSIMDJSON_BAD_LITERAL;
    default:
        return CSIMDJSON_BAD_STRUCTURE;
    }
}

// Capacity grows in powers of two, so that a run of slightly longer documents does not allocate for each of them.
static simdjson::error_code reserve(csimdjson_parser *self, size_t count) {
    auto &parser = self->parser;
    if (count > parser.max_capacity()) {
        return simdjson::CAPACITY;
    }
    if (parser.capacity() >= count && parser.capacity() != 0) {
        return simdjson::SUCCESS;
    }
    size_t capacity = 4096;
    while (capacity < count) {
        capacity *= 2;
    }
    if (capacity > parser.max_capacity()) {
        capacity = parser.max_capacity();
    }
    auto error = parser.allocate(capacity, self->maximum_depth);
    return error ? error : parser.doc.allocate(capacity);
}

extern "C" csimdjson_parser *csimdjson_parser_create(size_t maximum_bytes, size_t maximum_depth) {
    return new (std::nothrow) csimdjson_parser(maximum_bytes, maximum_depth);
}

extern "C" void csimdjson_parser_destroy(csimdjson_parser *self) { delete self; }

extern "C" size_t csimdjson_padding(void) { return simdjson::SIMDJSON_PADDING; }

extern "C" csimdjson_status csimdjson_parser_parse(
    csimdjson_parser *self, const uint8_t *bytes, size_t count, bool is_padded) {
    if (count == 0) {
        return CSIMDJSON_EMPTY;
    }
    auto error = reserve(self, count);
    if (!error) {
        error = self->parser.parse(bytes, count, !is_padded).error();
    }
    return status_of(error);
}

extern "C" const uint64_t *csimdjson_parser_tape(const csimdjson_parser *self) { return self->parser.doc.tape.get(); }

extern "C" const uint8_t *csimdjson_parser_strings(const csimdjson_parser *self) {
    return self->parser.doc.string_buf.get();
}
