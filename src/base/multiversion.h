/*
 * MULTIVERSION before a function: gcc compiles it for AVX-512, AVX2 and the baseline, and
 * the loader picks one, so that plain loops become vector code on any x86-64 from one
 * portable binary. Only for functions whose results do not depend on the instruction set
 * (no a * b + c, which becomes one rounding where there is FMA), or where that is meant.
 *
 * Under the sanitizers (whose runtime is not ready when the loader picks) and with clang
 * (whose version 14 cannot export such functions) there is only the baseline.
 */
#ifndef BACKPROP_MULTIVERSION_H
#define BACKPROP_MULTIVERSION_H

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) &&                   \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define MULTIVERSION                                                                     \
    __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define MULTIVERSION
#endif

#endif
