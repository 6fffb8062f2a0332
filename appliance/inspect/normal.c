#include "appliance/inspect/normal.h"

#include "lib/base.h"

/* Drawn alike: Unicode's confusables.txt, the part that makes words of English. Sorted. */
static const struct {
    uint32_t c;
    char to;
} alike[] = {{0x00aa, 'a'}, {0x00ba, 'o'}, {0x00d8, 'o'}, {0x00df, 's'}, {0x00f8, 'o'}, {0x0131, 'i'},
    {0x0261, 'g'}, {0x0262, 'g'}, {0x026a, 'i'}, {0x0274, 'n'}, {0x0280, 'r'}, {0x028f, 'y'}, {0x0299, 'b'},
    {0x029c, 'h'}, {0x029f, 'l'}, {0x0391, 'a'}, {0x0392, 'b'}, {0x0395, 'e'}, {0x0396, 'z'}, {0x0397, 'h'},
    {0x0399, 'i'}, {0x039a, 'k'}, {0x039c, 'm'}, {0x039d, 'n'}, {0x039f, 'o'}, {0x03a1, 'p'}, {0x03a4, 't'},
    {0x03a5, 'y'}, {0x03a7, 'x'}, {0x03b1, 'a'}, {0x03b5, 'e'}, {0x03b9, 'i'}, {0x03ba, 'k'}, {0x03bd, 'v'},
    {0x03bf, 'o'}, {0x03c1, 'p'}, {0x03c3, 'o'}, {0x03c4, 't'}, {0x03c5, 'u'}, {0x03c7, 'x'}, {0x03c9, 'w'},
    {0x0405, 's'}, {0x0406, 'i'}, {0x0408, 'j'}, {0x0410, 'a'}, {0x0412, 'b'}, {0x0415, 'e'}, {0x041a, 'k'},
    {0x041c, 'm'}, {0x041d, 'h'}, {0x041e, 'o'}, {0x0420, 'p'}, {0x0421, 'c'}, {0x0422, 't'}, {0x0423, 'y'},
    {0x0425, 'x'}, {0x0430, 'a'}, {0x0432, 'b'}, {0x0433, 'r'}, {0x0435, 'e'}, {0x043a, 'k'}, {0x043c, 'm'},
    {0x043d, 'h'}, {0x043e, 'o'}, {0x0440, 'p'}, {0x0441, 'c'}, {0x0442, 't'}, {0x0443, 'y'}, {0x0445, 'x'},
    {0x0455, 's'}, {0x0456, 'i'}, {0x0458, 'j'}, {0x04bb, 'h'}, {0x04cf, 'l'}, {0x0501, 'd'}, {0x051b, 'q'},
    {0x051d, 'w'}, {0x0570, 'h'}, {0x0578, 'n'}, {0x057d, 'u'}, {0x0585, 'o'}, {0x1d00, 'a'}, {0x1d04, 'c'},
    {0x1d05, 'd'}, {0x1d07, 'e'}, {0x1d0a, 'j'}, {0x1d0b, 'k'}, {0x1d0d, 'm'}, {0x1d0f, 'o'}, {0x1d18, 'p'},
    {0x1d1b, 't'}, {0x1d1c, 'u'}, {0x1d20, 'v'}, {0x1d21, 'w'}, {0x1d22, 'z'}, {0x210e, 'h'}, {0x2113, 'l'},
    {0x212f, 'e'}, {0x2134, 'o'}, {0x2139, 'i'}};

/* Latin-1 and Latin Extended-A (U+00C0 to U+017F) without their accents. */
static const char latin[] = "aaaaaaaceeeeiiiidnooooo ouuuuyts"
                            "aaaaaaaceeeeiiiidnooooo ouuuuyty"
                            "aaaaaaccccccccddddeeeeeeeeeegggg"
                            "gggghhhhiiiiiiiiiiiijjkkklllllll"
                            "lllnnnnnnnnnoooooooorrrrrrssssss"
                            "ssttttttuuuuuuuuuuuuwwyyyzzzzzzs";

static bool is_unseen(uint32_t c)
{
    return c == 0xad || c == 0x34f || c == 0x61c || c == 0x180e || (c >= 0x200b && c <= 0x200f) ||
           (c >= 0x202a && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
           (c >= 0xfe00 && c <= 0xfe0f) || (c >= 0x300 && c <= 0x36f) || (c >= 0xe0100 && c <= 0xe01ef) ||
           c == '\'' || c == 0x2019 || c == 0x2018 || c == 0x115f || c == 0x1160 || c == 0x3164;
}

/* The letter; 0: none. */
static char looks_latin(uint32_t c)
{
    size_t lo = 0, hi = ARRAY_LEN(alike);
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (alike[mid].c < c)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < ARRAY_LEN(alike) && alike[lo].c == c ? alike[lo].to : 0;
}

static char letter_of(uint32_t c, uint32_t from, unsigned cycle)
{
    return (char)('a' + (c - from) % cycle % 26);
}

/* Blocks that are the alphabet again, in another style. */
static char styled(uint32_t c)
{
    if (c >= 0xff01 && c <= 0xff5e)
        return normal_char(c - 0xfee0);
    if (c >= 0xe0020 && c <= 0xe007e) /* tags: not drawn, but read by models */
        return normal_char(c - 0xe0000);
    if (c >= 0x1d400 && c <= 0x1d6a3)
        return letter_of(c, 0x1d400, 52);
    if (c >= 0x1d7ce && c <= 0x1d7ff)
        return (char)('0' + (c - 0x1d7ce) % 10);
    if (c >= 0x24b6 && c <= 0x24e9)
        return letter_of(c, 0x24b6, 26);
    if (c >= 0x249c && c <= 0x24b5)
        return letter_of(c, 0x249c, 26);
    if (c >= 0x1f110 && c <= 0x1f189)
        return (c - 0x1f110) % 32 < 26 ? letter_of(c, 0x1f110, 32) : ' ';
    return ' ';
}

/* Cyrillic letters that look like no Latin one: so that words of them are words. */
static char cyrillic(uint32_t c)
{
    static const char letters[] = "abbrdezziiklmhonpctyfxccssquqeua";
    if (c >= 0x410 && c <= 0x44f)
        return letters[(c - 0x410) % 32];
    return c == 0x401 || c == 0x451 ? 'e' : c == 0x407 || c == 0x457 ? 'i' : ' ';
}

bool normal_is_foreign(uint32_t c)
{
    return c >= 0x400 && c <= 0x4ff && normal_char(c) != ' ' && !looks_latin(c);
}

char normal_char(uint32_t c)
{
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
        return (char)c;
    if (c >= 'A' && c <= 'Z')
        return (char)(c + 32);
    if (c < 0x80)
        return c == '\'' ? 0 : ' ';
    if (is_unseen(c))
        return 0;
    if (c < 0xaa)
        return ' ';
    char latin_letter = looks_latin(c);
    if (latin_letter)
        return latin_letter;
    if (c >= 0x400 && c <= 0x4ff)
        return cyrillic(c);
    if (c >= 0xc0 && c < 0xc0 + sizeof latin - 1)
        return latin[c - 0xc0];
    return styled(c);
}
