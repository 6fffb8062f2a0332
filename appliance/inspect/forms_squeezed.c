/* What a known secret looks like in a text that has nothing left but letters and digits (squeeze.c): the
 * secret itself, its encodings, and what is easily made of either. */
#include <string.h>

#include "appliance/inspect/inspect_internal.h"
#include "appliance/inspect/squeezed.h"

#define SQUEEZED_MIN 12u
#define DIGITS_MIN 20u /* of digits alone */

struct making {
    struct literals *l;
    const char *detector;
    uint8_t *a, *b, *c; /* room for FORM_ROOM * n + 16 each */
    bool ok;
};
#define FORM_ROOM 9u
#define POSITIONAL_MAX 512u /* octets of a secret that is looked for as one number */

static size_t count_digits(const uint8_t *p, size_t n)
{
    size_t k = 0;
    for (size_t i = 0; i < n; i++)
        k += p[i] >= '0' && p[i] <= '9';
    return k;
}

/* The first n octets of m->a. */
static void add(struct making *m, size_t n)
{
    n = squeeze_text(m->a, n, m->b);
    if (n >= (count_digits(m->b, n) == n ? DIGITS_MIN : SQUEEZED_MIN))
        m->ok = m->ok && literals_add(m->l, m->b, n, NULL, m->detector);
}

static void add_both_ways(struct making *m, size_t n)
{
    add(m, n);
    for (size_t i = 0; i < n / 2; i++) {
        uint8_t c = m->a[i];
        m->a[i] = m->a[n - 1 - i];
        m->a[n - 1 - i] = c;
    }
    add(m, n);
}

/* The digits of an octet: as many as it needs, but for hex and binary. */
static unsigned width_of(uint8_t octet, unsigned base)
{
    if (base == 2)
        return 8;
    return base == 16 || octet < (base == 8 ? 64 : 100) ? 2 : 3;
}

/* A number for each octet, with `prefix` before each but the first; of so many digits, or 0: as above. */
static void add_numbers(
    struct making *m, const uint8_t *v, size_t n, const char *prefix, unsigned base, unsigned fixed)
{
    static const char digits[] = "0123456789abcdef";
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned width = fixed ? fixed : width_of(v[i], base), x = v[i];
        if (i) {
            memcpy(m->a + len, prefix, strlen(prefix));
            len += strlen(prefix);
        }
        for (unsigned k = width; k--; x /= base)
            m->a[len + k] = (uint8_t)digits[x % base];
        len += width;
    }
    add(m, len);
}

static const struct {
    const char *prefix;
    unsigned base, width;
} numbers[] = {{"x", 16, 0}, {"0x", 16, 0}, {"u00", 16, 0}, {"", 10, 0}, {"", 10, 3}, {"chr", 10, 0},
    {"", 8, 0}, {"", 2, 0}, {"", 2, 7}};

/* Base64 of every so many octets by themselves. */
static void add_in_pieces(struct making *m, const uint8_t *v, size_t n, size_t each)
{
    size_t len = 0;
    for (size_t at = 0; at < n; at += each) {
        uint8_t piece[8 + 2] = {0};
        size_t k = MIN(each, n - at);
        memcpy(piece, v + at, k);
        (void)form_base64(piece, sizeof piece, 0, false, m->c);
        memcpy(m->a + len, m->c, (8 * k + 5) / 6);
        len += (8 * k + 5) / 6;
    }
    add(m, len);
}

/* All of it as one number, the first octet the highest: base58, and what a language's long integers print.
 * `work` has room for n octets. */
static size_t form_positional(const uint8_t *v, size_t n, const char *alphabet, uint8_t *out, uint8_t *work)
{
    unsigned base = (unsigned)strlen(alphabet);
    size_t len = 0, from = 0;
    if (n > POSITIONAL_MAX)
        return 0;
    memcpy(work, v, n);
    while (from < n) {
        unsigned rest = 0;
        for (size_t i = from; i < n; i++) {
            rest = rest << 8 | work[i];
            work[i] = (uint8_t)(rest / base);
            rest %= base;
        }
        out[len++] = (uint8_t)alphabet[rest];
        while (from < n && !work[from])
            from++;
    }
    for (size_t i = 0; i < len / 2; i++) {
        uint8_t c = out[i];
        out[i] = out[len - 1 - i];
        out[len - 1 - i] = c;
    }
    return len;
}

/* The alphabet backwards. */
static uint8_t atbash(uint8_t c)
{
    uint8_t lower = c | 0x20;
    return lower < 'a' || lower > 'z' ? c : (uint8_t)((c & 0x20 ? 'a' + 'z' : 'A' + 'Z') - c);
}

static uint8_t rot13(uint8_t c)
{
    uint8_t lower = c | 0x20;
    return lower < 'a' || lower > 'z' ? c : (uint8_t)(lower < 'n' ? c + 13 : c - 13);
}

/* Letters and digits as they are, of the others the code: quoted-printable, percent, "\x". */
static size_t form_codes(const uint8_t *v, size_t n, bool equals_only, uint8_t *out)
{
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        bool coded = equals_only ? v[i] == '=' : squeeze_text(v + i, 1, out + len) == 0;
        if (coded)
            len += form_hex(v + i, 1, false, out + len);
        else
            out[len++] = v[i];
    }
    return len;
}

static void add_encoded(struct making *m, const uint8_t *v, size_t n)
{
    for (unsigned shift = 0; shift < 3; shift++)
        add_both_ways(m, form_base64(v, n, shift, false, m->a));
    for (unsigned shift = 0; shift < 5; shift++) {
        add(m, form_base32(v, n, shift, false, m->a));
        add(m, form_base32(v, n, shift, true, m->a));
    }
}

bool literals_add_squeezed(struct literals *l, const char *detector, const char *value)
{
    size_t n = strlen(value), room = FORM_ROOM * n + 16;
    const uint8_t *v = (const uint8_t *)value;
    uint8_t *rooms = malloc(3 * room);
    struct making m = {l, detector, rooms, NULL, NULL, true};
    if (!rooms || !detector) {
        free(rooms);
        return false;
    }
    m.b = rooms + room;
    m.c = rooms + 2 * room;
    /* Words without their punctuation and case are in many texts. */
    if (count_digits(v, n) >= 2 || looks_random(v, n)) {
        memcpy(m.a, v, n);
        add_both_ways(&m, n);
        for (size_t i = 0; i < n; i++)
            m.a[i] = rot13(v[i]);
        add(&m, n);
        for (size_t i = 0; i < n; i++)
            m.a[i] = atbash(v[i]);
        add(&m, n);
        add(&m, form_codes(v, n, true, m.a));
    }
    add(&m, form_codes(v, n, false, m.a));
    add_encoded(&m, v, n);
    add_both_ways(&m, form_hex(v, n, false, m.a));
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        add_numbers(&m, v, n, numbers[i].prefix, numbers[i].base, numbers[i].width);
    for (size_t each = 1; each <= 8 && each < n; each *= 2)
        add_in_pieces(&m, v, n, each);
    add(&m, form_positional(v, n, "0123456789", m.a, m.c));
    add(&m, form_positional(v, n, "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", m.a, m.c));
    for (size_t i = 0; i < n; i++)
        m.c[i] = v[n - 1 - i];
    for (unsigned shift = 0; shift < 3; shift++)
        add(&m, form_base64(m.c, n, shift, false, m.a));
    explicit_bzero(rooms, 3 * room);
    free(rooms);
    return m.ok;
}
