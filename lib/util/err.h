// Errors of the control side: 0 or a negative enum tnd_err, and a message for people.
//
// The data path uses none of this: a packet ends in a verdict (proxy/verdict.h).
//
// Threads: values.
#pragma once

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

enum tnd_err {
    TND_EINVAL = EINVAL,
    TND_ENOMEM = ENOMEM,
    TND_EIO = EIO,
    TND_ENOENT = ENOENT,
    TND_EEXIST = EEXIST,
    TND_EBUSY = EBUSY,
    TND_EPERM = EPERM,
    TND_ETIMEDOUT = ETIMEDOUT,
    TND_ENODOMAIN = 4096, // DNS: the name does not exist
    TND_EDNS,             // DNS: no usable answer
    TND_ECONFIG,          // configuration found wrong; the errors are in its list
};

// One line for a person: "what: where: why; what to do". Filled by whoever fails first.
struct tnd_error {
    char text[512];
};

// Fill `e` (which may be NULL) and return -code, for `return tnd_fail(err, TND_EIO, "..")`.
__attribute__((format(printf, 3, 4))) static inline int tnd_fail(struct tnd_error *e, int code,
                                                                 const char *fmt, ...)
{
    va_list ap;

    if (e) {
        va_start(ap, fmt);
        vsnprintf(e->text, sizeof e->text, fmt, ap);
        va_end(ap);
    }
    return -code;
}
