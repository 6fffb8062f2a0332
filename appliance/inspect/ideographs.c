#include "appliance/inspect/ideographs.h"

#include <stddef.h>
#include <uchar.h>

#include "lib/base.h"

/* What an order is made of, in the order of its language. NULL ends a list. */
static const struct {
    const char16_t *parts[3][14];
    uint8_t gap[2]; /* characters between two parts, at most */
} orders[] = {
    /* ignore, previous, instructions */
    {{{u"忽略", u"无视", u"無視", u"忘记", u"忘記", u"忽视", u"抛弃", u"不要理会"},
         {u"之前", u"以前", u"先前", u"上述", u"上面", u"前面", u"此前", u"所有", u"一切", u"你的", u"原有",
             u"系统", u"以上"},
         {u"指令", u"指示", u"提示词", u"命令", u"规则", u"規則", u"设定", u"設定", u"提示"}},
        {6, 8}},
    /* previous, instructions, ignore */
    {{{u"これまで", u"以前", u"上記", u"前の", u"今まで", u"すべて", u"全て", u"あなた", u"システム"},
         {u"指示", u"命令", u"プロンプト", u"ルール", u"指令"}, {u"無視", u"忘れ", u"破棄"}},
        {6, 5}},
    {{{u"이전", u"위의", u"지금까지", u"앞의", u"기존", u"모든"},
         {u"지시", u"명령", u"프롬프트", u"지침", u"규칙"}, {u"무시", u"잊어", u"잊으"}},
        {8, 6}},
};

static bool is_written_so(uint32_t c)
{
    return (c >= 0x3041 && c <= 0x30ff) || (c >= 0x4e00 && c <= 0x9fff) || (c >= 0xac00 && c <= 0xd7a3);
}

/* The characters of `word` that end k characters back: their number; 0: others do. */
static unsigned ends_with(const struct ideographs *i, unsigned k, const char16_t *word)
{
    unsigned n = 0;
    while (word[n])
        n++;
    if (k + n > MIN(i->n, IDEOGRAPHS_MAX))
        return 0;
    for (unsigned at = 0; at < n; at++)
        if (i->c[(i->n - k - n + at) % IDEOGRAPHS_MAX] != word[at])
            return 0;
    return n;
}

/* Where one of the words begins that ends k to k + gap characters back; 0: none does. */
static unsigned before(const struct ideographs *i, unsigned k, unsigned gap, const char16_t *const *words)
{
    for (unsigned at = k; at <= k + gap; at++)
        for (const char16_t *const *w = words; *w; w++) {
            unsigned n = ends_with(i, at, *w);
            if (n)
                return at + n;
        }
    return 0;
}

bool ideographs_next(struct ideographs *i, uint32_t c)
{
    if (!is_written_so(c)) {
        if (c > ' ' && c != 0x200b) /* a blank between words of Korean ends no sentence */
            i->n = 0;
        return false;
    }
    if (i->n == 2 * IDEOGRAPHS_MAX)
        i->n = IDEOGRAPHS_MAX;
    i->c[i->n++ % IDEOGRAPHS_MAX] = (uint16_t)c;
    for (size_t o = 0; o < ARRAY_LEN(orders); o++) {
        unsigned k = before(i, 0, 0, orders[o].parts[2]);
        if (k)
            k = before(i, k, orders[o].gap[1], orders[o].parts[1]);
        if (k && before(i, k, orders[o].gap[0], orders[o].parts[0]))
            return true;
    }
    return false;
}
