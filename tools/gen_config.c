// Write docs/configuration.md from the descriptor table, or compare with it.
//
// usage: gen_config FILE           write FILE
//        gen_config --check FILE   exit 1 when FILE is not what would be written
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/config/config.h"

static bool same(const char *path, const char *want, size_t len)
{
    FILE *f = fopen(path, "r");
    char *have = malloc(len + 1);
    bool equal = f && have && fread(have, 1, len + 1, f) == len && memcmp(have, want, len) == 0;

    if (f)
        fclose(f);
    free(have);
    return equal;
}

static bool save(const char *path, const char *page, size_t len)
{
    FILE *f = fopen(path, "w");
    bool fine = f && fwrite(page, 1, len, f) == len;

    return (!f || fclose(f) == 0) && fine;
}

int main(int argc, char **argv)
{
    bool checking = argc == 3 && strcmp(argv[1], "--check") == 0, fine;
    const char *path = argc > 1 ? argv[argc - 1] : "";
    char *page = NULL;
    size_t len = 0;
    FILE *f;

    if (argc != 2 && !checking) {
        fputs("usage: gen_config [--check] FILE\n", stderr);
        return 2;
    }
    f = open_memstream(&page, &len);
    if (!f)
        return 1;
    tnd_config_reference(f);
    fclose(f);
    fine = checking ? same(path, page, len) : save(path, page, len);
    if (!fine)
        fprintf(stderr, "configuration reference: %s: %s\n", path,
                checking ? "is not what control/config/fields.c says; run `make docs` and commit it"
                         : "cannot be written; check the folder and free space");
    free(page);
    return !fine;
}
