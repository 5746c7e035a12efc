#include "control/ctl_watch.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "control/ctl_client.h"
#include "control/ctl_text.h"
#include "control/screen.h"
#include "control/units.h"

#define PERIOD_MS 1000

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signum)
{
    interrupted = 1;
}

struct watch {
    struct tnd_ctl_client *client;
    uint64_t requests, drops, up_ms; // of the picture before
    bool first;
    char last_states[4096]; // in a pipe: what was printed, to print changes only
};

static uint64_t number_of(const json_t *o, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(o, key));
}

static void print_head(struct watch *w, const json_t *summary, FILE *out)
{
    char up[TND_UNITS_MAX], rate[TND_UNITS_MAX], drops[TND_UNITS_MAX];
    uint64_t up_ms = number_of(summary, "up_ms"), requests = number_of(summary, "requests");
    uint64_t dropped = number_of(summary, "drops");
    double seconds = (double)(up_ms - w->up_ms) / 1000;

    if (w->first || seconds <= 0)
        seconds = 1e300; // no rate yet
    fprintf(out, "Tandem  up %s   %s requests   %s drops\n\n",
            tnd_units_duration((double)up_ms / 1000, up),
            tnd_units_rate((double)(requests - w->requests) / seconds, rate),
            tnd_units_rate((double)(dropped - w->drops) / seconds, drops));
    w->requests = requests;
    w->drops = dropped;
    w->up_ms = up_ms;
    w->first = false;
}

// In a pipe, one line per change of a target's state.
static void print_changes(struct watch *w, const json_t *targets)
{
    const json_t *t;
    size_t i, len = 0;
    char now[sizeof w->last_states] = "";

    json_array_foreach((json_t *)json_object_get(targets, "targets"), i, t)
    {
        char line[256];
        int n = snprintf(line, sizeof line, "%s %s:%" PRIu64 " %s\n",
                         json_string_value(json_object_get(t, "trunk")),
                         json_string_value(json_object_get(t, "address")), number_of(t, "port"),
                         json_string_value(json_object_get(t, "state")));
        if (n < (int)sizeof line && !strstr(w->last_states, line))
            fputs(line, stdout);
        if (len + (size_t)n < sizeof now)
            len += (size_t)snprintf(now + len, sizeof now - len, "%s", line);
    }
    memcpy(w->last_states, now, sizeof now);
    fflush(stdout);
}

// Below the picture, which is old now; the next one takes its place.
static void on_waiting(unsigned seconds)
{
    if (tnd_screen_live())
        printf("\rthe engine does not answer, %u s", seconds);
    else
        fprintf(stderr, "tandem ctl: waiting for the engine's answer, %u s\n", seconds);
    fflush(stdout);
}

static int picture(struct watch *w, struct tnd_error *err)
{
    json_t *summary = tnd_ctl_client_ask(w->client, "show", "summary", err);
    json_t *targets = summary ? tnd_ctl_client_ask(w->client, "show", "targets", err) : NULL;
    json_t *drops = targets ? tnd_ctl_client_ask(w->client, "show", "drops", err) : NULL;

    if (drops && tnd_screen_live()) {
        FILE *out = tnd_screen_begin();
        print_head(w, json_object_get(summary, "summary"), out);
        tnd_ctl_text("targets", targets, out);
        fputc('\n', out);
        tnd_ctl_text("drops", drops, out);
        fprintf(out, "\nq leaves\n");
        tnd_screen_end();
    } else if (drops) {
        print_changes(w, targets);
    }
    json_decref(summary);
    json_decref(targets);
    json_decref(drops);
    return drops ? 0 : -1;
}

// Waits for the next picture. Returns: false when the user wants to leave.
static bool wait_for_next(void)
{
    for (int waited = 0; waited < PERIOD_MS; waited += 50) {
        if (interrupted || tnd_screen_key() == 'q')
            return false;
        poll(NULL, 0, 50);
    }
    return !interrupted;
}

int tnd_ctl_watch(const char *socket)
{
    struct watch w = {.first = true};
    struct tnd_error err;
    int rc = 0;

    w.client = tnd_ctl_client_open(socket, on_waiting, &err);
    if (!w.client) {
        fprintf(stderr, "tandem ctl: %s\n", err.text);
        return 1;
    }
    signal(SIGINT, on_interrupt);
    signal(SIGTERM, on_interrupt);
    signal(SIGPIPE, SIG_IGN);
    tnd_screen_open();
    do {
        rc = picture(&w, &err);
    } while (rc == 0 && wait_for_next() && !ferror(stdout));
    tnd_screen_close();
    tnd_ctl_client_close(w.client);
    if (rc < 0)
        fprintf(stderr, "tandem ctl: %s\n", err.text);
    return rc < 0 ? 1 : 0;
}
