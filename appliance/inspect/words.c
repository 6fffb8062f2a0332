#include "appliance/inspect/words.h"

#include "appliance/inspect/phrases.h"
#include "appliance/inspect/sayings.h"
#include "lib/base.h"

/* Sorted. */
static const struct {
    char text[16]; /* ends with an octet 0 */
    uint32_t kind;
} words[] = {
    {"a", W_FILLER},
    {"about", W_FILLER},
    {"above", W_BEFORE},
    {"act", W_NAMED},
    {"adhere", W_NAMED},
    {"admin", W_SYSTEM},
    {"administrator", W_SYSTEM | W_USER},
    {"agent", W_MACHINE},
    {"agents", W_MACHINE},
    {"ai", W_MACHINE},
    {"alert", W_HINT},
    {"alerting", W_HINT},
    {"all", W_ALL | W_FILLER | W_WHOLE},
    {"an", W_FILLER},
    {"and", W_FILLER},
    {"any", W_ALL | W_FILLER},
    {"anybody", W_USER},
    {"anyone", W_USER},
    {"anything", W_WHOLE | W_FILLER},
    {"api", W_FILLER | W_TOKEN},
    {"are", W_FILLER | W_IS},
    {"assignment", W_TASK},
    {"assistant", W_MACHINE},
    {"assistants", W_MACHINE},
    {"attacker", W_PLACE | W_DESCRIBES},
    {"attackers", W_DESCRIBES},
    {"aws", W_FILLER | W_TOKEN},
    {"before", W_BEFORE},
    {"bot", W_MACHINE},
    {"bypass", W_OVERRIDE | W_TECHNICAL},
    {"can", W_DESCRIBES},
    {"cannot", W_DESCRIBES},
    {"chat", W_TOKEN | W_FILLER},
    {"chatbot", W_MACHINE},
    {"chatgpt", W_MACHINE},
    {"claude", W_MACHINE},
    {"command", W_RULES},
    {"commands", W_RULES},
    {"comply", W_NAMED},
    {"constraints", W_RULES},
    {"content", W_WHOLE | W_FILLER},
    {"contents", W_WHOLE | W_FILLER},
    {"context", W_RULES},
    {"conversation", W_TOKEN | W_RULES},
    {"could", W_DESCRIBES},
    {"credential", W_TOKEN},
    {"credentials", W_TOKEN},
    {"curl", W_SEND},
    {"current", W_BEFORE},
    {"dan", W_FREE},
    {"delete", W_DO},
    {"developer", W_SYSTEM | W_FILLER},
    {"did", W_DESCRIBES},
    {"directions", W_ORDERS},
    {"directives", W_ORDERS},
    {"discard", W_OVERRIDE | W_TECHNICAL},
    {"disclose", W_HINT | W_SHOW},
    {"disclosing", W_HINT},
    {"disobey", W_OVERRIDE},
    {"display", W_SHOW},
    {"disregard", W_OVERRIDE | W_FORGET},
    {"disregarding", W_OVERRIDE},
    {"do", W_FILLER},
    {"does", W_DESCRIBES},
    {"doesnt", W_DESCRIBES},
    {"domain", W_PLACE},
    {"dont", W_NOT},
    {"download", W_DO},
    {"dump", W_SEND | W_SHOW},
    {"earlier", W_BEFORE},
    {"email", W_SEND | W_PLACE},
    {"endpoint", W_PLACE},
    {"entire", W_ALL | W_FILLER | W_WHOLE},
    {"env", W_PRIVATE},
    {"environment", W_TOKEN | W_FILLER},
    {"every", W_ALL | W_FILLER | W_WHOLE},
    {"everything", W_WHOLE | W_FILLER},
    {"execute", W_DO},
    {"exfiltrate", W_SEND},
    {"existing", W_BEFORE},
    {"expose", W_SHOW},
    {"file", W_FILLER},
    {"files", W_FILLER},
    {"follow", W_NAMED},
    {"following", W_FILLER},
    {"foregoing", W_BEFORE},
    {"forget", W_OVERRIDE | W_FORGET},
    {"former", W_BEFORE},
    {"forward", W_SEND},
    {"from", W_FILLER},
    {"full", W_FILLER | W_WHOLE},
    {"given", W_BEFORE | W_FILLER},
    {"goal", W_TASK},
    {"gpt", W_MACHINE},
    {"guardrails", W_ORDERS},
    {"guidance", W_ORDERS},
    {"guideline", W_ORDERS},
    {"guidelines", W_ORDERS},
    {"have", W_NEED | W_FILLER},
    {"hidden", W_SYSTEM | W_FILLER},
    {"history", W_TOKEN | W_FILLER},
    {"home", W_TOKEN | W_FILLER},
    {"how", W_DESCRIBES},
    {"http", W_PLACE},
    {"https", W_PLACE},
    {"human", W_USER},
    {"ignore", W_OVERRIDE},
    {"ignoring", W_OVERRIDE},
    {"in", W_FILLER},
    {"inform", W_HINT},
    {"informing", W_HINT},
    {"initial", W_BEFORE},
    {"install", W_DO},
    {"instruction", W_ORDERS},
    {"instructions", W_ORDERS},
    {"internal", W_SYSTEM | W_FILLER},
    {"is", W_FILLER | W_IS},
    {"it", W_FILLER},
    {"its", W_FILLER},
    {"jailbroken", W_FREE},
    {"key", W_TOKEN | W_FILLER},
    {"keys", W_TOKEN},
    {"know", W_TELL | W_LAST},
    {"language", W_FILLER},
    {"leak", W_SEND | W_SHOW},
    {"letting", W_FILLER},
    {"limitations", W_RULES},
    {"llm", W_MACHINE},
    {"llms", W_MACHINE},
    {"mail", W_SEND},
    {"mandate", W_TASK},
    {"may", W_DESCRIBES},
    {"me", W_PLACE | W_FILLER},
    {"mention", W_TELL},
    {"mentioning", W_TELL},
    {"messages", W_RULES},
    {"might", W_DESCRIBES},
    {"mission", W_TASK},
    {"mode", W_FILLER | W_LAST},
    {"model", W_MACHINE},
    {"models", W_MACHINE},
    {"must", W_NEED | W_FILLER},
    {"my", W_FILLER},
    {"need", W_NEED},
    {"neglect", W_OVERRIDE},
    {"never", W_NOT},
    {"new", W_NEW | W_FILLER},
    {"not", W_NOT},
    {"notify", W_HINT},
    {"notifying", W_HINT},
    {"now", W_FILLER | W_NOW},
    {"obey", W_NAMED},
    {"objective", W_TASK},
    {"of", W_FILLER},
    {"old", W_BEFORE},
    {"operator", W_USER},
    {"or", W_FILLER},
    {"orders", W_ORDERS},
    {"original", W_BEFORE},
    {"other", W_ALL | W_FILLER},
    {"our", W_FILLER},
    {"output", W_SHOW},
    {"override", W_OVERRIDE | W_TECHNICAL | W_LAST},
    {"owner", W_USER},
    {"parameters", W_FILLER},
    {"passed", W_FILLER},
    {"password", W_TOKEN},
    {"passwords", W_TOKEN},
    {"past", W_BEFORE},
    {"pipe", W_SEND},
    {"please", W_FILLER},
    {"policies", W_RULES},
    {"policy", W_RULES},
    {"post", W_SEND},
    {"preceding", W_BEFORE},
    {"predefined", W_BEFORE},
    {"preprompt", W_ORDERS},
    {"pretend", W_NAMED},
    {"previous", W_BEFORE},
    {"previously", W_BEFORE | W_FILLER},
    {"print", W_SHOW},
    {"prior", W_BEFORE},
    {"private", W_FILLER | W_PRIVATE},
    {"programming", W_RULES},
    {"prompt", W_RULES | W_PROMPT | W_LAST},
    {"prompting", W_RULES},
    {"prompts", W_RULES | W_PROMPT},
    {"protocols", W_RULES},
    {"provided", W_BEFORE | W_FILLER},
    {"purpose", W_TASK},
    {"real", W_NEW | W_FILLER},
    {"recite", W_SHOW},
    {"repeat", W_SHOW},
    {"restrictions", W_RULES},
    {"reveal", W_HINT | W_SHOW},
    {"revealing", W_HINT},
    {"root", W_SYSTEM},
    {"rsa", W_PRIVATE},
    {"rules", W_RULES},
    {"run", W_DO},
    {"safety", W_BEFORE | W_FILLER},
    {"said", W_FILLER | W_LAST},
    {"secret", W_TOKEN | W_FILLER},
    {"secrets", W_TOKEN},
    {"send", W_SEND},
    {"sending", W_SEND},
    {"server", W_PLACE},
    {"set", W_FILLER},
    {"share", W_SEND},
    {"should", W_NEED},
    {"show", W_SHOW},
    {"someone", W_USER},
    {"source", W_TOKEN | W_FILLER},
    {"ssh", W_PRIVATE},
    {"submit", W_SEND},
    {"such", W_FILLER},
    {"system", W_SYSTEM | W_FILLER},
    {"task", W_TASK},
    {"tasks", W_TASK | W_RULES},
    {"tell", W_TELL},
    {"telling", W_TELL},
    {"that", W_FILLER | W_DESCRIBES},
    {"the", W_FILLER},
    {"their", W_FILLER},
    {"them", W_FILLER},
    {"these", W_FILLER},
    {"they", W_DESCRIBES},
    {"this", W_FILLER},
    {"those", W_FILLER},
    {"to", W_DESCRIBES | W_FILLER},
    {"token", W_TOKEN},
    {"tokens", W_TOKEN},
    {"told", W_RULES | W_LAST},
    {"training", W_RULES},
    {"transmit", W_SEND},
    {"true", W_NEW | W_FILLER},
    {"unbound", W_FREE},
    {"uncensored", W_FREE},
    {"unfiltered", W_FREE},
    {"unrestricted", W_FREE},
    {"upload", W_SEND},
    {"url", W_PLACE},
    {"user", W_USER},
    {"users", W_USER},
    {"using", W_FILLER},
    {"variables", W_TOKEN | W_FILLER},
    {"via", W_FILLER},
    {"want", W_NEED},
    {"was", W_FILLER},
    {"webhook", W_PLACE},
    {"website", W_PLACE},
    {"were", W_FILLER},
    {"what", W_FILLER},
    {"whatever", W_FILLER},
    {"which", W_DESCRIBES},
    {"whole", W_ALL | W_FILLER | W_WHOLE},
    {"will", W_DESCRIBES | W_FILLER},
    {"without", W_NOT},
    {"would", W_DESCRIBES},
    {"www", W_PLACE},
    {"you", W_YOU | W_FILLER},
    {"your", W_YOU | W_BEFORE | W_FILLER},
    {"youve", W_YOU | W_FILLER},
};

struct word word_table[WORDS_MAX];
uint16_t word_next[WORDS_MAX];
uint16_t word_index[1u << WORD_HASH_BITS];
uint64_t word_signs[WORDS_MAX];

unsigned word_add(const char *text, size_t n)
{
    static unsigned used = 1;
    char padded[sizeof(uint64_t) * 2] = {0};
    uint64_t kind, needs, first, more;
    memcpy(padded, text, MIN(n, sizeof padded));
    memcpy(&first, padded, sizeof first);
    memcpy(&more, padded + sizeof first, sizeof more);
    unsigned known = word_find(first, more, &kind, &needs);
    if (known || used == WORDS_MAX)
        return known;
    struct word *w = &word_table[used];
    uint16_t *head = &word_index[word_hash(first, more)];
    *w = (struct word){.text = first, .more = more};
    word_next[used] = *head;
    *head = (uint16_t)used;
    return used++;
}

static unsigned signs_of(uint64_t kind)
{
    static const struct {
        uint64_t kinds;
        unsigned sign;
    } signs[] = {{W_OVERRIDE | W_NAMED, SIGN_OVERRIDE}, {W_NOW, SIGN_NOW}, {W_NOT, SIGN_NOT},
        {W_SEND, SIGN_SEND}, {W_SHOW, SIGN_SHOW}, {W_TASK | W_ORDERS, SIGN_ORDERS},
        {W_NEW | W_SYSTEM, SIGN_SYSTEM}, {W_ANCHORS, SIGN_ANCHOR}};
    unsigned all = 0;
    for (size_t i = 0; i < ARRAY_LEN(signs); i++)
        all |= kind & signs[i].kinds ? signs[i].sign : 0;
    return all;
}

static void fill_signs(void)
{
    for (size_t i = 1; i < WORDS_MAX; i++) {
        struct word *w = &word_table[i];
        uint64_t needs = (w->needs & W_RULED) == W_RULED ? SIGN_ALWAYS : signs_of(w->needs & W_RULED);
        w->signs |= signs_of(w->kind) | needs << SIGN_NEEDS;
        word_signs[word_index[word_hash(w->text, w->more)]] |= w->signs;
    }
}

__attribute__((constructor)) static void fill_table(void)
{
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        struct word *w = &word_table[word_add(words[i].text, strlen(words[i].text))];
        w->kind = words[i].kind;
        w->needs = phrases_needs(w->kind);
    }
    sayings_compile();
    fill_signs();
}
