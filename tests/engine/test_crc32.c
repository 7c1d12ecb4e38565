#include "engine/crc32.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* The check value of the catalogue of parametrised CRC algorithms (CRC-32/ISO-HDLC). */
static void test_check_value(void **state)
{
    (void)state;
    struct crc32 crc;
    crc32_init(&crc);
    assert_int_equal(crc32_update(&crc, 0, "123456789", 9), 0xCBF43926);
    assert_int_equal(crc32_update(&crc, 0, "", 0), 0);
}

static void test_pieces_of_any_length_give_the_crc_of_the_whole(void **state)
{
    (void)state;
    struct crc32 crc;
    crc32_init(&crc);
    unsigned char bytes[100];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 37 + 11);
    uint32_t whole = crc32_update(&crc, 0, bytes, sizeof bytes);
    for (size_t cut = 0; cut <= sizeof bytes; cut++) {
        uint32_t first = crc32_update(&crc, 0, bytes, cut);
        assert_int_equal(crc32_update(&crc, first, bytes + cut, sizeof bytes - cut),
                         whole);
    }
}

static void test_every_flipped_bit_changes_the_crc(void **state)
{
    (void)state;
    struct crc32 crc;
    crc32_init(&crc);
    unsigned char bytes[33] = {0};
    uint32_t before = crc32_update(&crc, 0, bytes, sizeof bytes);
    for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        assert_int_not_equal(crc32_update(&crc, 0, bytes, sizeof bytes), before);
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check_value),
        cmocka_unit_test(test_pieces_of_any_length_give_the_crc_of_the_whole),
        cmocka_unit_test(test_every_flipped_bit_changes_the_crc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
