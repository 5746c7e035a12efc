// Write docs/drops.md from the one list of drop reasons (proxy/verdict.h), or compare with it.
//
// usage: gen_drops FILE           write FILE
//        gen_drops --check FILE   exit 1 when FILE is not what would be written
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/verdict.h"

static void write_page(FILE *f)
{
    fputs("# Why a packet was dropped\n\n"
          "Every packet ends in exactly one verdict; a dropped one has exactly one of these "
          "reasons.\n"
          "The same names are in the counters and in `tandem ctl show drops`. This page is made "
          "from\n"
          "`lib/proxy/verdict.h` by `make docs`; edit it there.\n\n"
          "| reason | what happened | what to do |\n"
          "|---|---|---|\n",
          f);
    for (unsigned d = TND_DROP_NONE + 1; d < TND_DROP_COUNT; d++)
        fprintf(f, "| `%s` | %s | %s |\n", tnd_drop_name((enum tnd_drop)d),
                tnd_drop_what((enum tnd_drop)d), tnd_drop_remedy((enum tnd_drop)d));
}

// Returns: 0 when `path` holds exactly `want`.
static int check(const char *path, const char *want, size_t len)
{
    char *have = malloc(len + 1);
    FILE *f = fopen(path, "r");
    bool same = false;

    if (f && have)
        same = fread(have, 1, len + 1, f) == len && memcmp(have, want, len) == 0;
    if (f)
        fclose(f);
    free(have);
    if (!same)
        fprintf(stderr, "drop reasons: %s: %s; run `make docs` and commit the result\n", path,
                f ? "is not what lib/proxy/verdict.h says" : "cannot be read");
    return !same;
}

static int save(const char *path, const char *page, size_t len)
{
    FILE *f = fopen(path, "w");
    bool ok = f && fwrite(page, 1, len, f) == len;

    if (f && fclose(f) != 0)
        ok = false;
    if (!ok)
        fprintf(stderr, "drop reasons: %s: cannot be written; check the folder and free space\n",
                path);
    return !ok;
}

int main(int argc, char **argv)
{
    bool checking = argc == 3 && strcmp(argv[1], "--check") == 0;
    char *page = NULL;
    size_t len = 0;
    FILE *f;
    int rc;

    if (argc != 2 && !checking) {
        fputs("usage: gen_drops [--check] FILE\n", stderr);
        return 2;
    }
    f = open_memstream(&page, &len);
    if (!f)
        return 1;
    write_page(f);
    fclose(f);
    rc = checking ? check(argv[2], page, len) : save(argv[1], page, len);
    free(page);
    return rc;
}
