// Every message of a folder through parser and engine: name, verdict and reason, a line each.
//
// A file is one message, or a pcap whose UDP datagrams that speak SIP are taken in turn
// ("name#12"). Every source is a trunk, every request goes to one place, and a response
// gets a Via of ours on top, as if its request had passed here.
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>

#include "torture/open_world.h"
#include "util/pcap.h"

static unsigned n_messages, n_by_verdict[TND_VERDICT_COUNT];

// A parse error's text is in the Warning of its answer, else in the parsed message.
static void print_reason(const char *data, size_t len, const struct reply *r)
{
    static struct tnd_sip_msg m;
    enum tnd_sip_error error = tnd_sip_parse(data, len, &m);
    char text[TND_ADDR_TEXT_MAX];

    if (r->verdict == TND_VERDICT_ANSWER)
        printf(" %d", r->status);
    if (r->verdict == TND_VERDICT_DROP)
        printf(" %s", tnd_drop_name(r->drop));
    if (error != TND_SIP_ERR_NONE)
        printf(" (%s, at octet %u)", tnd_sip_error_text(error), m.error_at);
    for (uint32_t k = 0; r->verdict == TND_VERDICT_FORWARD && k < r->n; k++) {
        tnd_addr_text(&r->out[k].dst, text);
        printf(" %s", text);
    }
    printf("\n");
}

// A world for each message: a folder's files know nothing of each other.
static void run_message(const char *name, const char *data, size_t len, const struct tnd_addr *src)
{
    static struct reply r;
    struct harness *h = open_world();

    run_in_the_open(h, data, len, src, &r);
    harness_free(h);
    n_messages++;
    n_by_verdict[r.verdict]++;
    printf("%s %s", name, tnd_verdict_name(r.verdict));
    print_reason(data, len, &r);
}

static bool speaks_sip(const struct tnd_pcap_udp *u)
{
    const char *end = memchr(u->payload, '\n', u->len), *p = (const char *)u->payload;

    for (; end && p + 7 <= end; p++)
        if (strncasecmp(p, "SIP/2.0", 7) == 0)
            return true;
    return false;
}

static void run_capture(const char *name, struct tnd_pcap *p)
{
    struct tnd_pcap_udp u;
    char numbered[512];

    for (unsigned n = 1; tnd_pcap_next(p, &u); n++) {
        if (!speaks_sip(&u))
            continue;
        snprintf(numbered, sizeof numbered, "%s#%u", name, n);
        run_message(numbered, (const char *)u.payload, u.len, &u.src);
    }
}

static bool run_file(const char *folder, const char *name)
{
    struct tnd_addr src = addr_of("192.0.2.77:5060");
    char path[4096];
    struct stat st;
    struct tnd_pcap capture;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "rb");
    char *data = NULL;
    bool ok = f && fstat(fileno(f), &st) == 0;
    if (ok && S_ISDIR(st.st_mode)) {
        fclose(f);
        return true;
    }
    ok = ok && (data = malloc((size_t)st.st_size + 1)) != NULL &&
         fread(data, 1, (size_t)st.st_size, f) == (size_t)st.st_size;
    if (!ok)
        fprintf(stderr, "corpus: %s: %s; is it a file that you may read?\n", path, strerror(errno));
    else if (tnd_pcap_open(&capture, (const uint8_t *)data, (size_t)st.st_size))
        run_capture(name, &capture);
    else
        run_message(name, data, (size_t)st.st_size, &src);
    if (f)
        fclose(f);
    free(data);
    return ok;
}

int main(int argc, char **argv)
{
    struct dirent **entries;
    bool ok = true;

    if (argc != 2) {
        fprintf(stderr, "usage: corpus FOLDER\n");
        return 2;
    }
    int n = scandir(argv[1], &entries, NULL, alphasort);
    if (n < 0) {
        fprintf(stderr, "corpus: %s: %s; name a folder\n", argv[1], strerror(errno));
        return 1;
    }
    for (int i = 0; i < n; i++) {
        if (entries[i]->d_name[0] != '.')
            ok &= run_file(argv[1], entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    printf("%u messages:", n_messages);
    for (int v = 1; v < TND_VERDICT_COUNT; v++)
        if (n_by_verdict[v])
            printf(" %u %s", n_by_verdict[v], tnd_verdict_name((enum tnd_verdict)v));
    printf("\n");
    return ok && n_messages > 0 ? 0 : 1;
}
