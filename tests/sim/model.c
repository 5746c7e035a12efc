// Judging each step of the engine.
#include "sim/model.h"

#include "stats.h"

struct model *model_new(struct sim *s)
{
    struct model *m = calloc(1, sizeof *m);

    (void)s;
    if (!m)
        abort();
    return m;
}

void model_free(struct model *m)
{
    free(m);
}

static uint64_t digest_text(const char *p, uint32_t len)
{
    uint64_t h = 0xcbf29ce484222325; // FNV-1a

    for (uint32_t i = 0; i < len; i++)
        h = (h ^ (uint8_t)p[i]) * 0x100000001b3;
    return h;
}

static void wrong(struct sim *s, const struct step *step, const struct call *c, const char *what)
{
    sim_violation(s, "%s: call %u, %s from %s, %.*s -> %s %s%s%s", what, c ? c->n : 0, step->origin,
                  addr_text(&step->src), (int)strcspn(step->text, "\r\n"), step->text,
                  step->verdict, step->n_out ? "to " : step->reason,
                  step->n_out ? addr_text(&step->out[0].dst) : "", "");
    if (s->trace && step->n_out)
        printf("---- in\n%.*s\n---- out\n%.*s\n----\n", (int)step->len, step->text,
               (int)step->out[0].len, step->out[0].text);
    else if (s->trace)
        printf("---- in\n%.*s\n----\n", (int)step->len, step->text);
}

// ---- Transactions ---------------------------------------------------------------------------

static struct model_call *seen_of(struct call *c)
{
    if (!c->seen && !(c->seen = calloc(1, sizeof *c->seen)))
        abort();
    return c->seen;
}

// 17.2.3: branch and method, ACK and CANCEL being their INVITE's.
static struct model_tx *tx_of(struct sim *s, struct call *c, struct slice branch,
                              struct slice method)
{
    struct model_call *seen = seen_of(c);
    bool invite =
        slice_is(method, "INVITE") || slice_is(method, "ACK") || slice_is(method, "CANCEL");

    for (uint32_t i = 0; i < seen->n; i++)
        if (slice_is(branch, seen->tx[i].branch) && seen->tx[i].invite == invite)
            return &seen->tx[i];
    if (seen->n == TX_MAX) {
        sim_violation(s, "call %u: more transactions than a call has", c->n);
        seen->n--;
    }
    struct model_tx *tx = &seen->tx[seen->n++];
    memset(tx, 0, sizeof *tx);
    snprintf(tx->branch, sizeof tx->branch, "%.*s", branch.n, branch.p);
    tx->invite = invite;
    return tx;
}

// What a restart lost waits no longer; its client may come back with it.
static bool waits(const struct sim *s, const struct model_tx *tx)
{
    return tx->state == TX_PARKED && tx->incarnation == s->model->incarnation;
}

struct asked { // a request on its way, and what is known of it
    struct call *c;
    struct model_call *seen;
    struct model_tx *tx;
    const struct text *t;
    const struct step *step;
    bool ack, cancel, in_dialog, from_caller, by_name;
    unsigned pass; // how often it has come to us: 1, or more by way of the proxy
    bool has_next; // whether Routes are left below ours, of which
    struct slice next;
    const char *trunk; // where the routes lead: host and port of that trunk's URI
    enum model_name name;
    struct model_look look; // at `name`, for the destination
};

static int exhausted(const struct asked *a)
{
    return a->from_caller && a->c->side == SIDE_SIX ? 503 : 500;
}

// Rule 3: the trunk that the routes lead to, for whoever asks.
static void find_trunk(struct asked *a)
{
    const struct call *c = a->c;

    a->by_name = !a->in_dialog;
    if (slice_is(a->t->method, "REGISTER")) {
        a->name = NAME_REGISTRAR;
        a->trunk = "reg.example";
    } else if (c->side != SIDE_CARRIER || (c->hairpin && c->kind != CALL_LOOPS && a->pass == 2)) {
        a->name = NAME_CARRIER;
        a->trunk = "sip.carrier.example";
    } else {
        a->by_name = false;
        a->trunk = c->hairpin || c->kind == CALL_LOOPS ? PROXY_ADDR : BOX_ADDR;
    }
}

// Which name the request goes by, if any: the trunk's, or that of a proxy in its Route.
static void find_name(struct asked *a)
{
    struct slice route[16];
    unsigned n = text_items(a->t, "Route", route, 16), i = 0;

    a->pass = (text_items(a->t, "Via", route, 16) + 1) / 2;
    n = text_items(a->t, "Route", route, 16);
    find_trunk(a);
    if (!a->in_dialog)
        return;
    while (i < n && model_is_ours(text_uri(route[i])))
        i++;
    a->has_next = i < n;
    a->next = a->has_next ? text_uri(route[i]) : a->t->uri;
    a->by_name = slice_is(text_host(a->next), "pop.carrier.example");
    if (a->by_name)
        a->name = NAME_POP;
}

// ---- Where it went ----------------------------------------------------------------------------

static const char *check_in_dialog(struct sim *s, struct asked *a)
{
    const struct sim_addr *dst = &a->step->out[0].dst;
    struct slice host = text_host(a->next);
    struct sim_addr next;

    if (!a->from_caller && a->pass == 1 && a->c->side != SIDE_CARRIER) {
        struct model_look home;
        model_look(s, NAME_CARRIER, &a->step->src, &home);
        s->model->byes_from_outside += slice_is(a->t->method, "BYE") && !home.member;
    }
    s->model->callee_requests += !a->from_caller && !slice_is(a->t->method, "BYE");
    s->model->pracks += slice_is(a->t->method, "PRACK");
    if (!a->from_caller && !a->has_next) {
        const struct leg *l = &a->c->caller;
        bool flow = a->c->side == SIDE_NAT;
        return same_addr(dst, flow ? &l->src : &l->listen) ? NULL : "not where the caller is";
    }
    if (a->by_name)
        return NULL; // at its dialog's target, as has been seen
    if (!addr_read(host.p, host.n, &next) || !same_addr(&next, dst))
        return a->has_next ? "not at the next of its Routes" : "not at the callee's Contact";
    return NULL;
}

// Out of dialog, to a trunk whose URI is an address.
static const char *check_numeric(struct sim *s, struct asked *a)
{
    struct sim_addr due = addr_of(a->trunk);

    s->model->inbound += a->pass == 1 && slice_is(a->t->method, "INVITE");
    return same_addr(&due, &a->step->out[0].dst) ? NULL : "not at its trunk";
}

static bool is_stale(const struct sim *s)
{
    for (uint32_t i = 0; i < s->model->n_views; i++)
        if (s->model->view[i].used &&
            s->now_us > s->model->view[i].told_us + s->model->view[i].ttl_s * SECOND)
            return true;
    return false;
}

// A request that has not been seen before.
static const char *check_new(struct sim *s, struct asked *a)
{
    struct model_call *seen = a->seen;
    const struct sim_addr *dst = &a->step->out[0].dst;
    struct model_look home;

    if (a->in_dialog && a->by_name && a->from_caller && !same_addr(dst, &seen->dialog)) {
        model_look(s, a->name, &seen->dialog, &home);
        if (home.member)
            return "the dialog lives at another target of that name";
        return a->look.allowed ? NULL : "not a target of that name";
    }
    if (a->in_dialog)
        return check_in_dialog(s, a);
    if (!a->by_name)
        return check_numeric(s, a);
    s->model->hairpins += a->pass == 2;
    if (!a->look.allowed)
        return "not a target to be chosen now";
    s->model->draws++;
    s->model->stale_draws += is_stale(s);
    if (!a->look.sure)
        return NULL;
    // The same call and the same targets: the same target.
    if (seen->picked && seen->pick_digest == a->look.digest && !same_addr(&seen->pick, dst) &&
        !slice_is(a->t->method, "REGISTER"))
        return "another draw for the same call";
    if (!seen->picked && a->name == NAME_CARRIER) {
        s->model->sure_draws++;
        for (uint32_t i = 0; i < s->n_hosts; i++) {
            struct share *share = &s->model->shares[i];
            double p = 0;
            for (uint32_t k = 0; k < a->look.latest->n; k++)
                if (same_addr(&a->look.latest->target[k].addr, &s->hosts[i].addr))
                    p += a->look.latest->target[k].p;
            share->expected += p;
            share->variance += p * (1 - p);
            share->seen += same_addr(dst, &s->hosts[i].addr);
        }
    }
    seen->picked = true;
    seen->pick_digest = a->look.digest;
    seen->pick = *dst;
    return NULL;
}

// 16.11: the same request has the same branch, also after a restart with the same keys.
static const char *check_branch_again(struct sim *s, struct asked *a, const struct text *out)
{
    const struct model_tx *tx = a->tx;

    if (tx->keys != s->model->keys)
        return NULL;
    s->model->same_branches++;
    if (a->cancel && !same_addr(&a->step->src, &tx->src))
        return NULL; // its port is in the branch, and its INVITE's is forgotten
    return slice_is(text_param(text_header(out, "Via", 0), "branch"), tx->out_branch)
               ? NULL
               : "after a restart, not the branch of its request";
}

// A retransmission, a CANCEL, the ACK of a failure: 3263 4.4, 3261 16.11.
static const char *check_again(struct sim *s, struct asked *a, const struct text *out)
{
    struct model_tx *tx = a->tx;
    const struct step_out *o = &a->step->out[0];
    bool repeated = digest_text(a->step->text, a->step->len) == tx->in_digest;

    s->model->repeats++;
    s->model->cancels_after_edit += a->cancel && a->by_name && !a->look.allowed;
    if (tx->incarnation != s->model->incarnation) { // its memory is gone
        if (same_addr(&o->dst, &tx->dst))
            return check_branch_again(s, a, out);
        if (!a->by_name || (a->look.sure && a->look.digest == tx->set_digest))
            return "another target after a restart, of the same targets";
        return a->look.allowed ? NULL : "not a target to be chosen now";
    }
    if (!same_addr(&o->dst, &tx->dst))
        return "not where its request went";
    if (!slice_is(text_param(text_header(out, "Via", 0), "branch"), tx->out_branch))
        return "not the branch of its request";
    if (repeated && digest_text(o->text, o->len) != tx->out_digest)
        return "a retransmission left as another message";
    return NULL;
}

static void note_forward(struct sim *s, struct asked *a, const struct text *out)
{
    struct model_tx *tx = a->tx;
    struct slice branch = text_param(text_header(out, "Via", 0), "branch");

    if (!tx->listener.family) // a CANCEL that a new key has made one without its INVITE
        tx->listener = a->step->dst;
    // Neither is remembered by itself: without its INVITE each is drawn again.
    if (a->cancel || (a->ack && !a->in_dialog && tx->incarnation != s->model->incarnation) ||
        (a->ack && tx->state == TX_FORWARDED &&
         tx->in_digest != digest_text(a->step->text, a->step->len)))
        return;
    if (tx->state != TX_FORWARDED || tx->incarnation != s->model->incarnation)
        tx->set_digest = a->by_name && a->look.sure ? a->look.digest : 0;
    tx->state = TX_FORWARDED;
    tx->incarnation = s->model->incarnation;
    tx->dst = a->step->out[0].dst;
    tx->listener = a->step->dst;
    tx->src = a->step->src;
    tx->keys = s->model->keys;
    s->model->paired += !same_addr(&a->step->out[0].src, &a->step->dst);
    tx->in_digest = digest_text(a->step->text, a->step->len);
    tx->out_digest = digest_text(a->step->out[0].text, a->step->out[0].len);
    snprintf(tx->out_branch, sizeof tx->out_branch, "%.*s", branch.n, branch.p);
}

// Rule 10: it bears the To tag of an answer made here.
static bool is_ack_of_answer(const struct asked *a)
{
    return a->ack && *a->tx->answer_tag &&
           slice_is(text_param(text_header(a->t, "To", 0), "tag"), a->tx->answer_tag);
}

static const char *on_forward(struct sim *s, struct asked *a)
{
    struct text out;
    const char *what;

    s->model->forwards++;
    if (a->step->n_out != 1 || !text_read(a->step->out[0].text, a->step->out[0].len, &out))
        return "one readable datagram is due";
    if (a->c->kind == CALL_NO_FORWARDS || a->c->kind == CALL_REQUIRES ||
        a->c->kind == CALL_OPTIONS_US || (a->c->kind == CALL_LOOPS && a->pass > 2 && !a->ack))
        return "forwarded what is to be answered here";
    if (is_ack_of_answer(a))
        return "forwarded the ACK of an answer made here";
    if (a->by_name)
        model_look(s, a->name, &a->step->out[0].dst, &a->look);
    if (strcmp(a->step->origin, "expired") == 0 && a->by_name &&
        a->look.since_us + SECOND < s->now_us)
        return "its name is known, and it was not woken";
    // The ACK of a 2xx repeated, and what went before a restart, draw their target again.
    if (a->tx->state == TX_FORWARDED && !(a->ack && a->in_dialog && a->by_name))
        what = check_again(s, a, &out);
    else
        what = check_new(s, a);
    if (!what)
        what = model_request_text(a->step, a->t, &out, a->trunk);
    note_forward(s, a, &out);
    return what;
}

// ---- What is answered here --------------------------------------------------------------------

static const char *check_status(struct sim *s, struct asked *a, int status)
{
    struct model_tx *tx = a->tx;

    if (a->ack)
        return "an ACK was answered";
    if (a->cancel && tx->incarnation != s->model->incarnation && status == exhausted(a))
        return a->look.may_fail ? NULL : "there are targets"; // as any other request
    if (a->cancel)
        return status == 200 && (waits(s, tx) || tx->state == TX_ANSWERED) ? NULL
               : status == 481 && a->look.unknown && !waits(s, tx)         ? NULL
                                                                           : "this CANCEL";
    if (a->c->kind == CALL_NO_FORWARDS)
        return status == 483 ? NULL : "Max-Forwards 0 is answered 483";
    if (a->c->kind == CALL_REQUIRES)
        return status == 420 ? NULL : "Proxy-Require is answered 420";
    if (a->c->kind == CALL_OPTIONS_US)
        return status == 200 ? NULL : "OPTIONS to us is answered 200";
    // 16.3: our second pass is the first that leaves a mark, the third is known by it.
    if (a->c->kind == CALL_LOOPS && a->pass > 2) {
        s->model->loops++;
        return status == 482 ? NULL : "a loop is answered 482";
    }
    if (tx->state == TX_ANSWERED && tx->incarnation == s->model->incarnation)
        return status == tx->answer ? NULL : "answered before, and otherwise";
    if (status != exhausted(a))
        return "this answer";
    if (strcmp(a->step->origin, "expired") == 0)
        return s->now_us >= tx->parked_us + (PARK_MS - 2) * MS ? NULL : "gave up too early";
    return a->look.may_fail ? NULL : "there are targets";
}

static const char *on_answer(struct sim *s, struct asked *a)
{
    struct text out;
    const char *what;
    struct sim_addr back = model_way_back(a->c, a->t, &a->step->src);
    struct model_tx *tx = a->tx;
    uint32_t due = a->cancel && waits(s, tx) ? 2 : 1;
    int out_status;

    s->model->answers++;
    if (a->step->n_out != due || !text_read(a->step->out[0].text, a->step->out[0].len, &out))
        return "the number of answers";
    if (a->by_name)
        model_look(s, a->name, NULL, &a->look);
    out_status = out.status;
    what = check_status(s, a, out_status);
    for (uint32_t k = 0; k < due && !what; k++) {
        if (!same_addr(&a->step->out[k].dst, &back))
            what = "an answer not to its caller";
        else if (!same_addr(&a->step->out[k].src, &a->step->dst))
            what = "an answer from another address than was asked";
    }
    if (!what)
        what = model_answer_text(a->step, a->t, &out);
    if (what)
        return what;
    if (due == 2 && (!text_read(a->step->out[1].text, a->step->out[1].len, &out) ||
                     (out.status != 487 && tx->invite)))
        return "487 is due for a waiting INVITE";
    a->c->excused |= out_status >= 500; // no target, as has been seen
    if (a->cancel && due == 1)
        return NULL; // says nothing of its INVITE
    struct slice tag = text_param(text_header(&out, "To", 0), "tag");
    if (*tx->answer_tag && !slice_is(tag, tx->answer_tag))
        return "another To tag than before";
    snprintf(tx->answer_tag, sizeof tx->answer_tag, "%.*s", tag.n, tag.p);
    tx->answer = a->cancel ? 487 : out_status;
    tx->state = TX_ANSWERED;
    tx->incarnation = s->model->incarnation;
    return NULL;
}

// ---- What goes no further -----------------------------------------------------------------------

static const char *on_park(struct sim *s, struct asked *a)
{
    s->model->parked++;
    model_look(s, a->name, NULL, &a->look);
    if (!a->by_name || (a->ack && !a->in_dialog) || a->cancel)
        return "nothing to wait for";
    if (!a->look.unknown)
        return "waits for a name that is known";
    if (!model_asks(s, a->name))
        return "waits for a name that nobody asks for";
    if (a->tx->state == TX_FORWARDED && a->tx->incarnation == s->model->incarnation && !a->ack)
        return "waits, though its request has been forwarded";
    if (waits(s, a->tx))
        return "waits twice";
    a->tx->state = TX_PARKED;
    a->tx->incarnation = s->model->incarnation;
    a->tx->parked_us = s->now_us;
    a->tx->parked_at = a->step->dst;
    return NULL;
}

static const char *on_absorb(struct sim *s, struct asked *a)
{
    s->model->absorbed++;
    if (waits(s, a->tx) && (!a->ack || a->in_dialog) && !a->cancel)
        return NULL;
    return a->ack && (a->tx->state == TX_ANSWERED || is_ack_of_answer(a)) ? NULL : "absorbed";
}

// The ACK of a 2xx waits like any request, and nobody can be told that it did so in vain.
static const char *give_up_ack(struct sim *s, struct asked *a)
{
    if (!waits(s, a->tx))
        return a->look.may_fail ? NULL : "there are targets";
    if (strcmp(a->step->origin, "expired") == 0 &&
        s->now_us < a->tx->parked_us + (PARK_MS - 2) * MS)
        return "gave up too early";
    a->tx->state = TX_NEW;
    return a->look.may_fail || strcmp(a->step->origin, "expired") == 0 ? NULL : "there are targets";
}

static const char *on_drop(struct sim *s, struct asked *a)
{
    s->model->drops++;
    model_look(s, a->name, NULL, &a->look);
    if (a->ack && strcmp(a->step->reason, "ack-parked") == 0 && a->by_name && a->look.unknown)
        return model_asks(s, a->name) ? NULL : "its name is asked for by nobody";
    if (a->ack && strcmp(a->step->reason, "exhausted-ack") == 0 && a->by_name)
        return give_up_ack(s, a);
    // A new key gives the ACK of a loop's 482 another branch than its INVITE had: it loops itself.
    if (a->ack && a->c->kind == CALL_LOOPS && a->pass > 2 && s->model->keys &&
        strcmp(a->step->reason, "ack-unrouted") == 0)
        return NULL;
    return "dropped";
}

static void judge_request(struct sim *s, struct call *c, const struct step *step,
                          const struct text *t)
{
    struct slice branch = text_param(text_header(t, "Via", 0), "branch");
    struct asked a = {.c = c,
                      .seen = seen_of(c),
                      .tx = tx_of(s, c, branch, t->method),
                      .t = t,
                      .step = step,
                      .ack = slice_is(t->method, "ACK"),
                      .cancel = slice_is(t->method, "CANCEL"),
                      .from_caller = branch.n > 8 && (branch.p[8] == 'c' || branch.p[8] == 'p')};
    const char *what;

    a.in_dialog =
        text_has_param(text_header(t, "To", 0), "tag") && text_header(t, "Route", 0).p != NULL;
    find_name(&a);
    if (strcmp(step->origin, "wire") != 0 && !same_addr(&step->dst, &a.tx->parked_at))
        what = "waited, and now came in by another listener";
    else if (strcmp(step->verdict, "forward") == 0)
        what = on_forward(s, &a);
    else if (strcmp(step->verdict, "answer") == 0)
        what = on_answer(s, &a);
    else if (strcmp(step->verdict, "park") == 0)
        what = on_park(s, &a);
    else if (strcmp(step->verdict, "absorb") == 0)
        what = on_absorb(s, &a);
    else
        what = on_drop(s, &a);
    if (what)
        wrong(s, step, c, what);
}

// ---- Responses --------------------------------------------------------------------------------

static void judge_response(struct sim *s, struct call *c, const struct step *step,
                           const struct text *t)
{
    struct slice branch = text_param(text_header(t, "Via", 1), "branch");
    struct model_call *seen = seen_of(c);
    struct model_tx *tx = tx_of(s, c, branch, text_method(t));
    bool from_caller = branch.n > 8 && (branch.p[8] == 'c' || branch.p[8] == 'p');
    bool proxied = branch.n > 8 && (branch.p[8] == 'p' || branch.p[8] == 'q');
    const struct leg *l = &c->caller;
    const struct sim_addr proxy = addr_of(PROXY_ADDR);
    const struct sim_addr *back = proxied        ? &proxy
                                  : !from_caller ? &c->host->addr
                                  : l->rport     ? &l->src
                                                 : &l->listen;
    const char *what = NULL;

    if (strcmp(step->verdict, "forward") != 0 || step->n_out != 1)
        what = "a response is always forwarded";
    else if (!same_addr(&step->out[0].dst, back))
        what = "a response not to its caller";
    else if (!same_addr(&step->out[0].src, &tx->listener))
        what = "a response from another address than was asked";
    else
        what = model_response_text(c, step, t);
    if (what)
        wrong(s, step, c, what);
    if (from_caller && t->status > 100 && t->status < 300 && !seen->in_dialog && c->host &&
        same_addr(&step->src, &c->host->addr) && slice_is(text_method(t), "INVITE")) {
        seen->in_dialog = true;
        seen->dialog = step->src;
    }
}

// ---- All steps ----------------------------------------------------------------------------------

// Rule 4: a name of ours becomes the trunk's, with its user; a tel URI stays what it is.
static bool same_request_line(const struct step *step)
{
    size_t end = strcspn(step->text, "\r");

    return strncmp(step->text, "INVITE tel:", 11) != 0 ||
           (end < step->out[0].len && memcmp(step->text, step->out[0].text, end + 1) == 0);
}

// Forged and foreign datagrams say what they are in their Call-ID: "noise-REASON-..".
static void judge_noise(struct sim *s, const struct step *step, const struct text *t)
{
    struct slice id = text_header(t, "Call-ID", 0);
    struct model_look look = {0};
    const char *what = NULL;
    struct text in, out;

    if (id.n > 12 && memcmp(id.p, "noise-relay-", 12) == 0) {
        if (step->n_out)
            model_look(s, NAME_CARRIER, &step->out[0].dst, &look);
        if (strcmp(step->verdict, "forward") == 0 ? !look.allowed || !same_request_line(step)
                                                  : step->n_out != 0 && !look.may_fail)
            wrong(s, step, NULL, "relayed");
        s->model->tels += step->n_out && strncmp(step->out[0].text, "INVITE tel:", 11) == 0;
        return;
    }
    if (id.n > 14 && memcmp(id.p, "noise-source-", 13) == 0) {
        const struct sim_addr box = addr_of(BOX_ADDR);
        int source = model_is_source(s, (uint32_t)atoi(id.p + 13));
        bool passed = strcmp(step->verdict, "forward") == 0 && step->n_out == 1 &&
                      same_addr(&step->out[0].dst, &box);
        bool refused =
            strcmp(step->verdict, "drop") == 0 && strcmp(step->reason, "foreign-source") == 0;
        if (source == 1 ? !passed : source == 0 ? !refused : !passed && !refused)
            wrong(s, step, NULL, source ? "a source of the carrier's" : "no source any more");
        return;
    }
    if (id.n > 16 && memcmp(id.p, "noise-status-", 13) == 0) {
        if (strcmp(step->verdict, "answer") != 0 || step->n_out != 1 ||
            atoi(step->out[0].text + 8) != atoi(id.p + 13) ||
            !same_addr(&step->out[0].dst, &step->src) ||
            !same_addr(&step->out[0].src, &step->dst) || !text_read(step->text, step->len, &in) ||
            !text_read(step->out[0].text, step->out[0].len, &out) ||
            (what = model_answer_text(step, &in, &out)) != NULL)
            wrong(s, step, NULL, what ? what : "not the answer that is due");
        return;
    }
    size_t len = strlen(step->reason);
    if (strcmp(step->verdict, "drop") != 0 || step->n_out || id.n < 7 + (int)len ||
        memcmp(id.p + 6, step->reason, len) != 0)
        wrong(s, step, NULL, "noise came to something");
}

static void trace_step(struct sim *s, const struct step *step)
{
    struct text t;
    struct slice id = {"no Call-ID", 10};

    if (!s->trace)
        return;
    if (text_read(step->text, step->len, &t) && text_header(&t, "Call-ID", 0).p)
        id = text_header(&t, "Call-ID", 0);
    sim_trace(s, "engine: %s %.*s (%.*s) from %s: %s %s%s", step->origin,
              (int)strcspn(step->text, "\r\n"), step->text, id.n, id.p, addr_text(&step->src),
              step->verdict, step->n_out ? "to " : step->reason,
              step->n_out ? addr_text(&step->out[0].dst) : "");
}

void model_step(struct sim *s, const struct step *step)
{
    struct text t;
    struct call *c;

    s->model->steps++;
    trace_step(s, step);
    if (!text_read(step->text, step->len, &t)) {
        if (step->n_out || (strcmp(step->verdict, "drop") && strcmp(step->verdict, "absorb")))
            wrong(s, step, NULL, "what is no SIP came to something");
        return;
    }
    c = call_of(s, &t);
    if (c && seen_of(c)->worker && c->seen->worker != step->worker + 1)
        wrong(s, step, c, "another worker than before");
    if (c)
        c->seen->worker = step->worker + 1;
    if (!c)
        judge_noise(s, step, &t);
    else if (t.status)
        judge_response(s, c, step, &t);
    else
        judge_request(s, c, step, &t);
    if (s->model->steps % 16 == 0)
        model_fresh(s);
}

// ---- In the end
// -----------------------------------------------------------------------------------

static void judge_shares(struct sim *s)
{
    double fractions[HOSTS_MAX];
    uint64_t counts[HOSTS_MAX], total = s->model->sure_draws;

    for (uint32_t i = 0; i < s->n_hosts && total; i++) {
        const struct share *x = &s->model->shares[i];
        double off = (double)x->seen - x->expected;
        fractions[i] = x->expected / (double)total;
        counts[i] = x->seen;
        // Five sigma; one call more for those that are hardly ever chosen.
        if (off * off > 25 * x->variance + 1)
            sim_violation(s, "%s got %llu calls, %.1f are due", s->hosts[i].name,
                          (unsigned long long)x->seen, x->expected);
    }
    if (s->sc->shares && total) {
        double p = chi2_fit(counts, fractions, s->n_hosts, total);
        sim_trace(s, "chi-square over %llu draws: p = %g", (unsigned long long)total, p);
        if (p < 0.001)
            sim_violation(s, "the shares of %llu calls: chi-square p = %g",
                          (unsigned long long)total, p);
    }
}

void model_end(struct sim *s)
{
    struct model *m = s->model;

    for (uint32_t i = 0; i < s->n_calls; i++) {
        struct call *c = &s->calls[i];
        for (uint32_t k = 0; c->seen && k < c->seen->n; k++)
            if (waits(s, &c->seen->tx[k]))
                sim_violation(s, "call %u: a request waits for ever", i);
        if (!c->ended)
            sim_violation(s, "call %u never ends", i);
        else if (!c->ok && !c->excused)
            sim_violation(s, "call %u was lost, and nothing excuses it", i);
        free(c->seen);
        c->seen = NULL;
    }
    judge_shares(s);
    if (s->n_calls == s->sc->calls && s->sc->covers &&
        (m->cancels_after_edit * m->byes_from_outside == 0 ||
         (s->sc->dns_trouble && m->stale_draws == 0)))
        sim_violation(s,
                      "%llu CANCELs after an edit, %llu hang-ups from outside the zone, %llu "
                      "draws from stale answers: this run proves too little",
                      (unsigned long long)m->cancels_after_edit,
                      (unsigned long long)m->byes_from_outside, (unsigned long long)m->stale_draws);
    if (s->n_calls >= 2000 &&
        m->inbound * m->hairpins * m->loops * m->pracks * m->callee_requests * m->paired == 0)
        sim_violation(s, "some kind of call never took place: this run proves too little");
    if (s->n_calls >= 2000 && s->sc->noise && m->tels == 0)
        sim_violation(s, "no tel URI was forwarded: this run proves too little");
    if (s->twin) {
        uint64_t compared = node_count(s->node, "compared") + node_count(s->twin, "compared");
        if (compared * 10 < m->steps * 9)
            sim_violation(s, "only %llu steps of the twins were compared",
                          (unsigned long long)compared);
    }
    printf(
        "           from the carrier %llu INVITEs, %llu back to it, %llu loops ended; %llu PRACKs, "
        "%llu requests of callees; %llu left by another listener than they came in by; %llu had "
        "the same branch after a restart\n",
        (unsigned long long)m->inbound, (unsigned long long)m->hairpins,
        (unsigned long long)m->loops, (unsigned long long)m->pracks,
        (unsigned long long)m->callee_requests, (unsigned long long)m->paired,
        (unsigned long long)m->same_branches);
    if (s->sc->noise && s->sc->edits && s->n_calls == s->sc->calls && !s->sc->dns_trouble &&
        s->sc->rate < 100 && !s->sc->restarts && m->lingering * m->lingered == 0)
        sim_violation(s, "nobody lingered, or nobody ceased to: this run proves too little");
    printf(
        "           %llu steps: %llu forwarded, %llu answered, %llu absorbed, %llu parked, "
        "%llu dropped; %llu draws, %llu repeated; %llu CANCELs after an edit, %llu hang-ups from "
        "outside the zone, %llu draws from stale answers\n",
        (unsigned long long)m->steps, (unsigned long long)m->forwards,
        (unsigned long long)m->answers, (unsigned long long)m->absorbed,
        (unsigned long long)m->parked, (unsigned long long)m->drops, (unsigned long long)m->draws,
        (unsigned long long)m->repeats, (unsigned long long)m->cancels_after_edit,
        (unsigned long long)m->byes_from_outside, (unsigned long long)m->stale_draws);
}
