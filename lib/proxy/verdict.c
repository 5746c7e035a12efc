#include "proxy/verdict.h"

#define NAME_MAX_LEN 24

// Constants are upper case with underscores; people see lower case and dashes. Folded by the
// compiler, so that a reason needs no second spelling and no code at start.
#define AT(s, i)  ((s)[(i) < sizeof(s) ? (i) : sizeof(s) - 1])
#define FOLD(c)   ((char)((c) == '_' ? '-' : (c) >= 'A' && (c) <= 'Z' ? (c) + ('a' - 'A') : (c)))
#define CH(s, i)  FOLD(AT(s, i))
#define CH4(s, i) CH(s, i), CH(s, (i) + 1), CH(s, (i) + 2), CH(s, (i) + 3)
#define LOWERED(s)                                                          \
    {                                                                       \
        CH4(s, 0), CH4(s, 4), CH4(s, 8), CH4(s, 12), CH4(s, 16), CH4(s, 20) \
    }

struct reason {
    char name[NAME_MAX_LEN];
    const char *what, *remedy;
};

#define X(name, what, remedy) \
    _Static_assert(sizeof(#name) <= NAME_MAX_LEN, "room for the name and its NUL: " #name);
TND_DROPS(X)
#undef X

static const struct reason reasons[TND_DROP_COUNT] = {
    [TND_DROP_NONE] = {"none", "not dropped", "none"},
#define X(name, what, remedy) [TND_DROP_##name] = {LOWERED(#name), what, remedy},
    TND_DROPS(X)
#undef X
};

static const struct reason unknown = {"unknown", "a reason this version does not know", "none"};

static const struct reason *reason_of(enum tnd_drop d)
{
    return (unsigned)d < TND_DROP_COUNT ? &reasons[d] : &unknown;
}

const char *tnd_drop_name(enum tnd_drop d)
{
    return reason_of(d)->name;
}

const char *tnd_drop_what(enum tnd_drop d)
{
    return reason_of(d)->what;
}

const char *tnd_drop_remedy(enum tnd_drop d)
{
    return reason_of(d)->remedy;
}

const char *tnd_verdict_name(enum tnd_verdict v)
{
    static const char *const names[TND_VERDICT_COUNT] = {
        [TND_VERDICT_NONE] = "none",     [TND_VERDICT_FORWARD] = "forward",
        [TND_VERDICT_ANSWER] = "answer", [TND_VERDICT_ABSORB] = "absorb",
        [TND_VERDICT_PARK] = "park",     [TND_VERDICT_PUNT] = "punt",
        [TND_VERDICT_DROP] = "drop",
    };

    return (unsigned)v < TND_VERDICT_COUNT ? names[v] : "unknown";
}
