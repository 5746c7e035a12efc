// The way out: which interface, next hop and listener each message leaves by.
#include "dataplane/worker.h"

void tnd_egress(struct tnd_worker *w, struct tnd_job *const jobs[], uint32_t n)
{
    const struct tnd_policy *policy = w->engine->policy;

    for (uint32_t i = 0; i < n; i++) {
        struct tnd_job *job = jobs[i];
        struct tnd_way *way = &w->way[i];
        if (job->verdict != TND_VERDICT_FORWARD && job->verdict != TND_VERDICT_ANSWER)
            continue;
        way->result = tnd_adjacency_find_cached(&w->ways, w->adjacency, &job->dst, &way->adjacency);
        if (way->result == TND_ADJACENCY_NO_ROUTE) {
            tnd_job_drop(w->engine, job, TND_DROP_NO_ADJACENCY);
            continue;
        }
        if (job->egress_fixed)
            continue;
        bool ours = way->result == TND_ADJACENCY_FOUND || way->result == TND_ADJACENCY_NO_NEIGHBOUR;
        job->egress = tnd_egress_listener(policy, &job->dst, job->listener,
                                          ours ? way->adjacency.interface : UINT16_MAX);
        if (job->egress == TND_NO_LISTENER)
            tnd_job_drop(w->engine, job, TND_DROP_NO_LISTENER);
    }
}
