#include "errors.hpp"

#include <gtest/gtest.h>

namespace taskstore::postgres {
namespace {

TEST(Errors, SqlstatesHaveCodes) {
    const std::pair<const char*, Code> kCases[] = {
        {"40001", Code::unavailable}, {"40P01", Code::unavailable}, {"55P03", Code::unavailable},
        {"57P01", Code::unavailable}, {"57P03", Code::unavailable}, {"53300", Code::unavailable},
        {"08006", Code::unavailable}, {"", Code::unavailable},      {"23505", Code::conflict},
        {"23503", Code::conflict},    {"42601", Code::invalid},     {"42P01", Code::invalid},
        {"22P02", Code::invalid},     {"25006", Code::denied},      {"42501", Code::denied},
        {"28P01", Code::denied},      {"57014", Code::cancelled},   {"53100", Code::failed},
        {"58030", Code::failed},      {"25P02", Code::failed},      {"XX001", Code::corrupt},
        {"3D000", Code::not_found}};
    for (const auto& [sqlstate, code] : kCases) EXPECT_EQ(code_of(sqlstate), code) << sqlstate;
}

TEST(Errors, OnlyWhatARepetitionMendsIsTransient) {
    for (const char* sqlstate : {"40001", "40P01", "57P03", "08006", "55P03"})
        EXPECT_TRUE(is_transient(sqlstate)) << sqlstate;
    for (const char* sqlstate : {"23505", "42601", "57014", "53100", "28P01", "25006", "XX001"})
        EXPECT_FALSE(is_transient(sqlstate)) << sqlstate;
}

TEST(Errors, NativeIsTheSqlstateInBase36) {
    EXPECT_EQ(native_of("00000"), 0);
    EXPECT_EQ(native_of("23505"), 2 * 1'679'616 + 3 * 46'656 + 5 * 1'296 + 5);
}

TEST(Errors, QuotedPartsOfAMessageAreLeftOut) {
    EXPECT_EQ(without_quotes("invalid port \"s3cret\" in it\n"), "invalid port …");
    EXPECT_EQ(without_quotes("no end 's3cret"), "no end …");
    EXPECT_EQ(without_quotes("wrong URI: \"u:s3\"cret@h\""), "wrong URI: …");
}

}  // namespace
}  // namespace taskstore::postgres
