/* Makes many mutual-TLS HTTP/2 connections: to count what a handshake costs, and what an idle one keeps.
 *
 *   connections handshake PORT COUNT CERT KEY CA
 *       COUNT connections one after another, each a full TLS 1.3 handshake with a client certificate and
 *       without resumption, HTTP/2 preface and SETTINGS sent, the server's SETTINGS read (in TLS 1.3 only
 *       the server's first bytes prove that it accepted the certificate), closed.
 *       Prints: handshakes N tickets T microseconds U
 *   connections idle PORT COUNT CERT KEY CA [BODY]
 *       COUNT such connections, all kept open and idle. Prints: ready N. Then a command a line on standard
 *       input: `request K` sends one POST / with BODY on K of them spread evenly (prints: served K of K),
 *       `quit` ends.
 *
 * The session and the stream are spoken by hand (a fixed header block of literals without Huffman) so that
 * the client itself stays small beside thousands of connections and is bound to no library's behaviour.
 *
 *   cc -O2 -o connections connections.c -lssl -lcrypto
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { FRAME_HEADER = 9, DATA = 0, HEADERS = 1, RST_STREAM = 3, SETTINGS = 4, GOAWAY = 7 };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4 };
enum { PLAINTEXT_MAX = 16384 };

struct connection {
    int descriptor;
    SSL *tls;
    uint32_t next_stream;
};

static long tickets;

static int count_ticket(SSL *tls, SSL_SESSION *session) {
    (void)tls, (void)session;
    tickets++;
    return 0;
}

static void stop(const char *what) {
    fprintf(stderr, "connections: %s\n", what);
    ERR_print_errors_fp(stderr);
    exit(1);
}

static SSL_CTX *make_context(char **files) {
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (context == NULL) stop("no TLS context");
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, count_ticket);
    SSL_CTX_set_alpn_protos(context, (const unsigned char *)"\2h2", 3);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    if (SSL_CTX_use_certificate_chain_file(context, files[0]) != 1) stop("cannot load the certificate");
    if (SSL_CTX_use_PrivateKey_file(context, files[1], SSL_FILETYPE_PEM) != 1) stop("cannot load the key");
    if (SSL_CTX_load_verify_locations(context, files[2], NULL) != 1) stop("cannot load the CA");
    return context;
}

/* One frame into `payload`; returns its type. */
static int read_frame(SSL *tls, unsigned char *payload, uint32_t *length, int *flags, uint32_t *stream) {
    unsigned char head[FRAME_HEADER];
    for (int have = 0; have < FRAME_HEADER;) {
        int n = SSL_read(tls, head + have, FRAME_HEADER - have);
        if (n <= 0) return -1;
        have += n;
    }
    *length = (uint32_t)head[0] << 16 | head[1] << 8 | head[2];
    *flags = head[4];
    *stream = ((uint32_t)head[5] << 24 | head[6] << 16 | head[7] << 8 | head[8]) & 0x7fffffff;
    if (*length > PLAINTEXT_MAX) return -1;
    for (uint32_t have = 0; have < *length;) {
        int n = SSL_read(tls, payload + have, *length - have);
        if (n <= 0) return -1;
        have += n;
    }
    return head[3];
}

static int open_connection(SSL_CTX *context, int port, struct connection *made) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    made->descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (made->descriptor < 0 || connect(made->descriptor, (struct sockaddr *)&address, sizeof address) != 0) return 0;
    int on = 1;
    struct timeval patience = {.tv_sec = 10};
    setsockopt(made->descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(made->descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    made->tls = SSL_new(context);
    made->next_stream = 1;
    SSL_set_fd(made->tls, made->descriptor);
    SSL_set_tlsext_host_name(made->tls, "localhost");
    if (SSL_connect(made->tls) != 1 || SSL_session_reused(made->tls)) return 0;
    static const char hello[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" "\0\0\0\4\0\0\0\0";
    if (SSL_write(made->tls, hello, sizeof hello) != sizeof hello) return 0; /* the literal's NUL ends the frame */
    unsigned char payload[PLAINTEXT_MAX];
    uint32_t length, stream;
    int flags, type;
    do type = read_frame(made->tls, payload, &length, &flags, &stream);
    while (type >= 0 && type != SETTINGS);
    return type == SETTINGS && !(flags & ACK);
}

static int acknowledge(struct connection *made) {
    static const char ack[FRAME_HEADER] = {0, 0, 0, SETTINGS, ACK, 0, 0, 0, 0};
    return SSL_write(made->tls, ack, sizeof ack) == sizeof ack;
}

static void close_connection(struct connection *made) {
    SSL_shutdown(made->tls);
    SSL_free(made->tls);
    close(made->descriptor);
}

static size_t put_frame(unsigned char *out, int type, int flags, uint32_t stream, const void *body, size_t length) {
    unsigned char head[FRAME_HEADER] = {length >> 16, length >> 8, length, type, flags,
                                        stream >> 24, stream >> 16, stream >> 8, stream};
    memcpy(out, head, sizeof head);
    memcpy(out + sizeof head, body, length);
    return sizeof head + length;
}

/* A literal field without indexing, new name (RFC 7541 section 6.2.2); both lengths stay under 127. */
static size_t put_field(unsigned char *out, const char *name, const char *value) {
    size_t a = strlen(name), b = strlen(value);
    out[0] = 0;
    out[1] = a;
    memcpy(out + 2, name, a);
    out[2 + a] = b;
    memcpy(out + 3 + a, value, b);
    return 3 + a + b;
}

static int request_is_served(struct connection *made, int port, const char *body, size_t body_bytes) {
    static unsigned char out[2 * FRAME_HEADER + 1024 + PLAINTEXT_MAX], block[1024], payload[PLAINTEXT_MAX];
    char authority[32], declared[32];
    snprintf(authority, sizeof authority, "localhost:%d", port);
    snprintf(declared, sizeof declared, "%zu", body_bytes);
    size_t n = put_field(block, ":method", "POST");
    n += put_field(block + n, ":scheme", "https");
    n += put_field(block + n, ":path", "/");
    n += put_field(block + n, ":authority", authority);
    n += put_field(block + n, "content-type", "application/x-amz-json-1.1");
    n += put_field(block + n, "x-amz-target", "AWSEvents.PutEvents");
    n += put_field(block + n, "content-length", declared);
    uint32_t mine = made->next_stream, length, stream;
    made->next_stream += 2;
    size_t bytes = put_frame(out, HEADERS, END_HEADERS, mine, block, n);
    bytes += put_frame(out + bytes, DATA, END_STREAM, mine, body, body_bytes);
    if (SSL_write(made->tls, out, bytes) != (int)bytes) return 0;
    for (int ok = 0, flags, type;;) {
        type = read_frame(made->tls, payload, &length, &flags, &stream);
        if (type < 0 || type == GOAWAY) return 0;
        if (type == SETTINGS && !(flags & ACK)) acknowledge(made);
        if (stream != mine) continue;
        if (type == RST_STREAM) return 0;
        if (type == HEADERS) {
            uint32_t at = 0;
            while (at < length && (payload[at] & 0xe0) == 0x20) at++; /* table size updates come first */
            ok = at < length && payload[at] == 0x88;                  /* :status 200, static index 8 */
        }
        if ((type == HEADERS || type == DATA) && flags & END_STREAM) return ok;
    }
}

static void measure_handshakes(SSL_CTX *context, int port, int count) {
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    for (int i = 0; i < count; i++) {
        struct connection made;
        if (!open_connection(context, port, &made)) stop("a handshake was refused");
        close_connection(&made);
    }
    clock_gettime(CLOCK_MONOTONIC, &after);
    double elapsed = (after.tv_sec - before.tv_sec) * 1e6 + (after.tv_nsec - before.tv_nsec) / 1e3;
    printf("handshakes %d tickets %ld microseconds %.0f\n", count, tickets, elapsed);
}

static void keep_idle(SSL_CTX *context, int port, int count, const char *body, size_t body_bytes) {
    struct connection *all = calloc(count, sizeof *all);
    char line[64];
    for (int i = 0; i < count; i++) {
        if (!open_connection(context, port, &all[i]) || !acknowledge(&all[i])) {
            fprintf(stderr, "connections: %d of %d were accepted\n", i, count);
            stop("a connection was refused");
        }
    }
    printf("ready %d\n", count);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL && strncmp(line, "quit", 4) != 0) {
        int wanted = 0, served = 0;
        if (sscanf(line, "request %d", &wanted) != 1 || wanted < 1 || wanted > count) stop("commands: request K, quit");
        for (int i = 0; i < wanted; i++)
            served += request_is_served(&all[(long)i * count / wanted], port, body, body_bytes);
        printf("served %d of %d\n", served, wanted);
        fflush(stdout);
    }
}

int main(int count, char **word) {
    static char body[PLAINTEXT_MAX];
    size_t body_bytes = 0;
    if (count < 7) stop("connections handshake|idle PORT COUNT CERT KEY CA [BODY]");
    signal(SIGPIPE, SIG_IGN);
    SSL_CTX *context = make_context(word + 4);
    if (count > 7) {
        FILE *file = fopen(word[7], "rb");
        if (file == NULL) stop("cannot read the body");
        body_bytes = fread(body, 1, sizeof body, file);
        fclose(file);
    }
    int port = atoi(word[2]), wanted = atoi(word[3]);
    if (strcmp(word[1], "handshake") == 0) measure_handshakes(context, port, wanted);
    else if (strcmp(word[1], "idle") == 0) keep_idle(context, port, wanted, body, body_bytes);
    else stop("connections handshake|idle PORT COUNT CERT KEY CA [BODY]");
    return 0;
}
