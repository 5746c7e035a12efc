// The torture messages of RFC 4475 and RFC 5118 with the action each one calls for.
//
// EXPECT.tsv has a line a message; messages lie in a folder a document. Tests of the parser
// and of the whole engine read them through this.
//
// Lifetime: a loaded set is freed as a whole. Not for threads.
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum torture_action {
    TORTURE_NONE, // in the archive, named by no section: no expectation
    TORTURE_FORWARD,
    TORTURE_DROP,
    TORTURE_ANSWER, // with `status`
};

struct torture_case {
    char corpus[16]; // "rfc4475"
    char name[64];
    char section[16];
    char top_via[16];           // transport of the top Via: "UDP", "TCP", "TLS", "-"
    enum torture_action action; // the first alternative of the list
    int status;
    char *data;
    size_t len;
};

struct torture_set {
    struct torture_case *cases;
    size_t n;
};

// Load EXPECT.tsv and all messages it names from `dir`.
// Returns: false and says on stderr what is missing or malformed.
bool torture_load(const char *dir, struct torture_set *out);
void torture_free(struct torture_set *set);

// The case of that name, or NULL.
const struct torture_case *torture_find(const struct torture_set *set, const char *name);
