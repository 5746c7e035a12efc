#include "control/keyfile.h"

#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_SIGN_ID 1

static int random_key(struct tnd_hash_key *key, struct tnd_error *err)
{
    if (getrandom(key, sizeof *key, 0) == (ssize_t)sizeof *key)
        return 0;
    return tnd_fail(err, TND_EIO, "keys: the kernel gives no random numbers: %s", strerror(errno));
}

static int random_keys(struct tnd_keys *out, struct tnd_error *err)
{
    memset(out, 0, sizeof *out);
    out->n_sign = 1;
    out->sign[0].id = FIRST_SIGN_ID;
    if (random_key(&out->digest, err) < 0)
        return -TND_EIO;
    return random_key(&out->sign[0].key, err);
}

static void print_key(FILE *f, const struct tnd_hash_key *key)
{
    fprintf(f, "%016llx%016llx\n", (unsigned long long)key->k0, (unsigned long long)key->k1);
}

static void make_folder(const char *path)
{
    char copy[4096];

    snprintf(copy, sizeof copy, "%s", path);
    mkdir(dirname(copy), 0755); // where it cannot be made, making the file says why
}

static int read_path(const char *path, struct tnd_keys *out, struct tnd_error *err);

// Written beside and linked, so that a crash leaves no half of a secret, and of two that start
// at once with one file the later takes the keys of the earlier.
static int make_file(const char *path, struct tnd_keys *out, struct tnd_error *err)
{
    char beside[4096];
    FILE *f = NULL;
    int fd;

    if (random_keys(out, err) < 0)
        return -TND_EIO;
    if (snprintf(beside, sizeof beside, "%s.%d", path, (int)getpid()) >= (int)sizeof beside)
        return tnd_fail(err, TND_ECONFIG, "key-file: %.100s..: the path is too long", path);
    make_folder(path);
    fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || !(f = fdopen(fd, "w"))) {
        int why = errno;
        if (fd >= 0)
            close(fd);
        return tnd_fail(err, TND_EIO,
                        "key-file: %s: cannot be made: %s; make its folder writable, or name "
                        "another file",
                        path, strerror(why));
    }
    fprintf(f, "# Tandem's keys. Nodes that share the digest key choose alike.\ndigest ");
    print_key(f, &out->digest);
    fprintf(f, "sign %d ", FIRST_SIGN_ID);
    print_key(f, &out->sign[0].key);
    bool written = fflush(f) == 0 && fsync(fd) == 0;
    int why = errno;
    fclose(f);
    if (written && link(beside, path) < 0) {
        written = false;
        why = errno;
    }
    unlink(beside);
    if (written)
        return 0;
    if (why == EEXIST)
        return read_path(path, out, err);
    return tnd_fail(err, TND_EIO,
                    "key-file: %s: cannot be written: %s; make room there, or name another file",
                    path, strerror(why));
}

static bool parse_key(const char *hex, struct tnd_hash_key *key)
{
    char half[17] = {0};

    if (strspn(hex, "0123456789abcdefABCDEF") != 32 || hex[32] != 0)
        return false;
    memcpy(half, hex, 16);
    key->k0 = strtoull(half, NULL, 16);
    memcpy(half, hex + 16, 16);
    key->k1 = strtoull(half, NULL, 16);
    return true;
}

// Returns: NULL, or what is wrong with the line.
static const char *read_line(char *line, struct tnd_keys *out, bool *has_digest)
{
    char kind[8], id[5], hex[40];
    char *comment = strchr(line, '#');
    char *end;

    if (comment)
        *comment = 0;
    if (line[strspn(line, " \t\r\n")] == 0)
        return NULL;
    if (sscanf(line, " %7s", kind) == 1 && strcmp(kind, "digest") == 0) {
        if (*has_digest)
            return "a second digest key; there is one, and it never changes";
        *has_digest = true;
        return sscanf(line, " digest %39s", hex) == 1 && parse_key(hex, &out->digest)
                   ? NULL
                   : "expected 'digest' and 32 hexadecimal digits";
    }
    if (sscanf(line, " sign %4s %39s", id, hex) != 2)
        return "expected 'digest HEX32' or 'sign ID HEX32'";
    if (out->n_sign == TND_SIGN_KEYS_MAX)
        return "more than 8 sign keys; take out the oldest";
    unsigned long n = strtoul(id, &end, 10);
    if (*end || n > 255 || tnd_keys_find(out, (uint8_t)n))
        return "a sign key's ID is a number from 0 to 255, each used once";
    out->sign[out->n_sign].id = (uint8_t)n;
    return parse_key(hex, &out->sign[out->n_sign++].key) ? NULL
                                                         : "a sign key has 32 hexadecimal digits";
}

static int read_file(FILE *f, const char *path, struct tnd_keys *out, struct tnd_error *err)
{
    char line[256];
    bool has_digest = false;

    memset(out, 0, sizeof *out);
    for (int n = 1; fgets(line, sizeof line, f); n++) {
        const char *wrong = read_line(line, out, &has_digest);
        if (wrong)
            return tnd_fail(err, TND_ECONFIG, "%s:%d: %s", path, n, wrong);
    }
    if (!has_digest || out->n_sign == 0)
        return tnd_fail(err, TND_ECONFIG,
                        "%s: %s is missing; add it, or remove the file to have a new one made",
                        path, has_digest ? "a line 'sign ID HEX32'" : "the line 'digest HEX32'");
    return 0;
}

static int read_path(const char *path, struct tnd_keys *out, struct tnd_error *err)
{
    struct stat st;
    FILE *f = fopen(path, "re");
    int rc;

    if (!f)
        return tnd_fail(err, TND_EIO, "key-file: %s: cannot be read: %s", path, strerror(errno));
    if (fstat(fileno(f), &st) == 0 && (st.st_mode & 077))
        rc =
            tnd_fail(err, TND_ECONFIG, "key-file: %s: others may read it (mode %03o); chmod 600 %s",
                     path, (unsigned)st.st_mode & 0777, path);
    else
        rc = read_file(f, path, out, err);
    fclose(f);
    return rc;
}

int tnd_keyfile_load(const char *path, struct tnd_keys *out, struct tnd_error *err)
{
    if (!path)
        return random_keys(out, err);
    if (access(path, F_OK) < 0 && errno == ENOENT)
        return make_file(path, out, err);
    return read_path(path, out, err);
}
