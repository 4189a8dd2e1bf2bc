/* Makes a program that knows no client certificates (Debian's h2load) present one.
 *
 * Preloaded with LD_PRELOAD. Every SSL_CTX the program makes gets the certificate chain and the key
 * named by CLIENT_CERTIFICATE and CLIENT_KEY (PEM files). Nothing else of the program changes.
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
