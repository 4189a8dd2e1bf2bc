/* Makes h2load send signed webhooks (Standard Webhooks 1.0, HMAC): a new id, the time and a signature each request.
 *
 * Preloaded with LD_PRELOAD. The fields `webhook-id`, `webhook-timestamp` and `webhook-signature` of each request it
 * submits get their values here; the content is the file WEBHOOK_BODY, the key WEBHOOK_KEY in hexadecimal.
 * What cannot be read ends the program: a run of unsigned requests would measure something else.
 *
 *   cc -O2 -shared -fPIC -o webhook_signature.so webhook_signature.c -lssl -lcrypto -ldl
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <nghttp2/nghttp2.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BODY_MOST = 65536, FIELDS_MOST = 32, DIGEST = 32 };

static unsigned char text[BODY_MOST + 64];
static size_t body_bytes;
static unsigned char *key;
static long key_bytes;
static unsigned long number;

static void refuse(const char *what, const char *value) {
    fprintf(stderr, "webhook_signature: %s `%s`\n", what, value ? value : "(not set)");
    exit(2);
}

/* The content stands at the end of a buffer whose beginning takes the id and the time: `ID.TIME.CONTENT`. */
enum { ID = 20, TIME = 10, PREFIX = ID + 1 + TIME + 1 };

static void prepare(void) {
    const char *path = getenv("WEBHOOK_BODY");
    FILE *file = path ? fopen(path, "rb") : NULL;
    if (file == NULL) refuse("cannot open the content", path);
    body_bytes = fread(text + PREFIX, 1, BODY_MOST, file);
    if (ferror(file) || !feof(file)) refuse("cannot read, or more than 64 KiB are in", path);
    fclose(file);
    const char *given = getenv("WEBHOOK_KEY");
    key = given ? OPENSSL_hexstr2buf(given, &key_bytes) : NULL;
    if (key == NULL) refuse("the key is not hexadecimal:", given ? "WEBHOOK_KEY" : NULL);
    /* Another run begins at another second, so that it repeats no id of this one. */
    number = (unsigned long)time(NULL) * 1000000;
}

static int is(const nghttp2_nv *field, const char *name) {
    return field->namelen == strlen(name) && memcmp(field->name, name, field->namelen) == 0;
}

static void put(nghttp2_nv *field, void *value, size_t length) {
    field->value = value;
    field->valuelen = length;
    field->flags &= (uint8_t)~NGHTTP2_NV_FLAG_NO_COPY_VALUE;
}

int32_t nghttp2_submit_request(nghttp2_session *session, const nghttp2_priority_spec *priority,
                               const nghttp2_nv *fields, size_t count, const nghttp2_data_provider *content,
                               void *user_data) {
    static int32_t (*original)(nghttp2_session *, const nghttp2_priority_spec *, const nghttp2_nv *, size_t,
                               const nghttp2_data_provider *, void *);
    if (original == NULL) {
        original = dlsym(RTLD_NEXT, "nghttp2_submit_request");
        if (original == NULL) refuse("no nghttp2_submit_request behind this one in", "libnghttp2");
        prepare();
    }
    if (count > FIELDS_MOST) refuse("too many fields for", "one request");
    char prefix[PREFIX + 1], signature[3 + 4 * DIGEST] = "v1,";
    snprintf(prefix, sizeof prefix, "msg_%016lu.%010ld.", ++number, (long)time(NULL));
    memcpy(text, prefix, PREFIX);
    unsigned char digest[DIGEST];
    if (HMAC(EVP_sha256(), key, (int)key_bytes, text, PREFIX + body_bytes, digest, NULL) == NULL)
        refuse("OpenSSL cannot sign", "");
    int encoded = EVP_EncodeBlock((unsigned char *)signature + 3, digest, DIGEST);
    nghttp2_nv changed[FIELDS_MOST];
    memcpy(changed, fields, count * sizeof *fields);
    int seen = 0;
    for (size_t at = 0; at < count; at++) {
        if (is(&changed[at], "webhook-id")) seen++, put(&changed[at], text, ID);
        if (is(&changed[at], "webhook-timestamp")) seen++, put(&changed[at], text + ID + 1, TIME);
        if (is(&changed[at], "webhook-signature")) seen++, put(&changed[at], signature, 3 + (size_t)encoded);
    }
    if (seen != 3) refuse("a request lacks a field of", "Standard Webhooks");
    return original(session, priority, changed, count, content, user_data);
}
