#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "appliance/memory.h"

/* KiB of code, or of constants, that are mapped and there. */
static unsigned long resident(const char *kind)
{
    char line[512], mode[5];
    unsigned long sum = 0, n;
    bool counts = false;
    FILE *f = fopen("/proc/self/smaps", "re");

    cr_assert_not_null(f);
    while (fgets(line, sizeof line, f) != NULL) {
        if (sscanf(line, "%*x-%*x %4s", mode) == 1)
            counts = strncmp(mode, kind, 3) == 0;
        else if (counts && sscanf(line, "Rss: %lu", &n) == 1)
            sum += n;
    }
    (void)fclose(f);
    return sum;
}

Test(memory, code_is_let_go_of_and_comes_back)
{
    unsigned char a[EVP_MAX_MD_SIZE], b[EVP_MAX_MD_SIZE];

    cr_assert_eq(EVP_Digest("x", 1, a, NULL, EVP_sha256(), NULL), 1);
    unsigned long code = resident("r-x"), constants = resident("r--");
    memory_trim();
    memory_forget_code();
    cr_assert_lt(resident("r-x"), code * 3 / 4);
    cr_assert_lt(resident("r--"), constants); /* the rest was written once, by the dynamic linker */
    cr_assert_eq(EVP_Digest("x", 1, b, NULL, EVP_sha256(), NULL), 1);
    cr_assert(memcmp(a, b, 32) == 0);
}
