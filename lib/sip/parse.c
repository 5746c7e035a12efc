#include "sip/parse.h"

enum tnd_sip_error tnd_sip_parse_with(const struct tnd_scan_kernel *kernel, const char *data,
                                      size_t len, struct tnd_sip_msg *out)
{
    return kernel->parse(data, len, out);
}

enum tnd_sip_error tnd_sip_parse(const char *data, size_t len, struct tnd_sip_msg *out)
{
    return tnd_scan_active->parse(data, len, out);
}

const char *tnd_sip_error_text(enum tnd_sip_error e)
{
    static const char *const texts[] = {
#define X(name, text) text,
        TND_SIP_ERRORS(X)
#undef X
    };

    return (unsigned)e < TND_SIP_ERR_COUNT ? texts[e] : "unknown error";
}
