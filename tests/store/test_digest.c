/* SHA-256 by its published vectors (FIPS 180-4 examples), in one piece and in many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/digest.h"

#include <string.h>

static void check(const char *text, size_t piece, const char *expected)
{
    struct digest digest;
    unsigned char bytes[DIGEST_BYTES];
    char hex[DIGEST_HEX_SIZE];
    size_t length = strlen(text);
    digest_init(&digest);
    for (size_t at = 0; at < length; at += piece)
        digest_update(&digest, text + at, length - at < piece ? length - at : piece);
    digest_final(&digest, bytes);
    digest_hex(bytes, hex);
    assert_string_equal(hex, expected);
}

static void test_published_vectors(void **state)
{
    (void)state;
    check("", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    check("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    check("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 100,
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

static void test_pieces_make_the_same_digest(void **state)
{
    (void)state;
    const char *text = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    for (size_t piece = 1; piece < 60; piece++)
        check(text, piece,
              "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_vectors),
        cmocka_unit_test(test_pieces_make_the_same_digest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
