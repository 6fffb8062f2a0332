#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <stdio.h>

#include "appliance/memory.h"

/* KiB of code that is mapped and there. */
static unsigned long code_resident(void)
{
    char line[512], mode[5];
    unsigned long sum = 0, n;
    bool code = false;
    FILE *f = fopen("/proc/self/smaps", "re");

    cr_assert_not_null(f);
    while (fgets(line, sizeof line, f) != NULL) {
        if (sscanf(line, "%*x-%*x %4s", mode) == 1)
            code = mode[0] == 'r' && mode[2] == 'x';
        else if (code && sscanf(line, "Rss: %lu", &n) == 1)
            sum += n;
    }
    (void)fclose(f);
    return sum;
}

Test(memory, code_is_let_go_of_and_comes_back)
{
    unsigned char a[EVP_MAX_MD_SIZE], b[EVP_MAX_MD_SIZE];

    cr_assert_eq(EVP_Digest("x", 1, a, NULL, EVP_sha256(), NULL), 1);
    unsigned long before = code_resident();
    memory_trim();
    memory_forget_code();
    cr_assert_lt(code_resident(), before * 3 / 4);
    cr_assert_eq(EVP_Digest("x", 1, b, NULL, EVP_sha256(), NULL), 1);
    cr_assert(memcmp(a, b, 32) == 0);
}
