/* The lease table: what is found, what ages, and that neither a killed writer nor a racing one misleads a
 * reader. */
#include <criterion/criterion.h>

#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "dns/lease.h"
#include "lib/base.h"

static void *shared(size_t len)
{
    void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    cr_assert(p != MAP_FAILED);
    return p;
}

static struct lease_table *table(size_t buckets)
{
    return lease_create(shared(lease_size(buckets)), buckets);
}

static struct addr address(unsigned i)
{
    return addr_v4((uint8_t[]){10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i});
}

Test(lease, holds_for_its_name_and_time_only)
{
    struct lease_table *t = table(64);
    struct addr a = address(1), b = address(2);
    struct lease l;

    lease_put(t, &a, "www.example", "abcdefghijklmnop", 100, 10);
    cr_assert(lease_find(t, &a, "www.example", 100, &l));
    cr_assert_str_eq(l.name, "www.example");
    cr_assert_str_eq(l.dns_id, "abcdefghijklmnop");
    cr_assert_eq(l.expires, 100);
    cr_assert(lease_find(t, &a, "www.example", 10, NULL));
    cr_assert_not(lease_find(t, &a, "www.example", 101, NULL));
    cr_assert_not(lease_find(t, &b, "www.example", 10, NULL));
    cr_assert_not(lease_find(t, &a, "www.exampl", 10, NULL));
    cr_assert_not(lease_find(t, &a, "www.example.", 10, NULL));
    cr_assert_not(lease_find(t, &a, "", 10, NULL));
}

Test(lease, many_names_newest_first_oldest_dropped)
{
    struct lease_table *t = table(64);
    struct addr a = address(1);
    struct lease l[LEASE_NAMES_MAX + 4];
    char name[32];

    for (int i = 0; i < LEASE_NAMES_MAX + 3; i++) {
        (void)snprintf(name, sizeof name, "n%d.example", i);
        lease_put(t, &a, name, "x", 100, 10);
    }
    cr_assert_eq(lease_names(t, &a, 10, l, ARRAY_LEN(l)), LEASE_NAMES_MAX);
    cr_assert_str_eq(l[0].name, "n18.example");
    cr_assert_str_eq(l[LEASE_NAMES_MAX - 1].name, "n3.example");
    cr_assert_not(lease_find(t, &a, "n2.example", 10, NULL));
    cr_assert_eq(lease_names(t, &a, 10, l, 2), 2);
    cr_assert_eq(lease_names(t, &a, 101, l, 2), 0);
}

Test(lease, renewal_keeps_one_record_and_the_later_end)
{
    struct lease_table *t = table(64);
    struct addr a = address(1);
    struct lease l[2];

    lease_put(t, &a, "a.example", "one", 100, 10);
    lease_put(t, &a, "a.example", "two", 50, 20);
    cr_assert_eq(lease_names(t, &a, 20, l, 2), 1);
    cr_assert_eq(l[0].expires, 100);
    cr_assert_str_eq(l[0].dns_id, "two");
}

Test(lease, every_length_of_name)
{
    struct lease_table *t = table(512);
    char name[HOSTNAME_MAX + 2];

    for (size_t n = 1; n <= HOSTNAME_MAX + 1; n++) {
        struct addr a = address((unsigned)n);
        memset(name, 'a', n);
        name[n] = '\0';
        lease_put(t, &a, name, "id", 100, 10);
        cr_assert_eq(lease_find(t, &a, name, 10, NULL), n <= HOSTNAME_MAX, "%zu", n);
    }
}

/* Far more leases than room: the newest stay, the table stays sound, a lease that is renewed all the time
 * never goes. */
Test(lease, ages_by_order)
{
    enum { BUCKETS = 128, ROUNDS = 20000 };
    struct lease_table *t = table(BUCKETS);
    struct addr hot = address(0xffffff), a;
    char name[64];

    lease_put(t, &hot, "hot.example", "h", 1000, 10);
    for (unsigned i = 0; i < ROUNDS; i++) {
        int len = snprintf(name, sizeof name, "n%u.%.*s.example", i, (int)(i % 40),
            "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopq");
        cr_assert(len > 0);
        a = address(i);
        lease_put(t, &a, name, "id", 1000, 10);
        cr_assert(lease_find(t, &a, name, 10, NULL), "%u", i);
        if (i % 16 == 0)
            lease_put(t, &hot, "hot.example", "h", 1000, 10);
        cr_assert(lease_find(t, &hot, "hot.example", 10, NULL), "%u", i);
    }
    a = address(0);
    cr_assert_not(lease_find(t, &a, "n0..example", 10, NULL));
}

Test(lease, refuses_what_is_no_table)
{
    size_t len = lease_size(64);
    uint8_t *mem = shared(len);

    cr_assert_null(lease_attach(mem, len));
    (void)lease_create(mem, 64);
    cr_assert_not_null(lease_attach(mem, len));
    cr_assert_null(lease_attach(mem, len - 64));
    cr_assert_null(lease_attach(mem, 8));
    memset(mem + 8, 0xff, 8); /* sizes */
    cr_assert_null(lease_attach(mem, len));
}

/* A broken writer's offsets lead a reader nowhere: it ends, and stays inside. */
Test(lease, survives_any_octets)
{
    size_t len = lease_size(64);
    uint8_t *mem = shared(len);
    struct lease out[4];

    for (unsigned seed = 1; seed < 300; seed++) {
        struct lease_table *t = lease_create(mem, 64);
        size_t head = lease_size(64) - (size_t)128 * 64 - (size_t)64 * 8; /* roughly where buckets begin */
        srand(seed);
        for (size_t i = head; i < len; i++)
            mem[i] = (uint8_t)(rand() % (rand() % 4 == 0 ? 256 : 5));
        for (unsigned i = 0; i < 64; i++) {
            struct addr a = address(i);
            cr_assert_leq(lease_names(t, &a, 0, out, ARRAY_LEN(out)), ARRAY_LEN(out));
        }
    }
}

static void write_forever(struct lease_table *t, unsigned from)
{
    char name[80];

    for (unsigned i = from;; i++) {
        struct addr a = address(i % 64);
        (void)snprintf(name, sizeof name, "name-%u.of.%u.example", i % 1000, i % 64);
        lease_put(t, &a, name, name, 1000, 10);
    }
}

/* Whatever a reader sees was written as a whole. */
static unsigned check_all(const struct lease_table *t)
{
    struct lease l[LEASE_NAMES_MAX];
    char tail[32];
    unsigned seen = 0;

    for (unsigned i = 0; i < 64; i++) {
        struct addr a = address(i);
        size_t n = lease_names(t, &a, 10, l, ARRAY_LEN(l));
        (void)snprintf(tail, sizeof tail, ".of.%u.example", i);
        for (size_t k = 0; k < n; k++) {
            size_t len = strlen(l[k].name), end = strlen(tail);
            cr_assert(len > end && strcmp(l[k].name + len - end, tail) == 0, "%s", l[k].name);
            cr_assert_eq(memcmp(l[k].name, l[k].dns_id, strnlen(l[k].dns_id, LEASE_DNS_ID_LEN)), 0);
            cr_assert_eq(l[k].expires, 1000);
            seen++;
        }
    }
    return seen;
}

/* Writers are killed at any moment, again and again; the next one always finds, or makes, a sound table. */
Test(lease, killed_writers, .timeout = 60)
{
    size_t len = lease_size(48);
    void *mem = shared(len);
    const struct lease_table *t = lease_create(mem, 48);
    unsigned seen = 0;

    for (unsigned round = 0; round < 150; round++) {
        pid_t pid = fork();
        if (pid == 0) {
            struct lease_table *w = lease_writer(mem, len);
            if (w != NULL)
                write_forever(w, round * 7919);
            _exit(1);
        }
        for (unsigned i = 0; i < 40; i++)
            seen += check_all(t);
        cr_assert_eq(kill(pid, SIGKILL), 0);
        cr_assert_eq(waitpid(pid, NULL, 0), pid);
        struct lease_table *w = lease_writer(mem, len);
        cr_assert_not_null(w);
        seen += check_all(t);
        struct addr a = address(round % 64);
        char name[64];
        (void)snprintf(name, sizeof name, "name-0.of.%u.example", round % 64);
        lease_put(w, &a, name, name, 1000, 10);
        cr_assert(lease_find(t, &a, name, 10, NULL));
    }
    cr_assert_gt(seen, 0);
}

/* Two generations write at once while a third process reads. */
Test(lease, two_writers, .timeout = 60)
{
    size_t len = lease_size(48);
    void *mem = shared(len);
    const struct lease_table *t = lease_create(mem, 48);
    pid_t pids[2];

    for (unsigned i = 0; i < 2; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            write_forever(lease_writer(mem, len), i * 500);
    }
    for (unsigned i = 0; i < 20000; i++)
        (void)check_all(t);
    for (unsigned i = 0; i < 2; i++) {
        (void)kill(pids[i], SIGKILL);
        (void)waitpid(pids[i], NULL, 0);
    }
}
