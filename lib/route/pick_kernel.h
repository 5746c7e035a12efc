// Private to lib/route: the arithmetic of the pick, and the seam where its kernels come in.
//
// A kernel scores n records for one call and returns the position of the smallest score;
// the first of equals wins. All kernels give the same score bits for all 2^24 draws and
// every weight, so that nodes with different CPUs choose alike: files with a kernel are built with
// -ffp-contract=off, without fast-math, and say fmaf where they mean it.
//
// One SipHash a pick makes the call's own key of secret, domain and call key; a record's draw
// is that key mixed with its id. The key stays secret, so no caller can aim its calls, and a
// record costs two multiplications instead of a SipHash (which was 22 ns of every one of them).
//
// Threads: pure.
#pragma once

#include "route/pick.h"

#define TND__DRAW_BITS 24

static inline uint64_t tnd__pick_key(const struct tnd_hash_key *secret, enum tnd_hash_domain domain,
                                     uint64_t call_key)
{
    return tnd_derive(secret, domain, call_key, 0);
}

// The draw of one id. Shifts and multiplications are bijections (the mixer of Jon Maiga's
// "mx2" search), so that draws of different ids are as good as independent: see model_pick.
static inline uint32_t tnd__pick_draw(uint64_t key, uint64_t id)
{
    uint64_t x = key ^ id;

    x = (x ^ x >> 32) * 0xe9846af9b1a615dULL;
    x = (x ^ x >> 32) * 0xe9846af9b1a615dULL;
    return (uint32_t)(x >> (64 - TND__DRAW_BITS));
}

// n >= 1; all rcp_weights positive.
typedef uint32_t (*tnd__pick_kernel)(uint64_t key, const uint64_t ids[], const float rcp_weights[],
                                     uint32_t n);

uint32_t tnd__pick_scalar(uint64_t key, const uint64_t ids[], const float rcp_weights[],
                          uint32_t n);
float tnd__score_scalar(uint32_t n24, float rcp_weight);
float tnd__bound_scalar(uint32_t n24, float rcp_weight);

#ifdef __x86_64__
// The same file built for CPUs with FMA, where fmaf is an instruction and not a call.
uint32_t tnd__pick_fma(uint64_t key, const uint64_t ids[], const float rcp_weights[], uint32_t n);
float tnd__score_fma(uint32_t n24, float rcp_weight);
float tnd__bound_fma(uint32_t n24, float rcp_weight);
#endif
