#include "appliance/http/h2_flood.h"

#include "lib/base.h"

void h2_flood_init(struct h2_flood *f, uint64_t now_ms)
{
    *f = (struct h2_flood){.control = H2_CONTROL_BURST, .resets = H2_RESET_BURST, .at_ms = now_ms};
}

static void refill(struct h2_flood *f, uint64_t now_ms)
{
    uint64_t ms = now_ms > f->at_ms ? MIN(now_ms - f->at_ms, (uint64_t)60000) : 0;
    if (ms < 1000 / H2_RESET_RATE) /* too short to earn a token: let it add up */
        return;
    f->at_ms = now_ms;
    f->control = (uint32_t)MIN(f->control + ms * H2_CONTROL_RATE / 1000, (uint64_t)H2_CONTROL_BURST);
    f->resets = (uint32_t)MIN(f->resets + ms * H2_RESET_RATE / 1000, (uint64_t)H2_RESET_BURST);
}

static bool take(uint32_t *tokens, uint32_t n)
{
    bool over = *tokens < n;
    *tokens = over ? 0 : *tokens - n;
    return over;
}

bool h2_flood_control(struct h2_flood *f, uint64_t now_ms, uint32_t cost)
{
    refill(f, now_ms);
    return take(&f->control, cost);
}

bool h2_flood_reset(struct h2_flood *f, uint64_t now_ms)
{
    refill(f, now_ms);
    return take(&f->resets, 1);
}

void h2_flood_useful(struct h2_flood *f, uint32_t worth)
{
    f->control = MIN(f->control + worth, H2_CONTROL_BURST);
}

enum { PREFACE = 24, HEAD = 9, HEAD_LENGTH = 3 };

void h2_frames_init(struct h2_frames *f, bool server)
{
    *f = (struct h2_frames){.skip = server ? PREFACE : 0};
}

uint32_t h2_frames_count(struct h2_frames *f, const uint8_t *p, size_t n)
{
    uint32_t whole = 0;
    while (n) {
        size_t some = MIN(n, (size_t)f->skip);
        f->skip -= (uint32_t)some;
        p += some;
        n -= some;
        if (!n)
            break;
        if (f->got < HEAD_LENGTH)
            f->length = f->length << 8 | *p;
        p++;
        n--;
        if (++f->got < HEAD)
            continue;
        whole++;
        *f = (struct h2_frames){.skip = f->length};
    }
    return whole;
}
