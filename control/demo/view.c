// What the demo shows: repainted in place on a terminal, a line a change in a pipe.
#include <stdio.h>
#include <string.h>

#include "control/demo/demo.h"
#include "control/screen.h"
#include "control/table.h"
#include "control/units.h"
#include "sip/scan.h"

#define NARROW 66 // columns below which the shorter forms are used

static const char *duration(double s, char out[TND_UNITS_MAX])
{
    snprintf(out, TND_UNITS_MAX, "%.0f s", s);
    return out;
}

// `left`, and `right` at the end of the line, or below it where both do not fit.
static void line_of_two(FILE *out, unsigned width, const char *left, const char *right)
{
    unsigned used = (unsigned)strlen(left) + (unsigned)strlen(right);

    if (used + 2 > width)
        fprintf(out, "%s\n%s\n", left, right);
    else
        fprintf(out, "%s%*s%s\n", left, (int)(width - used), "", right);
}

static void print_header(const struct tnd_demo *d, FILE *out, unsigned width)
{
    char left[80], right[80], at[TND_UNITS_MAX], of[TND_UNITS_MAX];

    snprintf(left, sizeof left,
             width < NARROW ? "Tandem %s demo" : "Tandem %s demo: 1 worker, net_ring, kernel %s",
             TND_VERSION, tnd_scan_active->name);
    snprintf(right, sizeof right, "%s of %s", duration(d->elapsed_s, at), duration(d->seconds, of));
    line_of_two(out, width, left, right);
}

static void print_rate(const struct tnd_demo *d, FILE *out, unsigned width)
{
    char rate[TND_UNITS_MAX], ns[TND_UNITS_MAX], lost[TND_UNITS_MAX], unknown[TND_UNITS_MAX];

    tnd_units_count(d->rate, rate);
    tnd_units_duration(d->engine_ns / 1e9, ns);
    tnd_units_count((double)tnd_traffic_lost(&d->traffic), lost);
    tnd_units_count((double)(d->sink.unknown + d->sink.dead), unknown);
    fprintf(out,
            width < NARROW ? "%s/s  %s  lost %s  unknown %s\n"
                           : "%s requests/s   %s each   lost %s   unknown %s\n",
            rate, ns, lost, unknown);
}

// ---- The table ------------------------------------------------------------------------

static const struct tnd_column columns[] = {{"TIER", TND_LEFT, 0},      {"TARGET", TND_LEFT, 8},
                                            {"WANTED", TND_RIGHT, 0},   {"GOT", TND_RIGHT, 0},
                                            {"REQUESTS", TND_RIGHT, 0}, {"STATE", TND_LEFT, 0}};
static const struct tnd_column narrow_columns[] = {{"TARGET", TND_LEFT, 8},
                                                   {"WANTED", TND_RIGHT, 0},
                                                   {"GOT", TND_RIGHT, 0},
                                                   {"STATE", TND_LEFT, 0}};

// A share of calls; "-" where there was none.
static void percent_of(uint64_t n, uint64_t all, char out[TND_UNITS_MAX])
{
    if (all > 0)
        tnd_units_percent((double)n / (double)all, out);
    else
        snprintf(out, TND_UNITS_MAX, "-");
}

static void print_table(const struct tnd_demo *d, const struct tnd_demo_phase *p,
                        const uint64_t got[], uint64_t calls, FILE *out, unsigned width)
{
    bool narrow = width < NARROW;
    struct tnd_table_text *t =
        narrow ? tnd_table_text_new(narrow_columns, 4) : tnd_table_text_new(columns, 6);
    char target[TND_ADDR_TEXT_MAX + 8], wanted[TND_UNITS_MAX], share[TND_UNITS_MAX],
        n[TND_UNITS_MAX], state[48];

    for (unsigned i = 0; t && i < TND_DEMO_TARGETS; i++) {
        char text[TND_ADDR_TEXT_MAX];
        tnd_addr_text(&d->sink.targets[i], text);
        if (narrow)
            text[strcspn(text, ":")] = '\0';
        snprintf(target, sizeof target, narrow ? "%s" : "udp %s", text);
        percent_of(got[i], calls, share);
        snprintf(state, sizeof state, "%s%s%s", tnd_colour_on(tnd_colour_of_state(p->state[i])),
                 p->state[i], tnd_colour_off());
        if (narrow)
            tnd_table_text_row(t, (const char *const[]){target,
                                                        tnd_units_percent(p->wanted[i], wanted),
                                                        share, state});
        else
            tnd_table_text_row(t, (const char *const[]){i == TND_DEMO_STANDBY ? "1" : "0", target,
                                                        tnd_units_percent(p->wanted[i], wanted),
                                                        share, tnd_units_total(got[i], n), state});
    }
    if (t)
        tnd_table_text_print(t, 0, out);
    tnd_table_text_free(t);
}

// "> 8 s  drained ..": broken between words where the terminal is narrow.
static void print_event(const char *event, FILE *out, unsigned width)
{
    unsigned at = 2;

    fputs(">", out);
    for (const char *p = event; *p;) {
        unsigned word = (unsigned)strcspn(p, " ");
        unsigned spaces = (unsigned)strspn(p + word, " ");
        if (p != event && at + word > width) {
            fputs("\n ", out);
            at = 2;
        }
        fprintf(out, " %.*s%s", (int)word, p, spaces > 1 ? " " : "");
        at += word + (spaces > 1 ? 2 : 1);
        p += word + spaces;
    }
    fputc('\n', out);
}

// ---- Live -----------------------------------------------------------------------------

static void print_live(const struct tnd_demo *d, FILE *out, unsigned width)
{
    const struct tnd_demo_phase *p = &d->phases[d->n_phases - 1];
    uint64_t calls = 0;

    print_header(d, out, width);
    if (d->n_phases == 0) {
        fputs("starting DPDK\n", out);
        return;
    }
    print_rate(d, out, width);
    fputc('\n', out);
    for (unsigned i = 0; i < TND_DEMO_TARGETS; i++)
        calls += d->sink.got[i];
    print_table(d, p, d->sink.got, calls, out, width);
    for (unsigned i = 0; i < d->n_phases; i++)
        print_event(d->phases[i].event, out, width);
    fputs("\nq ends it\n", out);
}

bool tnd_demo_view_open(const struct tnd_demo *d)
{
    bool live = tnd_screen_open();

    if (live) {
        tnd_demo_view_paint(d);
    } else {
        printf("Tandem %s demo: 1 worker, net_ring, kernel %s; %.0f s, seed %llu\n", TND_VERSION,
               tnd_scan_active->name, d->seconds, (unsigned long long)d->seed);
        fflush(stdout);
    }
    return live;
}

void tnd_demo_view_paint(const struct tnd_demo *d)
{
    if (!tnd_screen_live())
        return;
    FILE *out = tnd_screen_begin();
    print_live(d, out, tnd_screen_width());
    tnd_screen_end();
}

void tnd_demo_view_phase(const struct tnd_demo *d)
{
    if (tnd_screen_live())
        return;
    print_event(d->phases[d->n_phases - 1].event, stdout, tnd_screen_width());
    fflush(stdout);
}

void tnd_demo_view_close(void)
{
    tnd_screen_close();
}

// ---- The summary ----------------------------------------------------------------------

static double ns_each(const struct tnd_demo *d, uint64_t cycles)
{
    uint64_t n = d->traffic.offered;

    return n ? (double)cycles * 1e9 / (double)tnd_dataplane_hz(d->rig.dp) / (double)n : 0;
}

static void print_stages(const struct tnd_demo *d, unsigned width)
{
    struct tnd_worker_stats stats;
    char ns[TND_UNITS_MAX], word[64];
    unsigned at = 0;

    tnd_dataplane_stats(d->rig.dp, 0, &stats);
    for (unsigned i = 0; i < TND_STAGE_COUNT; i++) {
        if (i == TND_STAGE_idle)
            continue;
        tnd_units_duration(ns_each(d, stats.io.cycles[i]) / 1e9, ns);
        int len = snprintf(word, sizeof word, "  %s %s", tnd_stage_name(i), ns);
        if (at > 0 && at + (unsigned)len > width) {
            putchar('\n');
            at = 0;
        }
        fputs(word, stdout);
        at += (unsigned)len;
    }
    putchar('\n');
}

static void print_phase(const struct tnd_demo *d, const struct tnd_demo_phase *p, unsigned width)
{
    char calls[TND_UNITS_MAX];

    printf("\n%s: %s calls, chi-square p = %.2g\n", p->name, tnd_units_total(p->calls, calls),
           p->p);
    print_table(d, p, p->got, p->calls, stdout, width);
}

void tnd_demo_view_summary(const struct tnd_demo *d)
{
    const struct tnd_traffic *t = &d->traffic;
    unsigned width = tnd_screen_width();
    char a[TND_UNITS_MAX], b[TND_UNITS_MAX], c[TND_UNITS_MAX], why[TND_DEMO_EVENT];
    bool passed = tnd_demo_passed(d, why);

    for (unsigned i = 0; i < d->n_phases; i++)
        print_phase(d, &d->phases[i], width);
    putchar('\n');
    double engine = ns_each(d, t->engine_cycles);
    double all = d->elapsed_s > 0 ? (double)t->offered / d->elapsed_s : 0;
    printf("%s requests in %s%s: %s,\n", tnd_units_total(t->offered, a),
           tnd_units_duration(d->elapsed_s, b), d->interrupted ? " (ended early)" : "",
           tnd_units_rate(all, c));
    printf("  engine %s each,", tnd_units_duration(engine / 1e9, a));
    printf(" source %s, sink %s in the same thread\n",
           tnd_units_duration(ns_each(d, t->source_cycles) / 1e9, b),
           tnd_units_duration(ns_each(d, t->sink_cycles) / 1e9, c));
    printf("the engine's stages:\n");
    print_stages(d, width);
    printf("lost %s   unknown %s   answered %s", tnd_units_count((double)tnd_traffic_lost(t), a),
           tnd_units_count((double)(d->sink.unknown + d->sink.dead), b),
           tnd_units_count((double)d->sink.answered, c));
    printf("   compared in full %s\n", tnd_units_total(d->sink.checked, a));
    printf("moves were counted on %s calls, sent again after each change\n",
           tnd_units_total(TND_TRAFFIC_SAMPLE, a));
    printf("%s%s\n", passed ? "all held" : "FAILED: ", why);
}
