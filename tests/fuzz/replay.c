// Runs a fuzz target over every file of the folders named on the command line.
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "fuzz/fuzz.h"
#include "util/isa.h"

static const char *compared[TND_ISA_COUNT]; // names, in the order of their first coming

void fuzz_note_kernel(const char *name)
{
    for (unsigned i = 0; i < TND_ISA_COUNT; i++) {
        if (compared[i] && strcmp(compared[i], name) == 0)
            return;
        if (!compared[i]) {
            compared[i] = name;
            return;
        }
    }
}

static bool replay_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = NULL;
    struct stat st;
    bool ok = false;

    if (f && fstat(fileno(f), &st) == 0 && (data = malloc((size_t)st.st_size + 1)) != NULL &&
        fread(data, 1, (size_t)st.st_size, f) == (size_t)st.st_size) {
        LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
        ok = true;
    }
    if (!ok)
        fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
    if (f)
        fclose(f);
    free(data);
    return ok;
}

// Returns: files run, or -1.
static int replay_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    int n = 0;

    if (!dir) {
        fprintf(stderr, "replay: %s: %s\n", folder, strerror(errno));
        return -1;
    }
    while (n >= 0 && (entry = readdir(dir)) != NULL) {
        char path[1024];

        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        n = replay_file(path) ? n + 1 : -1;
    }
    closedir(dir);
    return n;
}

int main(int argc, char **argv)
{
    int total = 0;

    if (!tnd_isa_select(getenv("TANDEM_KERNEL")))
        return 2;
    for (int i = 1; i < argc; i++) {
        int n = replay_folder(argv[i]);

        if (n <= 0) {
            fprintf(stderr, "replay: %s: no files\n", argv[i]);
            return 1;
        }
        total += n;
    }
    printf("%d inputs, kernel %s%s", total, tnd_isa_name(tnd_isa_active()),
           compared[0] ? "; compared with scalar:" : "");
    for (unsigned i = 0; i < TND_ISA_COUNT && compared[i]; i++)
        printf(" %s", compared[i]);
    putchar('\n');
    return total > 0 ? 0 : 1;
}
