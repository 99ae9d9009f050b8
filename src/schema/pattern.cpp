#include "pattern.hpp"

#include "pattern_translate.hpp"

#include <re2/re2.h>

#include <algorithm>

namespace taskstore::schema {
namespace {
constexpr std::size_t kSourceBytesMax = 1U << 16U;
}  // namespace

Result<Pattern> Pattern::compile(std::string_view source, std::size_t bytes_max) {
    if (source.size() > kSourceBytesMax) {
        return fail(Code::unsupported, "a pattern of more than 64 KiB");
    }
    TASKSTORE_LET(const Translation translation, translate_pattern(source));
    if (!translation.unsupported.empty()) {
        return fail(Code::unsupported, "the pattern uses " + translation.unsupported +
                                           ", which cannot be matched in linear time");
    }
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_never_capture(true);
    options.set_max_mem(static_cast<std::int64_t>(bytes_max));
    Pattern pattern;
    for (const auto& conditions : translation.alternatives) {
        auto& compiled = pattern.x_alternatives.emplace_back();
        for (const TranslatedCondition& condition : conditions) {
            auto machine = std::make_shared<re2::RE2>(condition.machine, options);
            if (!machine->ok()) {
                return fail(Code::unsupported,
                            "the pattern cannot be compiled: " + machine->error());
            }
            pattern.x_instructions +=
                static_cast<std::uint64_t>(std::max(machine->ProgramSize(), 1));
            compiled.push_back({std::move(machine), condition.wanted});
        }
    }
    return pattern;
}

bool Pattern::matches(std::string_view text) const {
    const re2::StringPiece piece(text.data(), text.size());
    return std::ranges::any_of(x_alternatives, [&](const std::vector<Condition>& conditions) {
        return std::ranges::all_of(conditions, [&](const Condition& condition) {
            return condition.machine->Match(piece, 0, piece.size(), re2::RE2::UNANCHORED, nullptr,
                                            0) == condition.wanted;
        });
    });
}

Status check_pattern(std::string_view source) {
    TASKSTORE_TRY(translate_pattern(source));
    return ok();
}

}  // namespace taskstore::schema
