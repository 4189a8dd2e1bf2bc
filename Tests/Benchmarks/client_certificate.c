/* Makes a program that knows no client certificates (Debian's h2load) present one.
 *
 * Where BODY_NUMBERS_AT is set (`52,117`), each body it sends carries a running number of 16 digits at these offsets,
 * so that no two are the same event. The first is BODY_NUMBERS_FROM; by default it is of this moment.
 *
 * Preloaded with LD_PRELOAD. Every SSL_CTX the program makes gets the certificate chain and the key
 * named by CLIENT_CERTIFICATE and CLIENT_KEY (PEM files).
 * A file that cannot be loaded ends the program: a run that silently goes without its certificate
 * would measure something else.
 *
 *   cc -O2 -shared -fPIC -o client_certificate.so client_certificate.c -lssl -lcrypto -ldl
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void refuse(const char *what, const char *path) {
    fprintf(stderr, "client_certificate: %s `%s`\n", what, path ? path : "(not set)");
    ERR_print_errors_fp(stderr);
    exit(2);
}

SSL_CTX *SSL_CTX_new(const SSL_METHOD *method) {
    SSL_CTX *(*original)(const SSL_METHOD *) = dlsym(RTLD_NEXT, "SSL_CTX_new");
    if (original == NULL) refuse("no SSL_CTX_new behind this one in", "libssl");
    SSL_CTX *context = original(method);
    if (context == NULL) return NULL;
    const char *certificate = getenv("CLIENT_CERTIFICATE");
    const char *key = getenv("CLIENT_KEY");
    if (certificate == NULL || SSL_CTX_use_certificate_chain_file(context, certificate) != 1)
        refuse("cannot load the certificate", certificate);
    if (key == NULL || SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        refuse("cannot load the key", key);
    if (SSL_CTX_check_private_key(context) != 1) refuse("the key does not belong to", certificate);
    return context;
}

/* h2load reads its body file with pread, from the start for each request. */
ssize_t pread(int descriptor, void *buffer, size_t size, off_t offset) {
    static ssize_t (*original)(int, void *, size_t, off_t);
    static const char *places;
    static unsigned long number;
    if (original == NULL) {
        original = dlsym(RTLD_NEXT, "pread");
        places = getenv("BODY_NUMBERS_AT");
        const char *from = getenv("BODY_NUMBERS_FROM");
        /* Another run begins at another second, so that it repeats no number of this one. */
        number = from != NULL ? strtoul(from, NULL, 10) : (unsigned long)time(NULL) * 1000000;
    }
    ssize_t count = original(descriptor, buffer, size, offset);
    if (places == NULL) return count;
    char digits[17];
    snprintf(digits, sizeof digits, "%016lu", number++);
    const char *at = places;
    while (*at != '\0') {
        char *end;
        long place = strtol(at, &end, 10);
        if (end == at) refuse("no offsets of numbers are", places);
        if (place >= offset && offset + count >= place + 16) memcpy((char *)buffer + (place - offset), digits, 16);
        at = *end == ',' ? end + 1 : end;
    }
    return count;
}

ssize_t pread64(int descriptor, void *buffer, size_t size, off_t offset) {
    return pread(descriptor, buffer, size, offset);
}
