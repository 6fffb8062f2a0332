#include <criterion/criterion.h>
#include <string.h>

#include "init/sentinel.h"

static const uint8_t answer[] =
    "\xc0\x0c\0\1\0\1\0\0\0\5\0\4\x0a\0\0\1"; /* a pointer, A, IN, TTL, 10.0.0.1 */
static uint32_t sidecar;

static size_t reply(uint8_t *m, uint8_t rcode, uint8_t answers)
{
    memcpy(&sidecar, "\x0a\0\0\1", 4);
    sentinel_query(0x1234, m);
    m[2] = 0x81;
    m[3] = rcode;
    m[7] = answers;
    memcpy(m + SENTINEL_QUERY_LEN, answer, sizeof answer - 1);
    return SENTINEL_QUERY_LEN + sizeof answer - 1;
}

Test(sentinel, query_is_as_rfc_1035_says)
{
    uint8_t m[SENTINEL_QUERY_LEN];
    sentinel_query(0x1234, m);
    cr_assert_eq(memcmp(m,
                     "\x12\x34\1\0\0\1\0\0\0\0\0\0\x08sentinel\x07"
                     "egressd\x08internal\0\0\1\0\1",
                     sizeof m),
        0);
}

Test(sentinel, judges)
{
    uint8_t m[128] = {0};
    size_t len = reply(m, 0, 1);
    cr_assert_eq(sentinel_judge(m, len, 0x1234, sidecar), SENTINEL_SIDECAR);
    cr_assert_eq(sentinel_judge(m, len, 0x1235, sidecar), SENTINEL_NONE);
    cr_assert_eq(sentinel_judge(m, len, 0x1234, sidecar + 1), SENTINEL_STRANGER);
    for (size_t n = 0; n < len; n++) /* cut anywhere, it is never the sidecar's */
        cr_expect_neq(sentinel_judge(m, n, 0x1234, sidecar), SENTINEL_SIDECAR, "%zu", n);
    reply(m, 3, 1);
    cr_assert_eq(sentinel_judge(m, len, 0x1234, sidecar), SENTINEL_STRANGER);
    reply(m, 0, 0);
    cr_assert_eq(sentinel_judge(m, len, 0x1234, sidecar), SENTINEL_STRANGER);
    reply(m, 0, 1);
    m[2] = 0x01;
    cr_assert_eq(sentinel_judge(m, len, 0x1234, sidecar), SENTINEL_NONE);
}
