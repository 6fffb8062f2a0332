/* What Apple's `container` says, in the shapes of each version, and what becomes of it. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hostctl/apple_json.h"
#include "lib/base.h"

static const char *const versions[] = {"1.0.0", "1.2.2"};

static json_t *load(const char *version, const char *name)
{
    char path[300];
    (void)snprintf(path, sizeof path, "tests/fixtures/apple/%s/%s.json", version, name);
    json_error_t err;
    json_t *j = json_load_file(path, 0, &err);
    cr_assert_not_null(j, "%s: %s (tests run in the project's folder)", path, err.text);
    return j;
}

static json_t *first_of(const char *version, const char *name)
{
    json_t *list = load(version, name), *first = json_incref(json_array_get(list, 0));
    json_decref(list);
    cr_assert_not_null(first);
    return first;
}

Test(apple, the_service)
{
    static const struct {
        const char *file;
        enum apple_service want;
    } table[] = {{"system-status-running", APPLE_RUNNING}, {"system-status-notrunning", APPLE_NOT_RUNNING},
        {"system-status-unregistered", APPLE_UNREGISTERED}};
    for (size_t v = 0; v < ARRAY_LEN(versions); v++)
        for (size_t i = 0; i < ARRAY_LEN(table); i++) {
            json_t *j = load(versions[v], table[i].file);
            cr_expect_eq(apple_service_of(j), table[i].want, "%s %s", versions[v], table[i].file);
            json_decref(j);
        }
    cr_expect_eq(apple_service_of(NULL), APPLE_UNCLEAR);
}

Test(apple, the_version)
{
    static const char *const files[] = {"system-version", "system-version-noserver"};
    for (size_t v = 0; v < ARRAY_LEN(versions); v++)
        for (size_t i = 0; i < ARRAY_LEN(files); i++) {
            struct apple_version got;
            char text[32];
            json_t *j = load(versions[v], files[i]);
            cr_assert(apple_version_of(j, &got));
            (void)snprintf(text, sizeof text, "%u.%u.%u", got.major, got.minor, got.patch);
            cr_expect_str_eq(text, versions[v]);
            json_decref(j);
        }
}

Test(apple, versions_that_are_odd)
{
    static const struct {
        const char *text;
        bool good;
        struct apple_version want;
    } table[] = {{"0.12.3", true, {0, 12, 3}}, {"1.3", true, {1, 3, 0}}, {"1.3.0-rc1", true, {1, 3, 0}},
        {"2", true, {2, 0, 0}}, {"", false, {0, 0, 0}}, {"unspecified", false, {0, 0, 0}},
        {"1..2", false, {0, 0, 0}}, {"-1.2", false, {0, 0, 0}}};
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct apple_version got;
        json_t *j = json_pack("[{s:s,s:s},{s:s,s:s}]", "appName", "other", "version", "9.9.9", "appName",
            "container", "version", table[i].text);
        cr_expect_eq(apple_version_of(j, &got), table[i].good, "%s", table[i].text);
        if (table[i].good)
            cr_expect(got.major == table[i].want.major && got.minor == table[i].want.minor &&
                          got.patch == table[i].want.patch,
                "%s", table[i].text);
        json_decref(j);
    }
    const struct apple_version v = {1, 2, 1};
    cr_expect(apple_since(v, 1, 2, 1) && apple_since(v, 1, 1, 9) && apple_since(v, 0, 99, 0));
    cr_expect_not(apple_since(v, 1, 2, 2) || apple_since(v, 1, 3, 0) || apple_since(v, 2, 0, 0));
}

Test(apple, addresses_are_found_by_the_networks_name)
{
    for (size_t v = 0; v < ARRAY_LEN(versions); v++) {
        json_t *sidecar = first_of(versions[v], "container-inspect-sidecar");
        struct cli_place outer = apple_place(sidecar, "egressd-nat"),
                         inner = apple_place(sidecar, "egressd-a1");
        struct cli_place none = apple_place(sidecar, "egressd-a");
        cr_expect_str_eq(outer.address, "192.168.65.2");
        cr_expect_str_eq(outer.gateway, "192.168.65.1");
        cr_expect_str_eq(inner.address, "192.168.128.2");
        cr_expect_str_eq(none.address, "");
        cr_expect(apple_state(sidecar).running);
        cr_expect_eq(apple_state(sidecar).pid, 0);
        cr_expect_str_eq(apple_label(sidecar, CLI_LABEL_SANDBOX), "a1");
        cr_expect_null(apple_label(sidecar, "other"));
        json_decref(sidecar);
    }
}

Test(apple, what_does_not_run_has_no_address)
{
    static const char *const files[] = {"container-inspect-stopped", "container-inspect-nonet"};
    static const bool running[] = {false, true};
    for (size_t v = 0; v < ARRAY_LEN(versions); v++)
        for (size_t i = 0; i < ARRAY_LEN(files); i++) {
            json_t *c = first_of(versions[v], files[i]);
            cr_expect_str_eq(apple_place(c, "default").address, "");
            cr_expect_eq(apple_state(c).running, running[i], "%s", files[i]);
            json_decref(c);
        }
    cr_expect_not(apple_state(NULL).running);
    cr_expect_str_eq(apple_place(NULL, "x").address, "");
    cr_expect_null(apple_label(NULL, "x"));
}

Test(apple, what_is_no_address_is_none)
{
    static const char *const bad[] = {"", "/24", "192.168.1/24", "host; pass all", "0192.168.1.1",
        "192.168.128.2192.168.128.2192.168.128.2192.168.128.2"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        json_t *c = json_pack(
            "{s:{s:[i,{},{s:s,s:s}]}}", "status", "networks", 7, "network", "n", "ipv4Address", bad[i]);
        cr_expect_str_eq(apple_place(c, "n").address, "", "%s", bad[i]);
        json_decref(c);
    }
}

Test(apple, networks)
{
    for (size_t v = 0; v < ARRAY_LEN(versions); v++) {
        json_t *n = first_of(versions[v], "network-inspect-hostonly"),
               *list = load(versions[v], "network-list");
        cr_expect_str_eq(apple_subnet(n), "192.168.128.0/24");
        cr_expect_str_eq(apple_gateway(n), "192.168.128.1");
        cr_expect_not_null(apple_subnet6(n));
        cr_expect_str_eq(apple_label(n, CLI_LABEL_SANDBOX), "a1");
        cleanup_free char *names = apple_names(list);
        cr_expect_str_eq(names, "default\negressd-a1\negressd-nat\n");
        json_decref(n);
        json_decref(list);
    }
}

Test(apple, lists)
{
    for (size_t v = 0; v < ARRAY_LEN(versions); v++) {
        json_t *list = load(versions[v], "container-list-all"),
               *empty = load(versions[v], "container-list-empty");
        cleanup_free char *names = apple_names(list);
        cr_expect_not_null(strstr(names, "egressd-a1-sidecar\n"));
        cr_expect_not_null(strstr(names, "egressd-a1-agent\n"));
        cleanup_free char *none = apple_names(empty);
        cr_expect_str_eq(none, "");
        json_decref(list);
        json_decref(empty);
    }
    json_t *odd = json_pack("[{s:s},i,{},{s:i},{s:s}]", "id", "a\nb", 3, "id", 7, "id", "c");
    cleanup_free char *names = apple_names(odd);
    cr_expect_str_eq(names, "c\n");
    json_decref(odd);
}

Test(apple, images)
{
    static const char digest[] = "cbba7a9b5242344247433aa535335e531f96cd6b6989d17279863bf9080f296b";
    static const char *const files[] = {"image-inspect-from-index", "image-inspect-from-manifest"};
    for (size_t v = 0; v < ARRAY_LEN(versions); v++)
        for (size_t i = 0; i < ARRAY_LEN(files); i++) {
            json_t *image = first_of(versions[v], files[i]);
            cr_expect_str_eq(apple_image_user(image), "0:0");
            cr_expect(apple_image_is(image, NULL));
            cr_expect(apple_image_is(image, digest));
            cr_expect_not(apple_image_is(image, "0123"));
            json_decref(image);
        }
    cr_expect_not(apple_image_is(NULL, NULL));
    json_t *odd = json_pack("{s:[{s:s},i]}", "variants", "digest", "", 3);
    cr_expect_not(apple_image_is(odd, "anything"), "an empty digest is nobody's");
    json_decref(odd);
}

/* Each text of the recorded results is known, and the ones that have a remedy name it. */
Test(apple, troubles)
{
    static const struct {
        const char *words;
        enum apple_trouble want;
    } table[] = {{"container not found:", APPLE_NOT_FOUND}, {"network not found:", APPLE_NOT_FOUND},
        {"image not found:", APPLE_NOT_FOUND}, {"container with id ", APPLE_EXISTS},
        {"container already exists:", APPLE_EXISTS}, {"network nope not found", APPLE_NOT_FOUND},
        {"network egressd-a1 already exists", APPLE_EXISTS}, {"overlaps an existing network", APPLE_OVERLAP},
        {"with referring containers", APPLE_RUNNING_STILL},
        {"failed to delete one or more networks", APPLE_NOT_FOUND},
        {"with ID nope not found", APPLE_NOT_FOUND},
        {"is running and can not be deleted", APPLE_RUNNING_STILL},
        {"get failed: container nope not found", APPLE_NOT_FOUND}, {"is not running", APPLE_OTHER},
        {"XPC connection error", APPLE_NO_SERVICE}, {"XPC timeout for request", APPLE_TIMEOUT},
        {"Unknown option", APPLE_USAGE}, {"file does not exist", APPLE_OTHER}};
    bool seen[ARRAY_LEN(table)] = {false};
    for (size_t v = 0; v < ARRAY_LEN(versions); v++) {
        json_t *results = load(versions[v], "cli-results"), *r;
        size_t k;
        json_array_foreach(results, k, r)
        {
            const char *text = json_string_value(json_object_get(r, "stderr"));
            int status = (int)json_integer_value(json_object_get(r, "exit"));
            bool known = status == 0 || !*text;
            for (size_t i = 0; i < ARRAY_LEN(table) && !known; i++)
                if (strstr(text, table[i].words)) {
                    cr_expect_eq(apple_trouble_of(text, status), table[i].want, "%s", text);
                    seen[i] = known = true;
                }
            cr_expect(known, "%s", text);
        }
        json_decref(results);
    }
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        cr_expect(seen[i], "no result says \"%s\"", table[i].words);
    static const enum apple_trouble remedies[] = {
        APPLE_NO_SERVICE, APPLE_TIMEOUT, APPLE_EXISTS, APPLE_OVERLAP, APPLE_RUNNING_STILL, APPLE_USAGE};
    for (size_t i = 0; i < ARRAY_LEN(remedies); i++)
        cr_expect_not_null(apple_advice(remedies[i]));
    cr_expect_null(apple_advice(APPLE_OTHER));
}
