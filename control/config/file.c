// From a file's name to the configuration: its text, its syntax, its values, its sense.
#include "control/config/walk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/err.h"

static void load(struct tnd__walk *w)
{
    yaml_document_t doc;
    yaml_parser_t p;

    if (!tnd__syntax_check(w))
        return;
    tnd__parser_begin(w, &p);
    if (w->r.no_memory)
        return;
    if (!yaml_parser_load(&p, &doc)) {
        tnd__syntax_error(w, &p); // an alias to no anchor is found only here
    } else {
        w->doc = &doc;
        tnd__read_document(w);
        yaml_document_delete(&doc);
        w->doc = NULL;
    }
    yaml_parser_delete(&p);
}

int tnd_config_parse(const char *path, const char *text, size_t len, struct tnd_config **out,
                     struct tnd_config_errors *errs)
{
    struct tnd__walk w = {.text = text, .len = len};

    *out = NULL;
    *errs = (struct tnd_config_errors){0};
    w.r.errs = errs;
    w.r.config = calloc(1, sizeof *w.r.config);
    if (!w.r.config)
        return -TND_ENOMEM;
    w.r.config->path = tnd__copy(&w.r, tnd_str_of(path));
    load(&w);
    if (!w.r.no_memory && !w.r.exhausted) {
        tnd__where_sort(&w.r);
        tnd__config_check(&w.r);
    }
    free(w.r.where);
    tnd__errors_sort(errs);
    if (w.r.no_memory || errs->n) {
        tnd_config_free(w.r.config);
        return w.r.no_memory ? -TND_ENOMEM : -TND_ECONFIG;
    }
    *out = w.r.config;
    return 0;
}

// The one error of a file that could not even be read.
static int unreadable(struct tnd_config_errors *errs, int code, const char *why)
{
    struct tnd__reader r = {.errs = errs};

    tnd__error(&r, (struct tnd_config_pos){0}, "%s", why);
    return -code;
}

static int slurp(FILE *f, char **text, size_t *len, struct tnd_config_errors *errs)
{
    size_t room = 65536;

    for (*len = 0;; room *= 2) {
        char *bigger = realloc(*text, room);
        if (!bigger)
            return -TND_ENOMEM;
        *text = bigger;
        *len += fread(*text + *len, 1, room - *len, f);
        if (*len > TND_CONFIG_SIZE_MAX)
            return unreadable(errs, TND_ECONFIG, "larger than 64 MB; is this the right file?");
        if (*len < room)
            break;
    }
    return ferror(f) ? unreadable(errs, TND_EIO, strerror(errno)) : 0;
}

int tnd_config_read(const char *path, struct tnd_config **out, struct tnd_config_errors *errs)
{
    FILE *f = fopen(path, "rbe");
    char *text = NULL;
    size_t len = 0;
    int rc;

    *out = NULL;
    *errs = (struct tnd_config_errors){0};
    if (!f) {
        int missing = errno == ENOENT;
        return unreadable(errs, missing ? TND_ENOENT : TND_EIO,
                          missing ? "there is no such file" : strerror(errno));
    }
    rc = slurp(f, &text, &len, errs);
    if (rc == 0)
        rc = tnd_config_parse(path, text, len, out, errs);
    fclose(f);
    free(text);
    return rc;
}
