#ifndef ISTHMUS_COPENSSL_SHIM_H
#define ISTHMUS_COPENSSL_SHIM_H

/* The streaming SHA-2 and single-block AES functions are deprecated in OpenSSL 3 in favour of EVP, which allocates a
   context for each use. They are kept on purpose: the context is a plain struct that lives inside a Swift value. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <openssl/aes.h>
#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/conf.h>
#include <openssl/core_dispatch.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/obj_mac.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

/* --- Function-like macros: Swift does not import them ------------------------------------------------------------ */

static inline int isthmus_BIO_mem_bytes(BIO *bio, const unsigned char **bytes) {
    char *start = NULL;
    long count = BIO_get_mem_data(bio, &start);
    *bytes = (const unsigned char *)start;
    return count > INT_MAX ? INT_MAX : (int)count;
}

static inline int isthmus_EVP_CIPHER_CTX_set_tag(EVP_CIPHER_CTX *context, int count, const void *tag) {
    return EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, count, (void *)tag);
}

static inline int isthmus_EVP_CIPHER_CTX_get_tag(EVP_CIPHER_CTX *context, int count, void *tag) {
    return EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, count, tag);
}

static inline EVP_PKEY *isthmus_EVP_EC_gen_P256(void) { return EVP_EC_gen("P-256"); }

static inline long isthmus_SSL_CTX_set_min_proto_version(SSL_CTX *context, int version) {
    return SSL_CTX_set_min_proto_version(context, version);
}

static inline long isthmus_SSL_CTX_set_max_proto_version(SSL_CTX *context, int version) {
    return SSL_CTX_set_max_proto_version(context, version);
}

static inline long isthmus_SSL_CTX_set_mode(SSL_CTX *context, long mode) { return SSL_CTX_set_mode(context, mode); }

static inline long isthmus_SSL_CTX_set_session_cache_mode(SSL_CTX *context, long mode) {
    return SSL_CTX_set_session_cache_mode(context, mode);
}

static inline long isthmus_SSL_CTX_set1_groups_list(SSL_CTX *context, const char *list) {
    return SSL_CTX_set1_groups_list(context, (char *)list);
}

static inline long isthmus_SSL_CTX_set1_sigalgs_list(SSL_CTX *context, const char *list) {
    return SSL_CTX_set1_sigalgs_list(context, (char *)list);
}

static inline long isthmus_SSL_CTX_add1_chain_cert(SSL_CTX *context, X509 *certificate) {
    return SSL_CTX_add1_chain_cert(context, certificate);
}

static inline void isthmus_SSL_CTX_set_max_cert_list(SSL_CTX *context, long bytes) {
    SSL_CTX_set_max_cert_list(context, bytes);
}

static inline long isthmus_SSL_set_tlsext_host_name(SSL *ssl, const char *name) {
    return SSL_set_tlsext_host_name(ssl, (char *)name);
}

static inline int isthmus_ERR_is_no_start_line(unsigned long code) {
    return ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
}

static inline int isthmus_ERR_reason(unsigned long code) { return ERR_GET_REASON(code); }

static inline int isthmus_ERR_is_ssl(unsigned long code) { return ERR_GET_LIB(code) == ERR_LIB_SSL; }

static inline void isthmus_BIO_set_retry_read(BIO *bio) { BIO_set_retry_read(bio); }

static inline void isthmus_BIO_clear_retry_flags(BIO *bio) { BIO_clear_retry_flags(bio); }

/* --- Stacks: typed names are macros over OPENSSL_STACK ----------------------------------------------------------- */

static inline int isthmus_sk_X509_num(const STACK_OF(X509) *stack) { return stack == NULL ? 0 : sk_X509_num(stack); }

static inline X509 *isthmus_sk_X509_value(const STACK_OF(X509) *stack, int index) {
    return sk_X509_value(stack, index);
}

static inline STACK_OF(X509) *isthmus_sk_X509_new(void) { return sk_X509_new_null(); }

static inline int isthmus_sk_CONF_VALUE_num(const STACK_OF(CONF_VALUE) *stack) {
    return stack == NULL ? 0 : sk_CONF_VALUE_num(stack);
}

static inline CONF_VALUE *isthmus_sk_CONF_VALUE_value(const STACK_OF(CONF_VALUE) *stack, int index) {
    return sk_CONF_VALUE_value(stack, index);
}

static inline int isthmus_sk_X509_push(STACK_OF(X509) *stack, X509 *certificate) {
    return sk_X509_push(stack, certificate);
}

static inline void isthmus_sk_X509_free(STACK_OF(X509) *stack) { sk_X509_free(stack); }

static inline int isthmus_sk_GENERAL_NAME_num(const GENERAL_NAMES *names) { return sk_GENERAL_NAME_num(names); }

static inline GENERAL_NAME *isthmus_sk_GENERAL_NAME_value(const GENERAL_NAMES *names, int index) {
    return sk_GENERAL_NAME_value(names, index);
}

static inline int isthmus_sk_GENERAL_NAME_push(GENERAL_NAMES *names, GENERAL_NAME *name) {
    return sk_GENERAL_NAME_push(names, name);
}

static inline int isthmus_EXTENDED_KEY_USAGE_num(const EXTENDED_KEY_USAGE *usages) {
    return sk_ASN1_OBJECT_num(usages);
}

static inline int isthmus_EXTENDED_KEY_USAGE_nid(const EXTENDED_KEY_USAGE *usages, int index) {
    return OBJ_obj2nid(sk_ASN1_OBJECT_value(usages, index));
}

static inline STACK_OF(X509_EXTENSION) *isthmus_sk_X509_EXTENSION_new(void) { return sk_X509_EXTENSION_new_null(); }

static inline int isthmus_sk_X509_EXTENSION_push(STACK_OF(X509_EXTENSION) *extensions, X509_EXTENSION *extension) {
    return sk_X509_EXTENSION_push(extensions, extension);
}

static inline void isthmus_sk_X509_EXTENSION_free(STACK_OF(X509_EXTENSION) *extensions) {
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
}

static inline int isthmus_X509_CRL_entries(X509_CRL *list) {
    STACK_OF(X509_REVOKED) *entries = X509_CRL_get_REVOKED(list);
    return entries == NULL ? 0 : sk_X509_REVOKED_num(entries);
}

/* A lookup sorts the entries under a lock; done once, later lookups only read. */
static inline void isthmus_X509_CRL_sort(X509_CRL *list) {
    X509_REVOKED *entry = NULL;
    ASN1_INTEGER *serial = ASN1_INTEGER_new();
    if (serial == NULL) return;
    (void)X509_CRL_get0_by_serial(list, &entry, serial);
    ASN1_INTEGER_free(serial);
}

/* --- Unions: a member is chosen by a tag that only C can check ----------------------------------------------------- */

/* The bytes of an IA5String name (URI, DNS, email), borrowed from `name`; NULL for the other kinds. */
static inline const unsigned char *isthmus_GENERAL_NAME_text(const GENERAL_NAME *name, int *count) {
    if (name->type != GEN_URI && name->type != GEN_DNS && name->type != GEN_EMAIL) return NULL;
    *count = ASN1_STRING_length(name->d.ia5);
    return ASN1_STRING_get0_data(name->d.ia5);
}

static inline int isthmus_GENERAL_NAME_kind(const GENERAL_NAME *name) { return name->type; }

/* The bytes of an IP address name (4 or 16), borrowed from `name`; NULL for the other kinds. */
static inline const unsigned char *isthmus_GENERAL_NAME_address(const GENERAL_NAME *name, int *count) {
    if (name->type != GEN_IPADD) return NULL;
    *count = ASN1_STRING_length(name->d.iPAddress);
    return ASN1_STRING_get0_data(name->d.iPAddress);
}

/* --- Variadic, callback or out-of-range constants ------------------------------------------------------------------ */

typedef void (*isthmus_message_callback)(int writing, int version, int content_type, const void *bytes, size_t count,
                                         SSL *ssl, void *argument);

static inline void isthmus_SSL_CTX_set_msg_callback(SSL_CTX *context, isthmus_message_callback callback) {
    SSL_CTX_set_msg_callback(context, callback);
}

/* Adds an extension written in the language of openssl.cnf; `value` is always a literal of this project. */
static inline int isthmus_X509_add_extension(X509 *certificate, X509 *issuer, int nid, const char *value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_nconf_nid(NULL, &context, nid, value);
    if (extension == NULL) return 0;
    int added = X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    return added;
}

static inline int isthmus_X509_CRL_add_authority_key(X509_CRL *list, X509 *issuer) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, NULL, NULL, list, 0);
    X509_EXTENSION *extension = X509V3_EXT_nconf_nid(NULL, &context, NID_authority_key_identifier, "keyid:always");
    if (extension == NULL) return 0;
    int added = X509_CRL_add_ext(list, extension, -1);
    X509_EXTENSION_free(extension);
    return added;
}

/* Flags above 2^31 are imported with differing signedness; one typed name each. */
static inline unsigned long isthmus_X509_name_flags(void) {
    return (XN_FLAG_RFC2253 | ASN1_STRFLGS_ESC_CTRL | ASN1_STRFLGS_ESC_MSB | ASN1_STRFLGS_ESC_QUOTE) &
           ~(unsigned long)XN_FLAG_DN_REV;
}

static inline uint64_t isthmus_SSL_OP_profile(void) {
    return SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE |
           SSL_OP_PRIORITIZE_CHACHA |
           SSL_OP_NO_SSLv3 | SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1;
}

/* Seconds since 1970-01-01T00:00:00Z; 0 when the time is not a valid UTCTime or GeneralizedTime. */
static inline int isthmus_ASN1_TIME_seconds(const ASN1_TIME *time, int64_t *seconds) {
    struct tm parts;
    memset(&parts, 0, sizeof parts);
    if (time == NULL || ASN1_TIME_to_tm(time, &parts) != 1) return 0;
    *seconds = (int64_t)timegm(&parts);
    return 1;
}

static inline int isthmus_ASN1_TIME_set(ASN1_TIME *time, int64_t seconds) {
    return ASN1_TIME_set(time, (time_t)seconds) != NULL;
}

static inline int64_t isthmus_clock_seconds(void) { return (int64_t)time(NULL); }

static inline void isthmus_OPENSSL_free(void *storage) { OPENSSL_free(storage); }

/* A password callback that always refuses: without one, OpenSSL asks on the terminal. */
static inline int isthmus_no_password(char *buffer, int size, int writing, void *argument) {
    (void)buffer, (void)size, (void)writing, (void)argument;
    return -1;
}

#endif
